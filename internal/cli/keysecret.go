package cli

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// secretFlags are the flags for where a secret goes.
type secretFlags struct {
	save  string
	force bool
}

func (f *secretFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.save, "save", "",
		"write the secret to this `file`, as "+
			`{"id":…,"secret":…,"value":…}, which only you can read; the secret is then not shown`)
	cmd.Flags().BoolVar(&f.force, "force", false, "let --save overwrite an existing file")
}

// showOrSaveIssued issues a secret and shows or saves it. There is no second chance to do that.
func (c *call) showOrSaveIssued(f secretFlags, issue func() (api.IssuedKey, error)) error {
	if f.save == "" {
		k, err := issue()
		if err != nil {
			return c.secretLost(k, err)
		}
		return c.showIssued(k)
	}
	file, err := createPending(f.save, f.force)
	if err != nil {
		return err
	}
	k, err := issue()
	if err != nil || k.Credential == nil {
		file.discard()
		return c.secretLost(k, err)
	}
	if err := file.writeCredential(*k.Credential); err != nil {
		return c.secretLost(k, fmt.Errorf("the secret could not be saved: %w", err))
	}
	k.Credential = &api.Credential{Style: k.Credential.Style, ID: k.Credential.ID}
	c.note("The secret is in %s. Claviger cannot show it again.", f.save)
	return printOne(c.printer, k, issuedFields)
}

// secretLost says how to get a secret of a key that was created without showing it.
func (c *call) secretLost(k api.IssuedKey, err error) error {
	if k.Key.ID == "" {
		return err
	}
	code := exitFailed
	if errors.Is(err, client.ErrSecretLost) {
		code = exitUnavailable
	}
	return failure{
		fmt.Errorf("key %s: %w", k.Key.ID, err), code,
		"to give the key a new secret: claviger keys refresh " + k.Key.ID,
	}
}

func (c *call) showIssued(k api.IssuedKey) error {
	if err := printOne(c.printer, k, issuedFields); err != nil {
		return err
	}
	if k.Link != nil && k.Link.URL == nil {
		c.note("The link was sent to the owner by e-mail, and is shown to nobody else. The secret does not exist " +
			"until they use the link.")
		return nil
	}
	if k.Link != nil {
		c.note("The link is shown once. Send it to the owner, who signs in and opens it, or passes it to " +
			"claviger keys claim. The secret does not exist until then.")
		return nil
	}
	c.note("The secret is shown once. Store it now in a place that only its users can read: " +
		"Claviger cannot show it again.")
	return nil
}

var issuedFields = slices.Concat(columnsOfPart(keyFields, func(k api.IssuedKey) api.Key { return k.Key }),
	[]column[api.IssuedKey]{
		{"secret", credentialText(func(c api.Credential) string { return c.Secret })},
		{"value", credentialText(func(c api.Credential) string { return c.Value })},
		{"example", credentialText(func(c api.Credential) string { return c.Example })},
		{"link", func(k api.IssuedKey) string {
			if k.Link == nil {
				return ""
			}
			return valueOrEmpty(k.Link.URL)
		}},
		{"ended secret", func(k api.IssuedKey) string { return secretText(k.EndedPrevious) }},
		{"link expires", func(k api.IssuedKey) string {
			if k.Link == nil {
				return ""
			}
			return timeText(k.Link.ExpiresAt)
		}},
	})

func credentialText(text func(api.Credential) string) func(api.IssuedKey) string {
	return func(k api.IssuedKey) string {
		if k.Credential == nil {
			return ""
		}
		return text(*k.Credential)
	}
}

func claimKey(r *apiCommand) *cobra.Command {
	var s secretFlags
	cmd := &cobra.Command{
		Use: "claim", Short: "Get the secret of a key that was created for you", Args: cobra.NoArgs,
		Long: `Reads the link, or the token after its last slash, from a prompt or from
standard input. Creates and shows the secret. The link works once.`,
		Example: "  claviger keys claim --save key.json < link.txt",
	}
	s.add(cmd)
	cmd.RunE = r.authenticated(func(c *call, _ []string) error {
		link, err := c.readSecret(c.ctx, "Link", "")
		if err != nil {
			return err
		}
		token, err := linkToken(strings.TrimSpace(link), c.target.Server, "claviger keys claim")
		if err != nil {
			return err
		}
		return c.showOrSaveIssued(s, func() (api.IssuedKey, error) { return c.ClaimKey(c.ctx, token) })
	})
	return cmd
}

func renewClaimLink(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "claim-link KEY", Short: "Make a new claim link for a key that its owner has not claimed",
		Long: `Makes a new link for a key that was created with --link and that its owner has
not claimed: the first link was lost. The new link works for 7 days, and is sent
or shown like the first one. The old link becomes invalid. Only admins who may
create keys for others may do this.`,
		Args: cobra.ExactArgs(1), Example: "  claviger keys claim-link key_…",
		RunE: r.inTenant(r.onKey(func(c *call, tenant, key string) error {
			k, err := c.RenewClaimLink(c.ctx, tenant, key)
			if err != nil {
				return err
			}
			return c.showIssued(k)
		})),
	}
}

func revealKey(r *apiCommand) *cobra.Command {
	var s secretFlags
	cmd := &cobra.Command{
		Use: "reveal KEY", Short: "Show the secret of one of your keys again", Args: cobra.ExactArgs(1),
		Long: `Shows the secret of one of your own keys again, in tenants that store copies
(disclosure recoverable). You must have signed in within the last five minutes.
Each reveal is recorded in the audit trail. With --save, writes the secret to a
file as {"id":…,"secret":…,"value":…}, and does not show it.`,
		Example: "  claviger keys reveal key_… --save key.json",
	}
	s.add(cmd)
	cmd.RunE = r.inTenant(r.onKey(func(c *call, tenant, key string) error {
		return c.showOrSaveRevealed(s, func() (api.RevealedKey, error) { return c.RevealKey(c.ctx, tenant, key) })
	}))
	return cmd
}

// showOrSaveRevealed shows or saves the secret of a recoverable key.
func (c *call) showOrSaveRevealed(f secretFlags, fetch func() (api.RevealedKey, error)) error {
	if f.save == "" {
		k, err := fetch()
		if err != nil {
			return err
		}
		return printOne(c.printer, k, revealedFields)
	}
	file, err := createPending(f.save, f.force)
	if err != nil {
		return err
	}
	k, err := fetch()
	if err != nil {
		file.discard()
		return err
	}
	if err := file.writeCredential(k.Credential); err != nil {
		return err
	}
	return c.printDone("Wrote the secret of %s to %s.", k.Credential.ID, f.save)
}

var revealedFields = []column[api.RevealedKey]{
	{"public id", func(k api.RevealedKey) string { return k.Credential.ID }},
	{"style", func(k api.RevealedKey) string { return string(k.Credential.Style) }},
	{"secret", func(k api.RevealedKey) string { return k.Credential.Secret }},
	{"value", func(k api.RevealedKey) string { return k.Credential.Value }},
	{"example", func(k api.RevealedKey) string { return k.Credential.Example }},
}

// linkToken returns the token of a link to the server. It returns a bare token unchanged. command
// is the command that accepts the link, for the error message.
func linkToken(link, server, command string) (string, error) {
	if !strings.Contains(link, "/") {
		return link, nil
	}
	u, err := url.Parse(link)
	if err != nil {
		return "", usage("this is not a link")
	}
	if home, err := url.Parse(server); err != nil || u.Host != home.Host {
		return "", failure{
			fmt.Errorf("the link belongs to %s, not to %s", u.Host, server), exitUsage,
			command + " --server " + u.Scheme + "://" + u.Host,
		}
	}
	return u.Path[strings.LastIndex(u.Path, "/")+1:], nil
}
