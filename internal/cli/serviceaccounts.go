package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func serviceAccountsCommand() *cobra.Command {
	cmd := groupCommand("service-accounts", "Manage service accounts: owners of keys that are not people",
		"Manages service accounts: owners of keys that are not people. Their keys stay\nwhen a person leaves. "+
			"SERVICE_ACCOUNT is an id or a name.")
	r := newAPICommand(cmd).withTenantFlag(cmd)
	cmd.AddCommand(listServiceAccounts(r), createServiceAccount(r), showServiceAccount(r), editServiceAccount(r),
		disableServiceAccount(r), enableServiceAccount(r), deleteServiceAccount(r))
	return cmd
}

func listServiceAccounts(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List service accounts, newest first",
		Args: cobra.NoArgs, RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
			all, err := c.allServiceAccounts(tenant)
			if err != nil {
				return err
			}
			return printList(c.printer, all, serviceAccountColumns, "id", "created")
		}),
	}
}

func (c *call) allServiceAccounts(tenant string) (api.List[api.ServiceAccount], error) {
	return allPages(0, func(p client.Page) (api.List[api.ServiceAccount], error) {
		return c.ServiceAccounts(c.ctx, tenant, p)
	})
}

func createServiceAccount(r *apiCommand) *cobra.Command {
	var description, role string
	var stewards []string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a service account", Args: cobra.ExactArgs(1),
		Long: `Creates a service account. Its keys can do at most what a person with its role
can do. Only owners and admins of the account may give the role admin. Stewards
get the notices about its keys and see these keys.`,
		Example: `  claviger service-accounts create "Nightly build" --steward usr_…
  claviger keys create "Build server" --owner "service_account:Nightly build" --scope applications:read \
    --all-applications`,
	}
	cmd.Flags().StringVar(&description, "description", "", "description of the service account")
	cmd.Flags().StringVar(&role, "role", "member", "member, auditor or admin")
	addStewardFlag(cmd, &stewards)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		ids, err := c.userIDs(tenant, stewards)
		if err != nil {
			return err
		}
		return c.showServiceAccount(c.CreateServiceAccount(c.ctx, tenant, api.CreateServiceAccountRequest{
			Name: args[0], Description: description, Role: api.Role(role), Stewards: ids,
		}))
	})
	return cmd
}

func addStewardFlag(cmd *cobra.Command, stewards *[]string) {
	cmd.Flags().StringArrayVar(stewards, "steward", nil,
		"`person` who gets the notices about its keys: an e-mail address, name or user id; repeat the flag for more")
}

// userIDs is userID for each of a list.
func (c *call) userIDs(tenant string, texts []string) (ids []string, err error) {
	for _, text := range texts {
		id, err := c.userID(tenant, text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func showServiceAccount(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "show SERVICE_ACCOUNT", Short: "Show a service account", Args: cobra.ExactArgs(1),
		RunE: r.inTenant(r.onServiceAccount(func(c *call, tenant, id string) error {
			return c.showServiceAccount(c.ServiceAccount(c.ctx, tenant, id))
		})),
	}
}

// onServiceAccount adapts work on a service account to inTenant. The one argument of the command
// names the service account.
func (r *apiCommand) onServiceAccount(
	work func(c *call, tenant, id string) error,
) func(c *call, tenant string, args []string) error {
	return func(c *call, tenant string, args []string) error {
		id, err := c.serviceAccountID(tenant, args[0])
		if err != nil {
			return err
		}
		return work(c, tenant, id)
	}
}

func editServiceAccount(r *apiCommand) *cobra.Command {
	var name, description, role string
	var stewards []string
	cmd := &cobra.Command{
		Use: "edit SERVICE_ACCOUNT", Short: "Update a service account", Args: cobra.ExactArgs(1),
		Long: `Updates what the flags name, and leaves the rest unchanged. The given stewards
replace the current ones. A new role counts for all its keys immediately.`,
	}
	cmd.Flags().StringVar(&name, "name", "", "new name")
	cmd.Flags().StringVar(&description, "description", "", "description of the service account")
	cmd.Flags().StringVar(&role, "role", "", "member, auditor or admin")
	addStewardFlag(cmd, &stewards)
	clearFlags(cmd, "description", "steward")
	cmd.MarkFlagsOneRequired("name", "description", "clear-description", "role", "steward", "clear-steward")
	cmd.RunE = r.inTenant(r.onServiceAccount(func(c *call, tenant, id string) error {
		ids, err := c.userIDs(tenant, stewards)
		if err != nil {
			return err
		}
		p := api.UpdateServiceAccountRequest{
			Name: changed(cmd, "name", name), Description: changedText(cmd, "description", description),
			Role: changed(cmd, "role", api.Role(role)), Stewards: changed(cmd, "steward", ids),
		}
		if cmd.Flags().Changed("clear-steward") {
			p.Stewards = api.Cleared[[]string]()
		}
		return c.showServiceAccount(c.EditServiceAccount(c.ctx, tenant, id, p))
	}))
	return cmd
}

func disableServiceAccount(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "disable SERVICE_ACCOUNT", Short: "Disable a service account", Args: cobra.ExactArgs(1),
		Long: `Disables a service account. All its keys are rejected immediately. They are not
changed: when it is enabled, each key is again what it was.`,
		RunE: r.inTenant(r.onServiceAccount(func(c *call, tenant, id string) error {
			return c.showServiceAccount(c.DisableServiceAccount(c.ctx, tenant, id))
		})),
	}
}

func enableServiceAccount(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "enable SERVICE_ACCOUNT", Short: "Enable a service account", Args: cobra.ExactArgs(1),
		RunE: r.inTenant(r.onServiceAccount(func(c *call, tenant, id string) error {
			return c.showServiceAccount(c.EnableServiceAccount(c.ctx, tenant, id))
		})),
	}
}

func deleteServiceAccount(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete SERVICE_ACCOUNT", Short: "Delete a service account", Args: cobra.ExactArgs(1),
		Long: `Deletes a service account, and revokes all its keys permanently. Asks for
confirmation.`,
	}
	yes := yesFlag(cmd)
	cmd.RunE = r.inTenant(r.onServiceAccount(func(c *call, tenant, id string) error {
		if !*yes {
			a, err := c.ServiceAccount(c.ctx, tenant, id)
			if err == nil {
				err = c.confirmUnless(false,
					"This deletes the service account %q (%s) and revokes all its keys permanently.", a.Name, a.ID)
			}
			if err != nil {
				return err
			}
		}
		if err := c.DeleteServiceAccount(c.ctx, tenant, id); err != nil {
			return err
		}
		return c.printDone("Deleted %s and revoked its keys.", id)
	}))
	return cmd
}

func (c *call) showServiceAccount(a api.ServiceAccount, err error) error {
	if err != nil {
		return err
	}
	return printOne(c.printer, a, serviceAccountFields)
}

var serviceAccountColumns = []column[api.ServiceAccount]{
	{"id", func(a api.ServiceAccount) string { return a.ID }},
	{"name", func(a api.ServiceAccount) string { return a.Name }},
	{"role", func(a api.ServiceAccount) string { return string(a.Role) }},
	{"status", func(a api.ServiceAccount) string { return string(a.Status) }},
	{"stewards", stewardsText},
	{"created", func(a api.ServiceAccount) string { return timeText(a.CreatedAt) }},
}

var serviceAccountFields = append(serviceAccountColumns[:len(serviceAccountColumns):len(serviceAccountColumns)],
	column[api.ServiceAccount]{"created by", func(a api.ServiceAccount) string { return partyWithID(a.CreatedBy) }},
	column[api.ServiceAccount]{"updated", func(a api.ServiceAccount) string { return timeText(a.UpdatedAt) }},
	column[api.ServiceAccount]{"description", func(a api.ServiceAccount) string { return a.Description }})

// stewardsText returns the addresses of the stewards.
func stewardsText(a api.ServiceAccount) string {
	var all []string
	for _, p := range a.Stewards {
		all = append(all, personText(p))
	}
	return strings.Join(all, ", ")
}
