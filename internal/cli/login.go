package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func loginCommand() *cobra.Command {
	var email, passwordFile, code string
	cmd := &cobra.Command{
		Use: "login", Short: "Sign in", Args: cobra.NoArgs,
		Long: `Signs in and stores the session in contexts.json, which only you can read. The
context of this server becomes the current one.

At a terminal, the command prompts for the password, without echo. A program
passes it on standard input or in a file. Without --context, a new context is
named after the server.`,
		Example: `  claviger login --server https://claviger.example.com --email you@example.com
  claviger login --email you@example.com --password-file /run/secrets/password`,
	}
	r := newAPICommand(cmd).withTenantFlag(cmd)
	r.createsContext = true
	cmd.Flags().StringVar(&email, "email", "", "e-mail address (default: the one of the last sign-in to this server)")
	cmd.Flags().StringVar(&passwordFile, "password-file", "",
		"file that contains the password (default: a prompt, or standard input)")
	cmd.Flags().StringVar(&code, "code", "",
		"code of your authenticator app, or a recovery code (default: a prompt, if you have a second factor)")
	cmd.RunE = r.unauthenticated(func(c *call, _ []string) error {
		c.warnBeforeSignIn()
		if err := c.askEmail(&email); err != nil {
			return err
		}
		password, err := c.readSecret(c.ctx, "Password", passwordFile)
		if err != nil {
			return err
		}
		return c.login(email, password, code, r.tenant)
	})
	return cmd
}

// errHTTPSOnly means that the server sent a cookie that must not be sent over HTTP.
var errHTTPSOnly = errors.New("the server accepts sign-ins only over HTTPS")

func (c *call) askEmail(email *string) (err error) {
	if *email == "" {
		*email = c.target.Email
	}
	if *email == "" {
		*email, err = c.readLine(c.ctx, "E-mail")
	}
	if err == nil && *email == "" {
		err = usage("give your e-mail address with --email")
	}
	return err
}

// warnBeforeSignIn prints warnings about an unencrypted server and about a key in the environment.
func (c *call) warnBeforeSignIn() {
	if u, err := url.Parse(c.target.Server); err == nil && u.Scheme != "https" &&
		!slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()) {
		c.note("Warning: the connection to %s is not encrypted. Others on the network can read your password. "+
			"Use HTTPS.", c.target.Server)
	}
	for _, name := range []string{"CLAVIGER_KEY", "CLAVIGER_KEY_FILE", "CLAVIGER_MANAGEMENT_KEY_FILE"} {
		if c.env.get(name) != "" {
			c.note("Warning: commands use the key in the environment, not the session. To use the session, unset %s.",
				name)
		}
	}
}

func (c *call) login(email, password, code, tenant string) error {
	signedIn, session, err := c.SignInWithCode(c.ctx, email, password, code)
	if errors.Is(err, api.SecondFactorRequired) && code == "" && isTerminal(c.in) {
		code, err = c.readLine(c.ctx, "Code of your authenticator app, or a recovery code")
		if err == nil {
			signedIn, session, err = c.SignInWithCode(c.ctx, email, password, code)
		}
	}
	if err != nil {
		return err
	}
	saved := signedIn.SaveSession()
	if saved == "" {
		return failure{errHTTPSOnly, exitFailed, "use the HTTPS address: claviger login --server https://…"}
	}
	if err := c.setContextTenant(signedIn, tenant); err != nil {
		return errors.Join(err, signedIn.SignOut(c.ctx))
	}
	if err := c.saveSignIn(signedIn, email, saved); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(session)
	}
	return c.printDone("Signed in to %s as %s until %s (context %s).",
		c.target.Server, sanitized(personText(session.User)), timeText(session.ExpiresAt), c.name)
}

// saveSignIn saves a sign-in as the current context. It ends the session that it replaces.
func (c *call) saveSignIn(signedIn *client.Client, email string, saved client.SavedSession) error {
	if c.name == "" {
		c.name = c.contexts.newName(c.target.Server)
	}
	c.endReplacedSession()
	c.target.Email, c.target.Session = email, saved
	c.contexts.Contexts[c.name], c.contexts.Current = &c.target, c.name
	if err := c.contexts.save(); err != nil {
		return errors.Join(err, signedIn.SignOut(c.ctx))
	}
	return nil
}

// setContextTenant sets the default tenant of the context: the named one, which must exist, or else
// the previous one, if it still exists on this server and the user belongs to it. The server may
// have another database since the last sign-in, and another user may sign in to the same context.
func (c *call) setContextTenant(signedIn *client.Client, named string) error {
	there := *c
	there.Client = signedIn
	switch {
	case named != "":
		id, err := there.tenantID(named)
		if err == nil {
			_, err = there.Tenant(c.ctx, id)
		}
		if errors.Is(err, api.NotFound) {
			err = fmt.Errorf("there is no tenant with the id %q, or you do not belong to it", oneLine(named))
			err = failure{err, exitNotFound, "sign in without --tenant, then run claviger tenants list"}
		}
		c.target.Tenant = id
		return err
	case c.target.Tenant == "":
		return nil
	}
	if _, err := there.Tenant(c.ctx, c.target.Tenant); errors.Is(err, api.NotFound) {
		c.note("The default tenant %s of this context does not exist on this server, or you do not belong to it. "+
			"It was removed from the context. To set another one: claviger contexts use NAME --tenant TENANT.",
			c.target.Tenant)
		c.target.Tenant = ""
	}
	return nil
}

// endReplacedSession ends the session of the context that a sign-in replaces. If the context
// belonged to another server, the session there stays valid. It ignores errors: the session may
// have ended long ago, and nobody needs it any more.
func (c *call) endReplacedSession() {
	replaced := c.contexts.Contexts[c.name]
	if replaced == nil || replaced.Session == "" || replaced.Server != c.target.Server {
		return
	}
	if earlier, err := replaced.signedIn(); err == nil {
		_ = earlier.WithRetry(client.Retry{}).SignOut(c.ctx)
	}
}

// newName returns the name of a new context: the host of its server, or the whole address if a
// context for another server has that name.
func (b *contextFile) newName(server string) string {
	name := server
	if u, err := url.Parse(server); err == nil {
		name = cmp.Or(u.Host, server)
	}
	if taken := b.Contexts[name]; taken != nil && taken.Server != server {
		return server
	}
	return name
}

func logoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "logout", Short: "Sign out", Args: cobra.NoArgs,
		Long: `Ends the session on the server and removes it from this computer. The context
stays, for the next sign-in.`,
	}
	cmd.RunE = newAPICommand(cmd).unauthenticated(func(c *call, _ []string) error {
		if c.target.Session == "" {
			return c.printDone("Not signed in to %s.", c.target.Server)
		}
		signedIn, err := c.target.signedIn()
		if err != nil {
			return err
		}
		if err := signedIn.SignOut(c.ctx); err != nil && !isSessionGone(err) {
			return err
		}
		c.contexts.Contexts[c.name].Session = ""
		return errors.Join(c.contexts.save(), c.printDone("Signed out of %s.", c.target.Server))
	})
	return cmd
}

// isSessionGone reports whether the error means that the session does not exist any more.
func isSessionGone(err error) bool {
	return errors.Is(err, api.SessionEnded) || errors.Is(err, api.SessionRequired) || errors.Is(err, api.APIKeyInvalid)
}

func whoamiCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "whoami", Short: "Show the current context, server, user, tenant, account and role",
		Args: cobra.NoArgs,
	}
	cmd.RunE = newAPICommand(cmd).authenticated(func(c *call, _ []string) error {
		me, err := c.Whoami(c.ctx)
		if err != nil {
			return err
		}
		var tenant, account, role string
		if !c.json {
			tenant, account, role = c.describeTenant(me)
		}
		return printOne(c.printer, me, []column[api.Whoami]{
			{"context", func(api.Whoami) string { return c.name }},
			{"server", func(api.Whoami) string { return c.target.Server }},
			{"principal", func(w api.Whoami) string { return string(w.Principal) }},
			{"user", func(w api.Whoami) string { return userText(w.User) }},
			{"key", func(w api.Whoami) string { return valueOrEmpty(w.KeyID) }},
			{"public id", func(w api.Whoami) string { return valueOrEmpty(w.PublicID) }},
			{"tenant", func(api.Whoami) string { return tenant }},
			{"account", func(api.Whoami) string { return account }},
			{"role", func(api.Whoami) string { return role }},
			{"scopes", func(w api.Whoami) string { return joinWords(w.Scopes) }},
			{"applications", func(w api.Whoami) string {
				return applicationsText(w.AllApplications != nil && *w.AllApplications, w.ApplicationIDs)
			}},
			{"expires", func(w api.Whoami) string { return timeOr(w.EffectiveExpiresAt, "") }},
			{"accounts", func(w api.Whoami) string { return accountMembershipsText(w.Accounts) }},
			{"tenants", func(w api.Whoami) string { return membershipsText(w.Memberships) }},
		})
	})
	return cmd
}

// describeTenant describes the default tenant, its account, and the caller's role in the tenant.
// Each is "" if it is not known.
func (c *call) describeTenant(me api.Whoami) (tenant, account, role string) {
	id := c.defaultTenant(me)
	if id == "" {
		return "", valueOrEmpty(me.AccountID), ""
	}
	t, err := c.Tenant(c.ctx, id)
	switch {
	case errors.Is(err, api.NotFound):
		return id + " (not found, or you do not belong to it)", "", ""
	case err != nil: // a key may lack the scope
		return id, valueOrEmpty(me.AccountID), ""
	}
	for _, m := range me.Memberships {
		if m.TenantID == id {
			role = string(m.Role)
		}
	}
	for _, s := range me.Accounts {
		if s.AccountID == t.AccountID {
			role = string("admin (" + string(s.Role) + " of the account)")
		}
	}
	account = t.AccountID
	if a, err := c.Account(c.ctx, t.AccountID); err == nil {
		account = idWithName(a.ID, a.Name)
	}
	return idWithName(t.ID, t.Name), account, role
}

// defaultTenant returns the id of the tenant that commands use if they name none. It returns "" if
// they must name one.
func (c *call) defaultTenant(me api.Whoami) string {
	switch {
	case me.TenantID != nil:
		return *me.TenantID
	case c.tenant != "":
		id, err := c.tenantID(c.tenant)
		if err != nil {
			return c.tenant
		}
		return id
	case c.target.Tenant != "":
		return c.target.Tenant
	}
	if tenants, err := c.allTenants(); err == nil && len(tenants) == 1 {
		return tenants[0].ID
	}
	return ""
}

// idWithName returns an id and the name in parentheses.
func idWithName(id, name string) string { return id + " (" + name + ")" }

// partyWithID returns the text by which people recognise a party, and its type and id.
func partyWithID(p api.Party) string {
	if p.ID == "" {
		return ""
	}
	return partyText(p) + " (" + p.ID + ")"
}

func userText(p *api.Person) string {
	if p == nil {
		return ""
	}
	return personText(*p) + " (" + p.ID + ")"
}

// applicationsText says which applications a key can access.
func applicationsText(all bool, ids []string) string {
	if all {
		return "all"
	}
	return joinWords(ids)
}

func accountMembershipsText(standings []api.AccountMembership) string {
	var list []string
	for _, s := range standings {
		list = append(list, s.AccountID+":"+string(s.Role))
	}
	return joinWords(list)
}

func membershipsText(memberships []api.Membership) string {
	var list []string
	for _, m := range memberships {
		list = append(list, m.TenantID+":"+string(m.Role))
	}
	return joinWords(list)
}
