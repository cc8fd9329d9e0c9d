package main

import (
	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func appsCommand() *cobra.Command {
	cmd := noun("apps", "Look after applications: the APIs that keys reach", "")
	r := newRemote(cmd).inTenants(cmd)
	cmd.AddCommand(listApps(r), createApp(r), showApp(r), editApp(r), deleteApp(r))
	return cmd
}

func listApps(r *remote) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the applications that you may see, newest first", Args: cobra.NoArgs, RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
		apps, err := every(0, func(p client.Page) (api.List[api.Application], error) { return c.Applications(c.ctx, tenant, p) })
		if err != nil {
			return err
		}
		return printList(c.printer, apps, appColumns)
	})}
}

func createApp(r *remote) *cobra.Command {
	var description string
	cmd := &cobra.Command{Use: "create NAME", Short: "Create an application", Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&description, "description", "", "what it is")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		return c.showApp(c.CreateApplication(c.ctx, tenant, api.NewApplication{Name: args[0], Description: description}))
	})
	return cmd
}

func showApp(r *remote) *cobra.Command {
	return &cobra.Command{Use: "show APPLICATION", Short: "Show an application", Args: cobra.ExactArgs(1), RunE: r.inTenant(func(c *call, tenant string, args []string) error {
		return c.showApp(c.Application(c.ctx, tenant, args[0]))
	})}
}

func editApp(r *remote) *cobra.Command {
	var name, description, status string
	cmd := &cobra.Command{
		Use: "edit APPLICATION", Short: "Change an application", Args: cobra.ExactArgs(1),
		Long: "Changes what the flags name and keeps the rest. No key passes for a disabled application.",
	}
	cmd.Flags().StringVar(&name, "name", "", "another name")
	cmd.Flags().StringVar(&description, "description", "", "what it is")
	cmd.Flags().StringVar(&status, "status", "", "active or disabled")
	clearFlags(cmd, "description")
	cmd.MarkFlagsOneRequired("name", "description", "clear-description", "status")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		return c.showApp(c.EditApplication(c.ctx, tenant, args[0], api.ApplicationPatch{
			Name: changed(cmd, "name", name), Description: changedText(cmd, "description", description), Status: changed(cmd, "status", status),
		}))
	})
	return cmd
}

func deleteApp(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "delete APPLICATION", Short: "Delete an application", Args: cobra.ExactArgs(1), Long: "Deletes an application, and takes it from the keys that are restricted to it.",
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			if err := c.DeleteApplication(c.ctx, tenant, args[0]); err != nil {
				return err
			}
			return c.done("%s is deleted.", args[0])
		}),
	}
}

func (c *call) showApp(a api.Application, err error) error {
	if err != nil {
		return err
	}
	return printOne(c.printer, a, append(appColumns, column[api.Application]{"changed", func(a api.Application) string { return whenText(a.UpdatedAt) }}))
}

var appColumns = []column[api.Application]{
	{"id", func(a api.Application) string { return a.ID }},
	{"name", func(a api.Application) string { return a.Name }},
	{"status", func(a api.Application) string { return a.Status }},
	{"created", func(a api.Application) string { return whenText(a.CreatedAt) }},
	{"description", func(a api.Application) string { return a.Description }},
}
