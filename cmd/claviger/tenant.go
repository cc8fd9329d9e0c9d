package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

func tenantCommand() *cobra.Command {
	cmd := noun("tenant", "Set what only the operator sets of a tenant; the rest is for claviger tenants", byOperator)
	o := outputFlag(cmd)
	cmd.AddCommand(
		switchPassword(o, "allow-password", true, "Let people come to an old tenant's API with e-mail address and password",
			"Only for a tenant that was made before the day in the setting legacy_password_before: programs that were written for passwords go on while keys are brought in."),
		switchPassword(o, "refuse-password", false, "Let nobody come to a tenant's API with a password any more", "Undoes allow-password, for any tenant."),
	)
	return cmd
}

func switchPassword(o *output, verb string, allowed bool, short, long string) *cobra.Command {
	return operate(&cobra.Command{Use: verb + " TENANT", Short: short, Long: long, Args: cobra.ExactArgs(1)}, o, func(c *call, args []string) error {
		t := api.OperatedTenant{LegacyPassword: allowed}
		if err := c.Do(c.ctx, http.MethodPut, "/operator/v1/tenants/"+url.PathEscape(args[0]), t, &t); err != nil {
			return err
		}
		return printOne(c.printer, t, []column[api.OperatedTenant]{
			{"legacy_password", func(t api.OperatedTenant) string { return yesNo(t.LegacyPassword) }},
		})
	})
}
