package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func membersCommand() *cobra.Command {
	cmd := groupCommand("members", "Manage the members of a tenant", "")
	r := newAPICommand(cmd).withTenantFlag(cmd)
	cmd.AddCommand(listMembers(r), inviteMember(r), listInvitations(r), resendInvitation(r), cancelInvitation(r),
		editMember(r), removeMember(r))
	return cmd
}

func listMembers(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the members, newest first", Args: cobra.NoArgs,
		RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
			members, err := allPages(0,
				func(p client.Page) (api.List[api.Member], error) { return c.Members(c.ctx, tenant, p) })
			if err != nil {
				return err
			}
			return printList(c.printer, members, memberColumns, "user")
		}),
	}
}

func inviteMember(r *apiCommand) *cobra.Command {
	var n api.CreateInvitationRequest
	cmd := &cobra.Command{
		Use: "invite", Short: "Invite a person", Args: cobra.NoArgs,
		Long: `Creates an invitation. The server sends the link to the person by e-mail. If it
sends no e-mail, the command shows the link, once. Anybody who opens the link
can accept the invitation.`,
		Example: "  claviger members invite --email ann@example.com --role member",
	}
	cmd.Flags().StringVar(&n.Email, "email", "", "e-mail address of the person")
	cmd.Flags().StringVar((*string)(&n.Role), "role", "member", "admin, member or auditor")
	_ = cmd.MarkFlagRequired("email") // the flag exists
	cmd.RunE = r.inTenant(func(c *call, tenant string, _ []string) error {
		i, err := c.Invite(c.ctx, tenant, n)
		if errors.Is(err, client.ErrSecretLost) {
			return failure{
				fmt.Errorf("invitation %s: %w", i.ID, err), exitUnavailable,
				"repeat the command for a new link",
			}
		}
		if err != nil {
			return err
		}
		return c.showInvitation(i)
	})
	return cmd
}

func (c *call) showInvitation(i api.Invitation) error {
	if i.URL == nil {
		c.note("The link was sent to %s by e-mail, and is shown to nobody else.", sanitized(i.Email))
	} else {
		c.note("The link is shown once. Send it to the person over a channel that only they can read.")
	}
	return printOne(c.printer, i, []column[api.Invitation]{
		{"id", func(i api.Invitation) string { return i.ID }},
		{"e-mail", func(i api.Invitation) string { return i.Email }},
		{"role", func(i api.Invitation) string { return string(i.Role) }},
		{"link", func(i api.Invitation) string { return valueOrEmpty(i.URL) }},
		{"expires", func(i api.Invitation) string { return timeText(i.ExpiresAt) }},
	})
}

func listInvitations(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "invitations", Short: "List the open invitations, newest first",
		Args: cobra.NoArgs, RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
			list, err := allPages(0,
				func(p client.Page) (api.List[api.PendingInvitation], error) { return c.Invitations(c.ctx, tenant, p) })
			if err != nil {
				return err
			}
			return printList(c.printer, list, []column[api.PendingInvitation]{
				{"id", func(i api.PendingInvitation) string { return i.ID }},
				{"e-mail", func(i api.PendingInvitation) string { return i.Email }},
				{"role", func(i api.PendingInvitation) string { return string(i.Role) }},
				{"by", func(i api.PendingInvitation) string { return inviterText(i.CreatedBy) }},
				{"expires", func(i api.PendingInvitation) string { return timeText(i.ExpiresAt) }},
			})
		}),
	}
}

func inviterText(p *api.Person) string {
	if p == nil {
		return "the operator"
	}
	return personText(*p)
}

// invitationID returns the id of an open invitation. name is its e-mail address, or its id, which
// is returned unchecked.
func (c *call) invitationID(tenant, name string) (string, error) {
	if !strings.Contains(name, "@") {
		return name, nil
	}
	list, err := allPages(0,
		func(p client.Page) (api.List[api.PendingInvitation], error) { return c.Invitations(c.ctx, tenant, p) })
	if err != nil {
		return "", err
	}
	for _, i := range list.Items {
		if strings.EqualFold(i.Email, name) {
			return i.ID, nil
		}
	}
	return "", failure{
		fmt.Errorf("there is no open invitation for %s", sanitized(name)), exitNotFound,
		"to list them: claviger members invitations",
	}
}

func resendInvitation(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "resend-invitation INVITATION", Short: "Send an invitation again", Args: cobra.ExactArgs(1),
		Long: `Creates a new link, which works for 7 days, and sends or shows it like the first
one. The old link becomes invalid. INVITATION is the id of the invitation, or
the e-mail address that it was sent to.`,
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			id, err := c.invitationID(tenant, args[0])
			if err != nil {
				return err
			}
			i, err := c.ResendInvitation(c.ctx, tenant, id)
			if err != nil {
				return err
			}
			return c.showInvitation(i)
		}),
	}
}

func cancelInvitation(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "cancel-invitation INVITATION", Short: "Cancel an invitation", Args: cobra.ExactArgs(1),
		Long: `Makes the link of an invitation invalid. INVITATION is the id of the invitation,
or the e-mail address that it was sent to.`,
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			id, err := c.invitationID(tenant, args[0])
			if err != nil {
				return err
			}
			if err := c.CancelInvitation(c.ctx, tenant, id); err != nil {
				return err
			}
			return c.printDone("Cancelled the invitation %s.", id)
		}),
	}
}

func editMember(r *apiCommand) *cobra.Command {
	var role, status string
	cmd := &cobra.Command{
		Use: "edit USER", Short: "Update a membership", Args: cobra.ExactArgs(1),
		Long: `Updates the role or the status of a member. USER is an e-mail address, name or
id. A former admin may know secrets of other people's keys that they created or
refreshed. The command prints the number of these keys.`,
	}
	cmd.Flags().StringVar(&role, "role", "", "admin, member or auditor")
	cmd.Flags().StringVar(&status, "status", "", "active or disabled")
	cmd.MarkFlagsOneRequired("role", "status")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		user, err := c.userID(tenant, args[0])
		if err != nil {
			return err
		}
		m, err := c.EditMember(c.ctx, tenant, user,
			api.UpdateMemberRequest{
				Role:   changed(cmd, "role", api.Role(role)),
				Status: changed(cmd, "status", api.Status(status)),
			})
		if err != nil {
			return err
		}
		if m.Role != "admin" || m.Status != "active" {
			c.warnOfKnownSecrets(tenant, user)
		}
		return printOne(c.printer, m, memberColumns)
	})
	return cmd
}

func removeMember(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove USER", Short: "Remove a member, or leave the tenant", Args: cobra.ExactArgs(1),
		Long: `Removes a member, and revokes their keys in the tenant permanently. Asks for
confirmation. USER is an e-mail address, name or id. To leave the tenant
yourself, give me. The last admin cannot leave.

A former admin may know secrets of other people's keys that they created or
refreshed, and of management keys. The command prints the numbers of these keys.
To revoke them: claviger keys revoke --shown-to USER, and claviger
management-keys revoke.`,
	}
	yes := yesFlag(cmd)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		user, err := c.userID(tenant, args[0])
		if err != nil {
			return err
		}
		whose := "the membership of " + args[0] + " and revokes their"
		if user == "me" {
			whose = "your own membership and revokes your"
		}
		if err := c.confirmUnless(*yes, "This ends %s keys in the tenant %s permanently.", whose, tenant); err != nil {
			return err
		}
		if err := c.RemoveMember(c.ctx, tenant, user); err != nil {
			return err
		}
		c.warnOfKnownSecrets(tenant, user)
		return c.printDone("Removed %s from the tenant and revoked their keys in it.", user)
	})
	return cmd
}

var memberColumns = []column[api.Member]{
	{"user", func(m api.Member) string { return m.User.ID }},
	{"e-mail", func(m api.Member) string { return valueOrEmpty(m.User.Email) }},
	{"name", func(m api.Member) string { return valueOrEmpty(m.User.Name) }},
	{"role", func(m api.Member) string { return string(m.Role) }},
	{"status", func(m api.Member) string { return string(m.Status) }},
	{"since", func(m api.Member) string { return timeText(m.CreatedAt) }},
}
