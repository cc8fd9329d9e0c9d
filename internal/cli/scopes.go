package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

func scopesCommand() *cobra.Command {
	cmd := groupCommand("scopes", "Manage the scopes of a tenant", "")
	r := newAPICommand(cmd).withTenantFlag(cmd)
	cmd.AddCommand(listScopes(r), setScopes(r))
	return cmd
}

func listScopes(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the scopes of the tenant", Args: cobra.NoArgs,
		RunE: r.inTenant(func(c *call, tenant string, _ []string) error {
			return c.showScopes(c.Scopes(c.ctx, tenant))
		}),
	}
}

func (c *call) showScopes(l api.List[api.Scope], err error) error {
	if err != nil {
		return err
	}
	return printList(c.printer, l, []column[api.Scope]{
		{"name", func(s api.Scope) string { return s.Name }},
		{"roles", func(s api.Scope) string { return joinWords(s.Roles) }},
		{"built in", func(s api.Scope) string { return yesNo(s.BuiltIn) }},
		{"description", func(s api.Scope) string { return s.Description }},
	})
}

func setScopes(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "set FILE", Short: "Replace the tenant's own scopes", Args: cobra.ExactArgs(1),
		Long: `Replaces the tenant's own scopes by those in a JSON file ("-" for standard
input), and lists all scopes. A removed scope no longer gives any permission.

    {"items":[{"name":"reports:read","description":"Read reports","roles":["admin","member"]}]}

The default roles are admin and member. The built-in scopes do not change.`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			own, err := c.readScopes(args[0])
			if err != nil {
				return err
			}
			return c.showScopes(c.ReplaceScopes(c.ctx, tenant, own))
		}),
	}
}

// readScopes rejects unknown members, because a typing mistake must not remove a role.
func (c *call) readScopes(file string) ([]api.NewScope, error) {
	text, err := c.readFile(file)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items *[]api.NewScope `json:"items"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, usage("%s: %w", file, err)
	}
	if list.Items == nil {
		return nil, usage(`%s has no "items"`, file)
	}
	return *list.Items, nil
}

// readFile reads a file, or standard input for "-".
func (c *call) readFile(file string) ([]byte, error) {
	if file != "-" {
		return os.ReadFile(file)
	}
	text, err := readUntilDone(c.ctx, func() ([]byte, error) { return io.ReadAll(c.in) })
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return text, nil
}
