package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
)

// errNotActive makes `claviger verify` exit with exitNegative.
var errNotActive = failure{errors.New("the credential is not allowed"), exitNegative, ""}

func verifyCommand() *cobra.Command {
	var q api.VerifyRequest
	var file, headers string
	cmd := &cobra.Command{
		Use: "verify", Short: "Check whether a credential is allowed", Args: cobra.NoArgs,
		Long: `Checks whether a key or an access token is allowed. Reads it from a file, a
prompt without echo, or standard input: the value of a key, the JSON that --save
wrote, or a header such as "X-API-Key: VALUE". The exit code is 0 for yes and 10
for no. You need the scope keys:verify: with a key in CLAVIGER_KEY, or with a
session whose role has the scope.`,
		Example: `  claviger verify --scope applications:read < key.txt
  claviger verify --headers-file request.txt --application app_…`,
	}
	r := newAPICommand(cmd)
	flags := cmd.Flags()
	flags.StringVar(&file, "credential-file", "",
		"file that contains the credential (default: a prompt, or standard input)")
	flags.StringVar(&headers, "headers-file", "",
		`file that contains the headers of the request to check, one "Name: value" per line; "-" for standard input`)
	flags.StringArrayVar(&q.Scopes, "scope", nil, "a required `scope`; repeat for more")
	flags.StringVar(&q.ApplicationID, "application", "", "application that the request is for, by id or name")
	flags.StringVar(&q.TenantID, "tenant", "", "accept only keys of this tenant, by id or name")
	flags.BoolVar(&q.SessionOnly, "session-only", false, "check for an endpoint that accepts no keys")
	flags.StringVar((*string)(&q.Transport), "transport", "",
		"how the credential was sent: bearer, basic, header or oauth")
	flags.StringVar(&q.IP, "ip", "", "IP address that the request came from")
	cmd.MarkFlagsMutuallyExclusive("credential-file", "headers-file")
	cmd.RunE = r.authenticated(func(c *call, _ []string) (err error) {
		if headers != "" {
			q.Headers, err = c.readHeaders(headers)
		} else {
			var k keyCredential
			k, err = c.readCredential(c.ctx, "Credential", file)
			k.addTo(&q)
		}
		if err != nil {
			return err
		}
		if err := c.resolveNames(&q); err != nil {
			return err
		}
		return c.verify(q)
	})
	return cmd
}

// resolveNames replaces the names of tenant and application by their ids.
func (c *call) resolveNames(q *api.VerifyRequest) (err error) {
	if q.TenantID != "" {
		q.TenantID, err = c.tenantID(q.TenantID)
		if err != nil {
			return err
		}
	}
	if q.ApplicationID == "" || isID[ident.ApplicationID](q.ApplicationID) {
		return nil
	}
	tenant := q.TenantID
	if tenant == "" {
		tenant, err = c.selectTenant()
		if err != nil {
			return err
		}
	}
	q.ApplicationID, err = c.applicationID(tenant, q.ApplicationID)
	return err
}

func (c *call) verify(q api.VerifyRequest) error {
	d, err := c.Verify(c.ctx, q)
	if err != nil {
		return err
	}
	if !d.Active {
		refusal := api.Refusal{
			Code: d.Code, KeyID: d.KeyID, PublicID: d.PublicID, TenantID: d.TenantID,
			Hint: d.Hint, RetryAfterSeconds: d.RetryAfterSeconds, Detail: d.Detail,
		}
		columns := []column[api.Refusal]{
			{"active", func(api.Refusal) string { return "no" }},
			{"code", func(r api.Refusal) string { return string(r.Code) }},
			{"key", func(r api.Refusal) string { return r.KeyID }},
			{"public id", func(r api.Refusal) string { return r.PublicID }},
			{"tenant", func(r api.Refusal) string { return r.TenantID }},
			{"hint", func(r api.Refusal) string { return r.Hint }},
		}
		if refusal.RetryAfterSeconds > 0 {
			columns = append(columns, column[api.Refusal]{"retry after", func(r api.Refusal) string {
				return fmt.Sprintf("%d s", r.RetryAfterSeconds)
			}})
		}
		if refusal.Detail != "" {
			columns = append(columns, column[api.Refusal]{"detail", func(r api.Refusal) string { return r.Detail }})
		}
		err := printOne(c.printer, refusal, columns)
		return cmp.Or(err, error(errNotActive))
	}
	return printOne(c.printer, d, []column[api.Decision]{
		{"active", func(api.Decision) string { return "yes" }},
		{"code", func(d api.Decision) string { return string(d.Code) }},
		{"key", func(d api.Decision) string { return d.KeyID }},
		{"public id", func(d api.Decision) string { return d.PublicID }},
		{"owner", func(d api.Decision) string { return partyWithID(d.Owner.Party) }},
		{"plan", func(d api.Decision) string { return valueOrEmpty(d.Owner.Plan) }},
		{"tenant", func(d api.Decision) string { return d.TenantID }},
		{"account", func(d api.Decision) string { return d.AccountID }},
		{"scopes", func(d api.Decision) string { return joinWords(d.Scopes) }},
		{"applications", func(d api.Decision) string { return applicationsText(d.AllApplications, d.ApplicationIDs) }},
		{"transport", func(d api.Decision) string { return valueOrEmpty(d.Transport) }},
		{"expires", func(d api.Decision) string { return timeOr(d.EffectiveExpiresAt, "never") }},
	})
}

// readHeaders reads "Name: value" lines. It skips empty lines. A header may occur several times, as
// in a request.
func (c *call) readHeaders(file string) (http.Header, error) {
	text, err := c.readFile(file)
	if err != nil {
		return nil, err
	}
	headers := http.Header{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, usage(`%s: write each header as "Name: value"`, file)
		}
		headers.Add(name, strings.TrimSpace(value))
	}
	return headers, nil
}
