package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

func passwordCommand() *cobra.Command {
	cmd := groupCommand("password", "Reset a lost password", "")
	r := newAPICommand(cmd)
	cmd.AddCommand(requestReset(r), resetPassword(r))
	return cmd
}

func requestReset(r *apiCommand) *cobra.Command {
	var email string
	cmd := &cobra.Command{
		Use: "request", Short: "Request a link by e-mail to set a new password", Args: cobra.NoArgs,
		Long: `Asks the server to send a link by e-mail. The link works once, within one hour.
The answer is the same whether or not the server knows the address. If the
server sends no e-mail, its operator can create a link: claviger user password
EMAIL.`,
		Example: "  claviger password request --server https://claviger.example.com --email you@example.com",
	}
	cmd.Flags().StringVar(&email, "email", "", "e-mail address (default: the one of the last sign-in to this server)")
	cmd.RunE = r.unauthenticated(func(c *call, _ []string) error {
		if err := c.askEmail(&email); err != nil {
			return err
		}
		if err := c.RequestPasswordReset(c.ctx, email); err != nil {
			return err
		}
		return c.printDone("If %s is a user of %s, and the server sends e-mail, you will receive a link. "+
			"Pass it to claviger password reset.", sanitized(email), c.target.Server)
	})
	return cmd
}

func resetPassword(r *apiCommand) *cobra.Command {
	var linkFile, passwordFile string
	cmd := &cobra.Command{
		Use: "reset", Short: "Set a new password with a link", Args: cobra.NoArgs,
		Long: `At a terminal, prompts for the link (or the token after its last slash) and for
the new password, without echo. A program passes the link in a file, and the
password in another file or on standard input. The link works once, and all
sessions of the user end. Sign in with the new password afterwards.`,
		Example: "  claviger password reset --link-file reset.txt --password-file /run/secrets/password",
	}
	cmd.Flags().StringVar(&linkFile, "link-file", "",
		"file that contains the link (default: a prompt, or standard input)")
	cmd.Flags().StringVar(&passwordFile, "password-file", "",
		"file that contains the new password (default: a prompt, or standard input)")
	cmd.RunE = r.unauthenticated(func(c *call, _ []string) error {
		if !isTerminal(c.in) && fromStdin(linkFile) && fromStdin(passwordFile) {
			return usage("standard input can contain only one secret: pass the link with --link-file, " +
				"or the password with --password-file")
		}
		link, err := c.readSecret(c.ctx, "Link", linkFile)
		if err != nil {
			return err
		}
		token, err := linkToken(strings.TrimSpace(link), c.target.Server, "claviger password reset")
		if err != nil {
			return err
		}
		password, err := c.newPassword(passwordFile)
		if err != nil {
			return err
		}
		if err := c.ResetPassword(c.ctx, token, password); err != nil {
			return err
		}
		return c.printDone("The new password is set. To sign in with it: claviger login --server %s", c.target.Server)
	})
	return cmd
}

// fromStdin reports whether a flag for a secret file means standard input, if there is no terminal.
func fromStdin(file string) bool { return file == "" || file == "-" }

// newPassword reads a new password. At a terminal, it asks twice, because the password is not
// shown.
func (c *call) newPassword(file string) (string, error) {
	password, err := c.readSecret(c.ctx, "New password", file)
	if err != nil || !isTerminal(c.in) || !fromStdin(file) {
		return password, err
	}
	again, err := c.readSecret(c.ctx, "New password again", file)
	if err == nil && again != password {
		err = usage("the two passwords are different. Nothing was changed")
	}
	return password, err
}
