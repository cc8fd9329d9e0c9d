package cli

import (
	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
)

func subjectsCommand() *cobra.Command {
	cmd := groupCommand("subjects", "Manage subjects: the customers of your API",
		`Manages subjects: the customers of your API, which own keys. SUBJECT is the id or
the external id of a subject: the id by which your own system knows it. Admins of
the tenant change subjects, auditors see them. Programs may do both, with a
management key that has the permissions subjects:write and subjects:read.`)
	r := newAPICommand(cmd).withTenantFlag(cmd)
	cmd.AddCommand(listSubjects(r), createSubject(r), showSubject(r), editSubject(r), disableSubject(r),
		enableSubject(r), deleteSubject(r))
	return cmd
}

func listSubjects(r *apiCommand) *cobra.Command {
	var filter client.SubjectFilter
	cmd := &cobra.Command{Use: "list", Short: "List subjects, newest first", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&filter.Plan, "plan", "", "only subjects with this `plan`")
	cmd.Flags().StringVar(&filter.Query, "query", "",
		"only subjects with this `text` at the start of a word of the name or the external id")
	cmd.RunE = r.inTenant(func(c *call, tenant string, _ []string) error {
		subjects, err := allPages(0,
			func(p client.Page) (api.List[api.Subject], error) { return c.Subjects(c.ctx, tenant, filter, p) })
		if err != nil {
			return err
		}
		return printList(c.printer, subjects, subjectColumns, "id", "created")
	})
	return cmd
}

func createSubject(r *apiCommand) *cobra.Command {
	var n api.CreateSubjectRequest
	var noted metadataFlags
	cmd := &cobra.Command{
		Use: "create EXTERNAL_ID", Short: "Create a subject", Args: cobra.ExactArgs(1),
		Long: `Creates a subject. claviger keys create --owner subject:EXTERNAL_ID creates it
together with its first key.`,
		Example: `  claviger subjects create cus_1030 --name "Grace Hopper Ltd" --plan basic`,
	}
	cmd.Flags().StringVar(&n.Name, "name", "", "name of the subject")
	cmd.Flags().StringVar(&n.Plan, "plan", "", "`plan` of the subject")
	noted.add(cmd)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) (err error) {
		n.ExternalID = args[0]
		n.Metadata, err = noted.object()
		if err != nil {
			return err
		}
		return c.showSubject(c.CreateSubject(c.ctx, tenant, n))
	})
	return cmd
}

func showSubject(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "show SUBJECT", Short: "Show a subject", Args: cobra.ExactArgs(1),
		RunE: r.inTenant(r.onSubject(func(c *call, tenant, subject string) error {
			return c.showSubject(c.Subject(c.ctx, tenant, subject))
		})),
	}
}

func editSubject(r *apiCommand) *cobra.Command {
	var name, plan string
	var noted metadataFlags
	cmd := &cobra.Command{
		Use: "edit SUBJECT", Short: "Update a subject", Args: cobra.ExactArgs(1),
		Long: `Updates what the flags name, and leaves the rest unchanged. Another plan counts
for the keys of the subject when the command returns. The given metadata is added
to the current one.`,
		Example: `  claviger subjects edit cus_1031 --plan basic`,
	}
	cmd.Flags().StringVar(&name, "name", "", "new name")
	cmd.Flags().StringVar(&plan, "plan", "", "`plan` of the subject")
	clearFlags(cmd, "name", "plan")
	noted.add(cmd)
	noted.addRemoval(cmd)
	cmd.MarkFlagsOneRequired("name", "clear-name", "plan", "clear-plan", "metadata", "remove-metadata",
		"clear-metadata")
	cmd.RunE = r.inTenant(r.onSubject(func(c *call, tenant, subject string) error {
		metadata, err := noted.patch(cmd)
		if err != nil {
			return err
		}
		return c.showSubject(c.EditSubject(c.ctx, tenant, subject, api.UpdateSubjectRequest{
			Name: changedText(cmd, "name", name), Plan: changedText(cmd, "plan", plan), Metadata: metadata,
		}))
	}))
	return cmd
}

func disableSubject(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "disable SUBJECT", Short: "Refuse the keys of a subject until it is enabled", Args: cobra.ExactArgs(1),
		Long: "Refuses the keys of a subject until it is enabled. Asks for confirmation.",
	}
	yes := yesFlag(cmd)
	cmd.RunE = r.inTenant(r.onSubject(func(c *call, tenant, subject string) error {
		if err := c.confirmSubject(*yes, tenant, subject, "This disables all keys of the subject %s."); err != nil {
			return err
		}
		return c.showSubject(c.DisableSubject(c.ctx, tenant, subject))
	}))
	return cmd
}

func enableSubject(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "enable SUBJECT", Short: "Enable a disabled subject", Args: cobra.ExactArgs(1),
		RunE: r.inTenant(r.onSubject(func(c *call, tenant, subject string) error {
			return c.showSubject(c.EnableSubject(c.ctx, tenant, subject))
		})),
	}
}

func deleteSubject(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete SUBJECT", Short: "Delete a subject, and revoke its keys", Args: cobra.ExactArgs(1),
		Long: `Deletes a subject and revokes its keys. A new subject with the same external id
has none of them. Asks for confirmation.`,
	}
	yes := yesFlag(cmd)
	cmd.RunE = r.inTenant(r.onSubject(func(c *call, tenant, subject string) error {
		if err := c.confirmSubject(*yes, tenant, subject, "This revokes all keys of the subject %s."); err != nil {
			return err
		}
		if err := c.DeleteSubject(c.ctx, tenant, subject); err != nil {
			return err
		}
		return c.printDone("Deleted %s.", subject)
	}))
	return cmd
}

// confirmSubject asks for confirmation of a change of a subject. The verb %s in text stands for it.
func (c *call) confirmSubject(yes bool, tenant, subject, text string) error {
	if yes {
		return nil
	}
	s, err := c.Subject(c.ctx, tenant, subject)
	if err != nil {
		return err
	}
	return c.confirmUnless(false, text, s.ExternalID+" ("+s.ID+")")
}

// subjectPrefix begins the name of an owner of keys that is a subject.
const subjectPrefix = "subject:"

// onSubject adapts work on a subject to inTenant. The one argument of the command names it.
func (r *apiCommand) onSubject(
	work func(c *call, tenant, subject string) error,
) func(c *call, tenant string, args []string) error {
	return func(c *call, tenant string, args []string) error {
		id, err := c.subjectID(tenant, args[0])
		if err != nil {
			return err
		}
		return work(c, tenant, id)
	}
}

// subjectID returns the id of a subject of the tenant.
func (c *call) subjectID(tenant, text string) (string, error) {
	if isID[ident.SubjectID](text) {
		return text, nil
	}
	found, err := c.Subjects(c.ctx, tenant, client.SubjectFilter{ExternalID: text}, client.Page{})
	if err != nil {
		return "", err
	}
	s := lookup{kind: "subject", knownBy: "id or external id", text: text, listCommand: "claviger subjects list"}
	for _, subject := range found.Items {
		s.found = append(s.found, candidate{id: subject.ID, description: string(subject.Status)})
	}
	return s.result()
}

func (c *call) showSubject(s api.Subject, err error) error {
	if err != nil {
		return err
	}
	return printOne(c.printer, s, append(subjectColumns,
		column[api.Subject]{"metadata", func(s api.Subject) string { return metadataText(s.Metadata) }},
		column[api.Subject]{"updated", func(s api.Subject) string { return timeText(s.UpdatedAt) }}))
}

var subjectColumns = []column[api.Subject]{
	{"id", func(s api.Subject) string { return s.ID }},
	{"external id", func(s api.Subject) string { return s.ExternalID }},
	{"name", func(s api.Subject) string { return valueOrEmpty(s.Name) }},
	{"plan", func(s api.Subject) string { return valueOrEmpty(s.Plan) }},
	{"status", func(s api.Subject) string { return string(s.Status) }},
	{"created", func(s api.Subject) string { return timeText(s.CreatedAt) }},
}
