package main

import (
	"cmp"
	"errors"
	"net/url"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func loginCommand() *cobra.Command {
	var email, passwordFile string
	cmd := &cobra.Command{
		Use: "login", Short: "Sign in", Args: cobra.NoArgs,
		Long: `Signs in and keeps the session in contexts.json, which nobody else may read. It becomes the current context.

The password is asked for on a terminal, without echo; a program gives it on standard input or in a file. Without --context a new context is called after the server.`,
		Example: `  claviger login --server https://claviger.example.com --email you@example.com
  claviger login --email you@example.com --password-file /run/secrets/password`,
	}
	r := newRemote(cmd).inTenants(cmd)
	r.begins = true
	cmd.Flags().StringVar(&email, "email", "", "e-mail address; by default that of the last sign-in here")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file that holds the password; by default a prompt, or standard input")
	cmd.RunE = r.prepared(func(c *call, _ []string) error {
		c.warn()
		if err := c.askEmail(&email); err != nil {
			return err
		}
		password, err := c.secret(c.ctx, "Password", passwordFile)
		if err != nil {
			return err
		}
		return c.login(email, password, r.tenant)
	})
	return cmd
}

func (c *call) askEmail(email *string) (err error) {
	if *email == "" {
		*email = c.place.Email
	}
	if *email == "" {
		*email, err = c.line(c.ctx, "E-mail")
	}
	if err == nil && *email == "" {
		err = usage("who are you? Give --email")
	}
	return err
}

// warn tells what somebody who signs in may not have thought of.
func (c *call) warn() {
	if u, err := url.Parse(c.place.Server); err == nil && u.Scheme != "https" && !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()) {
		c.note("Warning: %s is not encrypted: whoever is on the way reads your password. Use https.", c.place.Server)
	}
	if os.Getenv("CLAVIGER_KEY") != "" || os.Getenv("CLAVIGER_KEY_FILE") != "" {
		c.note("Warning: the key of the environment counts before the session. Unset CLAVIGER_KEY and CLAVIGER_KEY_FILE to use it.")
	}
}

func (c *call) login(email, password, tenant string) error {
	signedIn, session, err := c.SignIn(c.ctx, email, password)
	if err != nil {
		return err
	}
	saved := signedIn.SaveSession()
	if saved == "" {
		return failure{errors.New("the server signs people in over https alone"), exitFailed, "use its https address: claviger login --server https://…"}
	}
	c.endEarlier()
	if c.name == "" {
		c.name = nameOf(c.place.Server)
	}
	c.place.Email, c.place.Session, c.place.Tenant = email, saved, cmp.Or(tenant, c.place.Tenant)
	c.book.Entries[c.name], c.book.Current = &c.place, c.name
	if err := c.book.save(); err != nil {
		return errors.Join(err, signedIn.SignOut(c.ctx))
	}
	if c.json {
		return c.asJSON(session)
	}
	return c.done("Signed in to %s as %s until %s (context %s).", c.place.Server, clean(personText(session.User)), whenText(session.ExpiresAt), c.name)
}

// endEarlier ends the session that a new one replaces. It may have ended long ago, and is of no more use whatever the server says.
func (c *call) endEarlier() {
	if c.place.Session == "" {
		return
	}
	if earlier, err := c.WithRetry(client.Retry{}).WithSession(c.place.Session); err == nil {
		_ = earlier.SignOut(c.ctx)
	}
}

// nameOf gives a server's context its name.
func nameOf(server string) string {
	if u, err := url.Parse(server); err == nil {
		return cmp.Or(u.Host, server)
	}
	return server
}

func logoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "logout", Short: "Sign out", Args: cobra.NoArgs,
		Long: "Ends the session on the server and forgets it here. The context stays, for the next sign-in.",
	}
	cmd.RunE = newRemote(cmd).prepared(func(c *call, _ []string) error {
		if c.place.Session == "" {
			return c.done("Not signed in to %s.", c.place.Server)
		}
		signedIn, err := c.WithSession(c.place.Session)
		if err != nil {
			return err
		}
		if err := signedIn.SignOut(c.ctx); err != nil && !ended(err) {
			return err
		}
		c.book.Entries[c.name].Session = ""
		return errors.Join(c.book.save(), c.done("Signed out of %s.", c.place.Server))
	})
	return cmd
}

// ended reports whether the refusal means that there is no such session any more.
func ended(err error) bool {
	return errors.Is(err, api.SessionRequired) || errors.Is(err, api.APIKeyInvalid)
}

func whoamiCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "whoami", Short: "Show whom the server takes you for", Args: cobra.NoArgs}
	cmd.RunE = newRemote(cmd).do(func(c *call, _ []string) error {
		me, err := c.Whoami(c.ctx)
		if err != nil {
			return err
		}
		return printOne(c.printer, me, []column[api.Whoami]{
			{"server", func(api.Whoami) string { return c.place.Server }},
			{"principal", func(w api.Whoami) string { return w.Principal }},
			{"user", func(w api.Whoami) string { return userText(w.User) }},
			{"key", func(w api.Whoami) string { return orNone(w.KeyID) }},
			{"public id", func(w api.Whoami) string { return orNone(w.PublicID) }},
			{"tenant", func(w api.Whoami) string { return orNone(w.TenantID) }},
			{"account", func(w api.Whoami) string { return orNone(w.AccountID) }},
			{"scopes", func(w api.Whoami) string { return words(w.Scopes) }},
			{"applications", func(w api.Whoami) string {
				return reachText(w.AllApplications != nil && *w.AllApplications, w.ApplicationIDs)
			}},
			{"expires", func(w api.Whoami) string { return whenOr(w.EffectiveExpiresAt, "") }},
			{"accounts", func(w api.Whoami) string { return standingsText(w.Accounts) }},
			{"tenants", func(w api.Whoami) string { return membershipsText(w.Memberships) }},
		})
	})
	return cmd
}

func userText(p *api.Person) string {
	if p == nil {
		return ""
	}
	return personText(*p) + " (" + p.ID + ")"
}

// reachText says which applications a key reaches.
func reachText(all bool, ids []string) string {
	if all {
		return "all"
	}
	return words(ids)
}

func standingsText(standings []api.Standing) string {
	var list []string
	for _, s := range standings {
		list = append(list, s.AccountID+":"+s.Role)
	}
	return words(list)
}

func membershipsText(memberships []api.Membership) string {
	var list []string
	for _, m := range memberships {
		list = append(list, m.TenantID+":"+m.Role)
	}
	return words(list)
}
