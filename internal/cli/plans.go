package cli

import (
	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func plansCommand() *cobra.Command {
	cmd := groupCommand("plans", "Manage plans: what the keys of subjects may have at most",
		`Manages plans: what the keys of subjects may have at most. PLAN is the name of
a plan. Admins of the tenant change plans, auditors see them. Programs see them
with a management key that has the permission subjects:read.`)
	r := newAPICommand(cmd).withTenantFlag(cmd)
	cmd.AddCommand(listPlans(r), createPlan(r), showPlan(r), editPlan(r), deletePlan(r))
	return cmd
}

func listPlans(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List plans by name", Args: cobra.NoArgs,
		RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
			plans, err := allPages(0,
				func(p client.Page) (api.List[api.Plan], error) { return c.Plans(c.ctx, tenant, p) })
			if err != nil {
				return err
			}
			return printList(c.printer, plans, planColumns)
		}),
	}
}

// planFlags are the flags for what a plan contains.
type planFlags struct {
	scopes, applications []string
	allApplications      bool
}

func (f *planFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.scopes, "scope", nil,
		"a `scope` that the tenant added, such as films:read; repeat for more, or * for all of them")
	flags.BoolVar(&f.allApplications, "all-applications", false, "allow all applications, including future ones")
	flags.StringArrayVar(&f.applications, "application", nil,
		"allow this `application`, by id or name; repeat for more")
	cmd.MarkFlagsMutuallyExclusive("all-applications", "application")
}

func createPlan(r *apiCommand) *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a plan", Args: cobra.ExactArgs(1),
		Example: `  claviger plans create pro --scope films:read --scope films:write --all-applications`,
	}
	f.add(cmd)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		applications, err := c.applicationIDs(tenant, f.applications)
		if err != nil {
			return err
		}
		return c.showPlan(c.CreatePlan(c.ctx, tenant, api.CreatePlanRequest{
			Name: args[0], Scopes: f.scopes, AllApplications: f.allApplications, ApplicationIDs: applications,
		}))
	})
	return cmd
}

func showPlan(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "show PLAN", Short: "Show a plan", Args: cobra.ExactArgs(1),
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			if err := checkName("plan", args[0]); err != nil {
				return err
			}
			return c.showPlan(c.Plan(c.ctx, tenant, args[0]))
		}),
	}
}

func editPlan(r *apiCommand) *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use: "edit PLAN", Short: "Update a plan", Args: cobra.ExactArgs(1),
		Long: `Updates what the flags name, and leaves the rest unchanged. The given scopes and
applications replace the current ones. The change counts for the keys of all
subjects with the plan when the command returns.`,
	}
	f.add(cmd)
	cmd.MarkFlagsOneRequired("scope", "all-applications", "application")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		if err := checkName("plan", args[0]); err != nil {
			return err
		}
		applications, err := c.applicationIDs(tenant, f.applications)
		if err != nil {
			return err
		}
		return c.showPlan(c.EditPlan(c.ctx, tenant, args[0], api.UpdatePlanRequest{
			Scopes:          changed(cmd, "scope", f.scopes),
			AllApplications: changed(cmd, "all-applications", f.allApplications),
			ApplicationIDs:  changed(cmd, "application", applications),
		}))
	})
	return cmd
}

func deletePlan(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete PLAN", Short: "Delete a plan that no subject has", Args: cobra.ExactArgs(1),
		Long: "Deletes a plan that no subject has. Asks for confirmation.",
	}
	yes := yesFlag(cmd)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		if err := checkName("plan", args[0]); err != nil {
			return err
		}
		if err := c.confirmUnless(*yes, "This deletes the plan %q.", args[0]); err != nil {
			return err
		}
		if err := c.DeletePlan(c.ctx, tenant, args[0]); err != nil {
			return err
		}
		return c.printDone("Deleted %s.", args[0])
	})
	return cmd
}

func (c *call) showPlan(p api.Plan, err error) error {
	if err != nil {
		return err
	}
	return printOne(c.printer, p, append(planColumns,
		column[api.Plan]{"updated", func(p api.Plan) string { return timeText(p.UpdatedAt) }}))
}

var planColumns = []column[api.Plan]{
	{"name", func(p api.Plan) string { return p.Name }},
	{"scopes", func(p api.Plan) string { return joinWords(p.Scopes) }},
	{"applications", func(p api.Plan) string { return applicationsText(p.AllApplications, p.ApplicationIDs) }},
	{"created", func(p api.Plan) string { return timeText(p.CreatedAt) }},
}
