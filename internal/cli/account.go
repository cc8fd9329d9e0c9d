//go:build !clientonly && !windows

package cli

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

const accountsPath = "/operator/v1/accounts"

func accountCommand() *cobra.Command {
	cmd := groupCommand("account", "Manage the accounts of this server", operatorNote)
	o := outputFlag(cmd)
	cmd.AddCommand(createAccount(o), listAccounts(o))
	return cmd
}

func createAccount(o *output) *cobra.Command {
	var n api.CreateAccountRequest
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an account", Args: cobra.ExactArgs(1),
		Long: `Creates an account with its first tenant, and shows a link, once. The owner
opens the link to choose a password. Anybody who opens the link can become the
owner.

With the presets blazemeter, blazeauth and blancco, keys do not expire
automatically, as in those systems. With the other presets, they expire after 90
days. The owner can change this.`,
		Example: "  claviger account create 'Example Ltd' --owner-email ann@example.com",
	}
	cmd.Flags().StringVar(&n.OwnerEmail, "owner-email", "", "e-mail address of the owner")
	cmd.Flags().StringVar(&n.OwnerName, "owner-name", "", "name of the owner, used if the owner does not enter one")
	cmd.Flags().StringVar((*string)(&n.Preset), "preset", "standard",
		"preset of the first tenant: standard, blazemeter, loadrunner, blazeauth or blancco")
	cmd.Flags().StringVar(&n.Tenant, "tenant", "", "name of the first tenant (default: the name of the account)")
	_ = cmd.MarkFlagRequired("owner-email") // the flag exists
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		n.Name = args[0]
		var made api.CreateAccountResponse
		if err := c.Do(c.ctx, http.MethodPost, accountsPath, n, &made); err != nil {
			return err
		}
		c.note("The link is shown once. Send it to the owner over a channel that only they can read.")
		return printOne(c.printer, made, []column[api.CreateAccountResponse]{
			{"account", func(m api.CreateAccountResponse) string { return m.Account.ID }},
			{"name", func(m api.CreateAccountResponse) string { return m.Account.Name }},
			{"tenant", func(m api.CreateAccountResponse) string { return m.TenantID }},
			{"owner", func(m api.CreateAccountResponse) string { return m.Invitation.Email }},
			{"link", func(m api.CreateAccountResponse) string { return valueOrEmpty(m.Invitation.URL) }},
			{"expires", func(m api.CreateAccountResponse) string { return timeText(m.Invitation.ExpiresAt) }},
		})
	})
}

func listAccounts(o *output) *cobra.Command {
	return operatorCommand(&cobra.Command{Use: "list", Short: "List all accounts, newest first", Args: cobra.NoArgs}, o,
		func(c *call, _ []string) error {
			var all api.List[api.Account]
			if err := c.Do(c.ctx, http.MethodGet, accountsPath, nil, &all); err != nil {
				return err
			}
			return printList(c.printer, all, []column[api.Account]{
				{"id", func(a api.Account) string { return a.ID }},
				{"name", func(a api.Account) string { return a.Name }},
				{"status", func(a api.Account) string { return string(a.Status) }},
				{"created", func(a api.Account) string { return timeText(a.CreatedAt) }},
			})
		})
}
