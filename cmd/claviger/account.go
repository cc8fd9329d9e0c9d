package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

const accountsPath = "/operator/v1/accounts"

func accountCommand() *cobra.Command {
	cmd := noun("account", "Look after the accounts of this server", byOperator)
	o := outputFlag(cmd)
	cmd.AddCommand(createAccount(o), listAccounts(o))
	return cmd
}

func createAccount(o *output) *cobra.Command {
	var n api.Opening
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an account", Args: cobra.ExactArgs(1),
		Long: `Creates an account with its first tenant and shows a link, once, by which its owner comes in and chooses a password. Whoever opens the link is taken for the owner.

With the presets blazemeter, blazeauth and blancco keys do not expire automatically, as they do not in those systems; with the others they do after 90 days. The owner may change that.`,
		Example: "  claviger account create 'Example Ltd' --owner-email ann@example.com",
	}
	cmd.Flags().StringVar(&n.OwnerEmail, "owner-email", "", "the e-mail address of the owner")
	cmd.Flags().StringVar(&n.OwnerName, "owner-name", "", "what the owner is called if they do not say so themselves")
	cmd.Flags().StringVar(&n.Preset, "preset", "standard", "of the first tenant: standard, blazemeter, loadrunner, blazeauth or blancco")
	cmd.Flags().StringVar(&n.Tenant, "tenant", "", "the name of the first tenant; by default the account's")
	_ = cmd.MarkFlagRequired("owner-email") // the flag is there
	return operate(cmd, o, func(c *call, args []string) error {
		n.Name = args[0]
		var made api.OpenedAccount
		if err := c.Do(c.ctx, http.MethodPost, accountsPath, n, &made); err != nil {
			return err
		}
		c.note("The link is shown once. Send it to the owner by a way that only they read.")
		return printOne(c.printer, made, []column[api.OpenedAccount]{
			{"account", func(m api.OpenedAccount) string { return m.Account.ID }},
			{"name", func(m api.OpenedAccount) string { return m.Account.Name }},
			{"tenant", func(m api.OpenedAccount) string { return m.TenantID }},
			{"owner", func(m api.OpenedAccount) string { return m.Invitation.Email }},
			{"link", func(m api.OpenedAccount) string { return orNone(m.Invitation.URL) }},
			{"expires", func(m api.OpenedAccount) string { return whenText(m.Invitation.ExpiresAt) }},
		})
	})
}

func listAccounts(o *output) *cobra.Command {
	return operate(&cobra.Command{Use: "list", Short: "List all accounts, newest first", Args: cobra.NoArgs}, o, func(c *call, _ []string) error {
		var all api.List[api.Account]
		if err := c.Do(c.ctx, http.MethodGet, accountsPath, nil, &all); err != nil {
			return err
		}
		return printList(c.printer, all, []column[api.Account]{
			{"id", func(a api.Account) string { return a.ID }},
			{"name", func(a api.Account) string { return a.Name }},
			{"status", func(a api.Account) string { return a.Status }},
			{"created", func(a api.Account) string { return whenText(a.CreatedAt) }},
		})
	})
}
