package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func membersCommand() *cobra.Command {
	cmd := noun("members", "Look after the people of a tenant", "")
	r := newRemote(cmd).inTenants(cmd)
	cmd.AddCommand(listMembers(r), inviteMember(r), editMember(r), removeMember(r))
	return cmd
}

func listMembers(r *remote) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the members, newest first", Args: cobra.NoArgs, RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
		members, err := every(0, func(p client.Page) (api.List[api.Member], error) { return c.Members(c.ctx, tenant, p) })
		if err != nil {
			return err
		}
		return printList(c.printer, members, memberColumns)
	})}
}

func inviteMember(r *remote) *cobra.Command {
	var n api.NewInvitation
	cmd := &cobra.Command{
		Use: "invite", Short: "Invite a person", Args: cobra.NoArgs,
		Long:    "Makes an invitation and shows its link, once. Whoever opens the link is taken for the person invited.",
		Example: "  claviger members invite --email ann@example.com --role member",
	}
	cmd.Flags().StringVar(&n.Email, "email", "", "the person's e-mail address")
	cmd.Flags().StringVar(&n.Role, "role", "member", "admin, member or auditor")
	_ = cmd.MarkFlagRequired("email") // the flag is there
	cmd.RunE = r.inTenant(func(c *call, tenant string, _ []string) error {
		i, err := c.Invite(c.ctx, tenant, n)
		if errors.Is(err, client.ErrSecretLost) {
			return failure{fmt.Errorf("invitation %s: %w", i.ID, err), exitUnavailable, "repeat the command for another link"}
		}
		if err != nil {
			return err
		}
		c.note("The link is shown once. Send it to the person by a way that only they read.")
		return printOne(c.printer, i, []column[api.Invitation]{
			{"id", func(i api.Invitation) string { return i.ID }},
			{"e-mail", func(i api.Invitation) string { return i.Email }},
			{"role", func(i api.Invitation) string { return i.Role }},
			{"link", func(i api.Invitation) string { return orNone(i.URL) }},
			{"expires", func(i api.Invitation) string { return whenText(i.ExpiresAt) }},
		})
	})
	return cmd
}

func editMember(r *remote) *cobra.Command {
	var role, status string
	cmd := &cobra.Command{Use: "edit USER", Short: "Change a membership", Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&role, "role", "", "admin, member or auditor")
	cmd.Flags().StringVar(&status, "status", "", "active or disabled")
	cmd.MarkFlagsOneRequired("role", "status")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		m, err := c.EditMember(c.ctx, tenant, args[0], api.MemberPatch{Role: changed(cmd, "role", role), Status: changed(cmd, "status", status)})
		if err != nil {
			return err
		}
		return printOne(c.printer, m, memberColumns)
	})
	return cmd
}

func removeMember(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "remove USER", Short: "Remove a member", Args: cobra.ExactArgs(1), Long: "Ends a membership, and revokes the person's keys in the tenant for good.",
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			if err := c.RemoveMember(c.ctx, tenant, args[0]); err != nil {
				return err
			}
			return c.done("%s is no member any more, and their keys here are revoked.", args[0])
		}),
	}
}

var memberColumns = []column[api.Member]{
	{"user", func(m api.Member) string { return m.User.ID }},
	{"e-mail", func(m api.Member) string { return orNone(m.User.Email) }},
	{"name", func(m api.Member) string { return orNone(m.User.Name) }},
	{"role", func(m api.Member) string { return m.Role }},
	{"status", func(m api.Member) string { return m.Status }},
	{"since", func(m api.Member) string { return whenText(m.CreatedAt) }},
}
