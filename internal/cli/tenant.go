//go:build !clientonly && !windows

package cli

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

func tenantCommand() *cobra.Command {
	cmd := groupCommand("tenant", "Manage a tenant without a sign-in: old passwords and management keys",
		operatorNote)
	o := outputFlag(cmd)
	cmd.AddCommand(
		passwordSignInCommand(o, "allow-password", true,
			"Allow sign-in with e-mail address and password on the API of an old tenant",
			"Only for a tenant that was created before the date in the setting legacy_password_before. Programs that\n"+
				"use a password keep working until they use keys."),
		passwordSignInCommand(o, "refuse-password", false, "Reject passwords on the API of a tenant",
			"Reverses allow-password. Works for any tenant."),
		listTenantManagementKeys(o), createTenantManagementKey(o), refreshTenantManagementKey(o),
		revokeTenantManagementKey(o),
	)
	return cmd
}

func passwordSignInCommand(o *output, verb string, allowed bool, short, long string) *cobra.Command {
	return operatorCommand(&cobra.Command{
		Use: verb + " TENANT", Short: short,
		Long: long + "\nTENANT is an id, or a name that only one tenant of the server has.", Args: cobra.ExactArgs(1),
	},
		o, func(c *call, args []string) error {
			t := api.TenantOperatorSettings{LegacyPassword: allowed}
			if err := c.Do(c.ctx, http.MethodPut, "/operator/v1/tenants/"+url.PathEscape(args[0]), t, &t); err != nil {
				return err
			}
			return printOne(c.printer, t, []column[api.TenantOperatorSettings]{
				{"legacy_password", func(t api.TenantOperatorSettings) string { return yesNo(t.LegacyPassword) }},
			})
		})
}
