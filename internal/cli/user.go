//go:build !clientonly && !windows

package cli

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

func userCommand() *cobra.Command {
	cmd := groupCommand("user",
		"Manage users: disable, enable, set an address, reset a password, remove a second factor", operatorNote)
	o := outputFlag(cmd)
	cmd.AddCommand(
		userStatusCommand(o, "disable", "disabled", "Disable a user in all tenants",
			"Ends the sessions of the user and rejects all their keys, in all tenants, until\n"+
				"you enable the user again."),
		userStatusCommand(o, "enable", "active", "Enable a user",
			"Allows the user to sign in, and their keys to be used again."),
		setEmail(o),
		resetLink(o),
		removeFactor(o),
	)
	return cmd
}

func userStatusCommand(o *output, verb, status, short, long string) *cobra.Command {
	return operatorCommand(&cobra.Command{Use: verb + " EMAIL|ID", Short: short, Long: long, Args: cobra.ExactArgs(1)},
		o,
		func(c *call, args []string) error {
			var u api.User
			if err := c.Do(c.ctx, http.MethodPatch, "/operator/v1/users/"+url.PathEscape(args[0]),
				api.UpdateUserRequest{Status: api.Status(status)}, &u); err != nil {
				return err
			}
			return c.printUser(u)
		})
}

func (c *call) printUser(u api.User) error {
	return printOne(c.printer, u, []column[api.User]{
		{"id", func(u api.User) string { return u.ID }},
		{"e-mail", func(u api.User) string { return u.Email }},
		{"name", func(u api.User) string { return u.Name }},
		{"status", func(u api.User) string { return string(u.Status) }},
	})
}

func setEmail(o *output) *cobra.Command {
	cmd := &cobra.Command{
		Use: "email EMAIL|ID NEW-EMAIL", Short: "Set the e-mail address of a user", Args: cobra.ExactArgs(2),
		Long: `Replaces the e-mail address of a user and ends their sessions. The user signs in
with the new address and the same password. The old address is told. It is for
servers that send no mail, and for users without an address after a restore.
You vouch for the new address: make sure that it belongs to the user.`,
		Example: "  claviger user email ann@example.com ann@example.org",
	}
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		var u api.User
		if err := c.Do(c.ctx, http.MethodPut, "/operator/v1/users/"+url.PathEscape(args[0])+"/email",
			api.SetEmailRequest{Email: args[1]}, &u); err != nil {
			return err
		}
		return c.printUser(u)
	})
}

func removeFactor(o *output) *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove-factor EMAIL|ID", Short: "Remove the second factor of a user who has lost it",
		Args: cobra.ExactArgs(1),
		Long: `Removes the second factor and the recovery codes, and ends the sessions of the
user. The password alone is then enough to sign in, unless the account requires
a second factor: the user then sets up another one. Make sure that you know who
asks for this.`,
		Example: "  claviger user remove-factor ann@example.com",
	}
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		err := c.Do(c.ctx, http.MethodDelete, "/operator/v1/users/"+url.PathEscape(args[0])+"/two-factor", nil, nil)
		if err != nil {
			return err
		}
		return c.printDone("Removed the second factor of %s.", args[0])
	})
}

func resetLink(o *output) *cobra.Command {
	cmd := &cobra.Command{
		Use: "password EMAIL|ID", Short: "Create a link to set a new password", Args: cobra.ExactArgs(1),
		Long: `Shows a link, once. The user sets a new password with it, within one hour. Until
then, the password and the sessions stay valid. Anybody who opens the link can
set the password, so make sure that the e-mail address belongs to the user.`,
		Example: "  claviger user password ann@example.com",
	}
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		var made api.PasswordResetLink
		if err := c.Do(c.ctx, http.MethodPost, "/operator/v1/users/"+url.PathEscape(args[0])+"/password-resets", nil,
			&made); err != nil {
			return err
		}
		c.note("The link is shown once. Send it to the user over a channel that only they can read.")
		return printOne(c.printer, made, []column[api.PasswordResetLink]{
			{"id", func(l api.PasswordResetLink) string { return l.ID }},
			{"e-mail", func(l api.PasswordResetLink) string { return l.Email }},
			{"link", func(l api.PasswordResetLink) string { return l.URL }},
			{"expires", func(l api.PasswordResetLink) string { return timeText(l.ExpiresAt) }},
		})
	})
}
