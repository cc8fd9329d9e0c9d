package main

import (
	"cmp"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

// errNo ends `claviger verify` with its own code when the decision is no.
var errNo = failure{errors.New("the decision is no"), exitNo, ""}

func verifyCommand() *cobra.Command {
	var q api.VerifyRequest
	var file, headers string
	cmd := &cobra.Command{
		Use: "verify", Short: "Ask whether a credential may pass", Args: cobra.NoArgs,
		Long: `Asks for a decision about a key or an access token: from a file, a prompt without echo, or standard input. Exit code 0 is yes, 10 is no.
Whoever asks needs the scope keys:verify: a key in CLAVIGER_KEY, or a session whose role may hold it.`,
		Example: `  claviger verify --scope applications:read < key.txt
  claviger verify --headers-file request.txt --application app_…`,
	}
	r := newRemote(cmd)
	flags := cmd.Flags()
	flags.StringVar(&file, "credential-file", "", "file that holds the credential; by default a prompt, or standard input")
	flags.StringVar(&headers, "headers-file", "", `file with the headers of the request to decide, a "Name: value" a line; "-" for standard input`)
	flags.StringArrayVar(&q.Scopes, "scope", nil, "a `scope` that is needed; repeat it for more")
	flags.StringVar(&q.ApplicationID, "application", "", "the id of the application that the request is about")
	flags.StringVar(&q.TenantID, "tenant", "", "the one tenant whose keys are good")
	flags.BoolVar(&q.SessionOnly, "session-only", false, "the route takes no key")
	flags.StringVar(&q.Transport, "transport", "", "how the credential came: bearer, basic, header or oauth")
	flags.StringVar(&q.IP, "ip", "", "the address that the request came from")
	cmd.MarkFlagsMutuallyExclusive("credential-file", "headers-file")
	cmd.RunE = r.do(func(c *call, _ []string) (err error) {
		if headers != "" {
			q.Headers, err = c.readHeaders(headers)
		} else {
			q.Credential, err = c.secret(c.ctx, "Credential", file)
		}
		if err != nil {
			return err
		}
		return c.verify(q)
	})
	return cmd
}

func (c *call) verify(q api.VerifyRequest) error {
	d, err := c.Verify(c.ctx, q)
	if err != nil {
		return err
	}
	if !d.Active {
		refusal := api.Refusal{Code: d.Code, KeyID: d.KeyID, PublicID: d.PublicID, TenantID: d.TenantID}
		err := printOne(c.printer, refusal, []column[api.Refusal]{
			{"active", func(api.Refusal) string { return "no" }},
			{"code", func(r api.Refusal) string { return string(r.Code) }},
			{"key", func(r api.Refusal) string { return r.KeyID }},
			{"public id", func(r api.Refusal) string { return r.PublicID }},
			{"tenant", func(r api.Refusal) string { return r.TenantID }},
		})
		return cmp.Or(err, error(errNo))
	}
	return printOne(c.printer, d, []column[api.Decision]{
		{"active", func(api.Decision) string { return "yes" }},
		{"code", func(d api.Decision) string { return string(d.Code) }},
		{"key", func(d api.Decision) string { return d.KeyID }},
		{"public id", func(d api.Decision) string { return d.PublicID }},
		{"owner", func(d api.Decision) string { return userText(&d.Owner) }},
		{"tenant", func(d api.Decision) string { return d.TenantID }},
		{"account", func(d api.Decision) string { return d.AccountID }},
		{"scopes", func(d api.Decision) string { return words(d.Scopes) }},
		{"applications", func(d api.Decision) string { return reachText(d.AllApplications, d.ApplicationIDs) }},
		{"transport", func(d api.Decision) string { return orNone(d.Transport) }},
		{"expires", func(d api.Decision) string { return whenOr(d.EffectiveExpiresAt, "never") }},
	})
}

// readHeaders reads "Name: value" lines; empty lines are none.
func (c *call) readHeaders(file string) (map[string]string, error) {
	text, err := c.readFile(file)
	if err != nil {
		return nil, err
	}
	headers := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if _, twice := headers[name]; !ok || twice {
			return nil, usage(`%s: write each header once, as "Name: value"`, file)
		}
		headers[name] = strings.TrimSpace(value)
	}
	return headers, nil
}
