package cli

import (
	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func appsCommand() *cobra.Command {
	cmd := groupCommand("apps", "Manage applications: the APIs that keys can access",
		"Manages applications: the APIs that keys can access. APPLICATION is an id or a name.")
	r := newAPICommand(cmd).withTenantFlag(cmd)
	cmd.AddCommand(listApps(r), createApp(r), showApp(r), editApp(r), deleteApp(r), appRoutes(r))
	return cmd
}

func listApps(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the applications that you can see, newest first",
		Args: cobra.NoArgs, RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
			apps, err := allPages(0,
				func(p client.Page) (api.List[api.Application], error) { return c.Applications(c.ctx, tenant, p) })
			if err != nil {
				return err
			}
			return printList(c.printer, apps, appColumns)
		}),
	}
}

func createApp(r *apiCommand) *cobra.Command {
	var description string
	cmd := &cobra.Command{Use: "create NAME", Short: "Create an application", Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&description, "description", "", "description of the application")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		return c.showApp(c.CreateApplication(c.ctx, tenant,
			api.CreateApplicationRequest{Name: args[0], Description: description}))
	})
	return cmd
}

func showApp(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "show APPLICATION", Short: "Show an application", Args: cobra.ExactArgs(1),
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			id, err := c.applicationID(tenant, args[0])
			if err != nil {
				return err
			}
			return c.showApp(c.Application(c.ctx, tenant, id))
		}),
	}
}

func editApp(r *apiCommand) *cobra.Command {
	var name, description, status string
	cmd := &cobra.Command{
		Use: "edit APPLICATION", Short: "Update an application", Args: cobra.ExactArgs(1),
		Long: `Updates what the flags name, and leaves the rest unchanged. No key is allowed
for a disabled application.`,
	}
	cmd.Flags().StringVar(&name, "name", "", "new name")
	cmd.Flags().StringVar(&description, "description", "", "description of the application")
	cmd.Flags().StringVar(&status, "status", "", "active or disabled")
	clearFlags(cmd, "description")
	cmd.MarkFlagsOneRequired("name", "description", "clear-description", "status")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		id, err := c.applicationID(tenant, args[0])
		if err != nil {
			return err
		}
		return c.showApp(c.EditApplication(c.ctx, tenant, id, api.UpdateApplicationRequest{
			Name: changed(cmd, "name", name), Description: changedText(cmd, "description", description),
			Status: changed(cmd, "status", api.Status(status)),
		}))
	})
	return cmd
}

func deleteApp(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete APPLICATION", Short: "Delete an application", Args: cobra.ExactArgs(1),
		Long: `Deletes an application, and removes it from the keys that are restricted to it.
Asks for confirmation.`,
	}
	yes := yesFlag(cmd)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		id, err := c.applicationID(tenant, args[0])
		if err != nil {
			return err
		}
		if err := c.confirmApplication(*yes, tenant, id); err != nil {
			return err
		}
		if err := c.DeleteApplication(c.ctx, tenant, id); err != nil {
			return err
		}
		return c.printDone("Deleted %s.", id)
	})
	return cmd
}

// confirmApplication asks for confirmation before an application is deleted.
func (c *call) confirmApplication(yes bool, tenant, id string) error {
	if yes {
		return nil
	}
	a, err := c.Application(c.ctx, tenant, id)
	if err != nil {
		return err
	}
	return c.confirmUnless(false,
		"This deletes the application %q (%s) and removes it from all keys that are restricted to it.",
		a.Name, a.ID)
}

func (c *call) showApp(a api.Application, err error) error {
	if err != nil {
		return err
	}
	return printOne(c.printer, a,
		append(appColumns,
			column[api.Application]{"updated", func(a api.Application) string { return timeText(a.UpdatedAt) }}))
}

var appColumns = []column[api.Application]{
	{"id", func(a api.Application) string { return a.ID }},
	{"name", func(a api.Application) string { return a.Name }},
	{"status", func(a api.Application) string { return string(a.Status) }},
	{"created", func(a api.Application) string { return timeText(a.CreatedAt) }},
	{"description", func(a api.Application) string { return a.Description }},
}
