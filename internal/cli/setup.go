package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

// setupFlags are the flags of `claviger setup`.
type setupFlags struct {
	linkFile, passwordFile string
	api.SetUpRequest
}

func setupCommand() *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use: "setup", Short: "Create the first account with the set-up link of a new server", Args: cobra.NoArgs,
		Long: `Creates an account, its owner and a first tenant with the one-time link that a
server without an account logs, and signs the owner in.

At a terminal, the command prompts for the link and the password, without echo,
and for missing flags. A program passes link and password in files, or one of
them on standard input. The server is the one of the link, unless --server or
--context names one.

    claviger setup --account "Your company" --email you@example.com \
      --name "Your name" --password-file password.txt < link.txt`,
	}
	r := newAPICommand(cmd)
	r.createsContext = true
	flags := cmd.Flags()
	flags.StringVar(&f.linkFile, "link-file", "",
		"file that contains the link, or the token after its last slash (default: a prompt, or standard input)")
	flags.StringVar(&f.passwordFile, "password-file", "",
		"file that contains the new password (default: a prompt, or standard input)")
	flags.StringVar(&f.Account, "account", "", "name of the account")
	flags.StringVar(&f.Email, "email", "", "e-mail address of the owner")
	flags.StringVar(&f.Name, "name", "", "name of the owner")
	cmd.RunE = r.unauthenticated(func(c *call, _ []string) error {
		if err := c.readSetup(r, &f); err != nil {
			return err
		}
		return c.createFirstAccount(f.SetUpRequest)
	})
	return cmd
}

// readSetup reads what the flags do not contain. It reads the link first, because that names the
// server.
func (c *call) readSetup(r *apiCommand, f *setupFlags) (err error) {
	if !isTerminal(c.in) && fromStdin(f.linkFile) && fromStdin(f.passwordFile) {
		return usage("standard input can contain only one secret: " +
			"pass the other one with --link-file or --password-file")
	}
	link, err := c.readSecret(c.ctx, "Set-up link", f.linkFile)
	if err != nil {
		return err
	}
	link = strings.TrimSpace(link)
	if server, _, found := strings.Cut(link, "/setup/"); found && r.server == "" && r.context == "" {
		r.server = server
		if err := c.locate(r); err != nil {
			return err
		}
		if err := c.connect(); err != nil {
			return err
		}
	}
	f.Token, err = linkToken(link, c.target.Server, "claviger setup")
	if err != nil {
		return err
	}
	c.warnBeforeSignIn()
	for _, part := range []struct {
		to         *string
		what, flag string
	}{
		{&f.Account, "Account", "account"}, {&f.Email, "E-mail", "email"}, {&f.Name, "Your name", "name"},
	} {
		if *part.to != "" {
			continue
		}
		*part.to, err = c.readLine(c.ctx, part.what)
		if err != nil {
			return err
		}
		if *part.to == "" {
			return usage("give --%s", part.flag)
		}
	}
	f.Password, err = c.readNewSecret(c.ctx, "Password", f.passwordFile)
	return err
}

// createFirstAccount creates the account, and saves the session of its owner as the current
// context.
func (c *call) createFirstAccount(s api.SetUpRequest) error {
	signedIn, session, err := c.SetUp(c.ctx, s)
	if err != nil {
		return err
	}
	saved := signedIn.SaveSession()
	if saved == "" {
		next := "the account was created. Use the HTTPS address: claviger login --server https://…"
		return failure{errHTTPSOnly, exitFailed, next}
	}
	c.target.Tenant = ""
	if len(session.Memberships) > 0 {
		c.target.Tenant = session.Memberships[0].TenantID
	}
	if err := c.saveSignIn(signedIn, s.Email, saved); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(session)
	}
	return c.printDone("Created the account %s. You are signed in to %s as %s until %s (context %s).",
		sanitized(s.Account), c.target.Server, sanitized(personText(session.User)), timeText(session.ExpiresAt), c.name)
}
