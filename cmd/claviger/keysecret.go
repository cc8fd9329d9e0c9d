package main

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

// secretFlags say where a new secret goes.
type secretFlags struct {
	save  string
	force bool
}

func (f *secretFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.save, "save", "", "`file` for "+`{"id":…,"secret":…}, which only you may read; the secret is not shown then`)
	cmd.Flags().BoolVar(&f.force, "force", false, "let --save replace a file")
}

// issue gives a key a secret, and shows or saves it: the one chance to.
func (c *call) issue(f secretFlags, mint func() (api.IssuedKey, error)) error {
	if f.save == "" {
		k, err := mint()
		if err != nil {
			return c.lost(k, err)
		}
		return c.showIssued(k)
	}
	file, err := reserve(f.save, f.force)
	if err != nil {
		return err
	}
	k, err := mint()
	if err != nil || k.Credential == nil {
		file.drop()
		return c.lost(k, err)
	}
	if err := file.fillKey(*k.Credential); err != nil {
		return c.lost(k, fmt.Errorf("its secret could not be saved: %w", err))
	}
	k.Credential.Secret, k.Credential.Value, k.Credential.Example = nil, nil, nil
	c.note("The secret is in %s, and Claviger cannot show it again.", f.save)
	return printOne(c.printer, k, issuedFields)
}

// lost says how to come to a secret of a key that was made without one being shown.
func (c *call) lost(k api.IssuedKey, err error) error {
	if k.Key.ID == "" {
		return err
	}
	code := exitFailed
	if errors.Is(err, client.ErrSecretLost) {
		code = exitUnavailable
	}
	return failure{fmt.Errorf("key %s: %w", k.Key.ID, err), code, "claviger keys refresh " + k.Key.ID + " gives it a new secret"}
}

func (c *call) showIssued(k api.IssuedKey) error {
	if err := printOne(c.printer, k, issuedFields); err != nil {
		return err
	}
	if k.Link != nil {
		c.note("The link is shown once. Send it to the owner, who signs in and opens it, or gives it to claviger keys claim; before that there is no secret.")
		return nil
	}
	c.note("The secret is shown once. Store it now, where only what uses it can read it: Claviger cannot show it again.")
	return nil
}

var issuedFields = slices.Concat(of(keyFields, func(k api.IssuedKey) api.Key { return k.Key }), []column[api.IssuedKey]{
	{"secret", ofCredential(func(c api.Credential) *string { return c.Secret })},
	{"value", ofCredential(func(c api.Credential) *string { return c.Value })},
	{"example", ofCredential(func(c api.Credential) *string { return c.Example })},
	{"link", func(k api.IssuedKey) string {
		if k.Link == nil {
			return ""
		}
		return orNone(k.Link.URL)
	}},
	{"link expires", func(k api.IssuedKey) string {
		if k.Link == nil {
			return ""
		}
		return whenText(k.Link.ExpiresAt)
	}},
})

func ofCredential(text func(api.Credential) *string) func(api.IssuedKey) string {
	return func(k api.IssuedKey) string {
		if k.Credential == nil {
			return ""
		}
		return orNone(text(*k.Credential))
	}
}

func claimKey(r *remote) *cobra.Command {
	var s secretFlags
	cmd := &cobra.Command{
		Use: "claim", Short: "Get the secret of a key that was made for you", Args: cobra.NoArgs,
		Long:    "Reads the link, or the token behind its last slash, from a prompt or from standard input, and mints the secret. The link works once.",
		Example: "  claviger keys claim --save key.json < link.txt",
	}
	s.add(cmd)
	cmd.RunE = r.do(func(c *call, _ []string) error {
		link, err := c.secret(c.ctx, "Link", "")
		if err != nil {
			return err
		}
		token, err := tokenOf(strings.TrimSpace(link), c.place.Server)
		if err != nil {
			return err
		}
		return c.issue(s, func() (api.IssuedKey, error) { return c.ClaimKey(c.ctx, token) })
	})
	return cmd
}

func revealKey(r *remote) *cobra.Command {
	var s secretFlags
	cmd := &cobra.Command{
		Use: "reveal KEY", Short: "Show the secret of one of your keys again", Args: cobra.ExactArgs(1),
		Long: `Shows the secret of one of your own keys again, in tenants that keep copies (disclosure recoverable). You must have signed in within the last five minutes.
With --save the secret goes into a file, as {"id":…,"secret":…}, and is not shown. Each reveal is on the audit trail.`,
		Example: "  claviger keys reveal key_… --save key.json",
	}
	s.add(cmd)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		return c.reveal(s, func() (api.RevealedKey, error) { return c.RevealKey(c.ctx, tenant, args[0]) })
	})
	return cmd
}

// reveal shows or saves a secret that can be had again.
func (c *call) reveal(f secretFlags, fetch func() (api.RevealedKey, error)) error {
	if f.save == "" {
		k, err := fetch()
		if err != nil {
			return err
		}
		return printOne(c.printer, k, revealedFields)
	}
	file, err := reserve(f.save, f.force)
	if err != nil {
		return err
	}
	k, err := fetch()
	if err != nil {
		file.drop()
		return err
	}
	if err := file.fillKey(k.Credential); err != nil {
		return err
	}
	return c.done("The secret of %s is in %s.", k.Credential.ID, f.save)
}

var revealedFields = []column[api.RevealedKey]{
	{"public id", func(k api.RevealedKey) string { return k.Credential.ID }},
	{"style", func(k api.RevealedKey) string { return k.Credential.Style }},
	{"secret", func(k api.RevealedKey) string { return orNone(k.Credential.Secret) }},
	{"value", func(k api.RevealedKey) string { return orNone(k.Credential.Value) }},
	{"example", func(k api.RevealedKey) string { return orNone(k.Credential.Example) }},
}

// tokenOf gives the token of a link of the server, or a bare token as it is.
func tokenOf(link, server string) (string, error) {
	if !strings.Contains(link, "/") {
		return link, nil
	}
	u, err := url.Parse(link)
	if err != nil {
		return "", usage("this is no link")
	}
	if home, err := url.Parse(server); err != nil || u.Host != home.Host {
		return "", failure{fmt.Errorf("the link is of %s, and this is %s", u.Host, server), exitUsage, "claviger keys claim --server " + u.Scheme + "://" + u.Host}
	}
	return u.Path[strings.LastIndex(u.Path, "/")+1:], nil
}
