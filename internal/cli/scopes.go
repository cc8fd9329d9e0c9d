package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func scopesCommand() *cobra.Command {
	cmd := groupCommand("scopes", "Manage the scopes of a tenant", "")
	r := newAPICommand(cmd).withTenantFlag(cmd)
	cmd.AddCommand(listScopes(r), addScope(r), removeScope(r), setScopes(r))
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
	return printList(c.printer, l, scopeColumns)
}

var scopeColumns = []column[api.Scope]{
	{"name", func(s api.Scope) string { return s.Name }},
	{"roles", func(s api.Scope) string { return joinWords(s.Roles) }},
	{"built in", func(s api.Scope) string { return yesNo(s.BuiltIn) }},
	{"description", func(s api.Scope) string { return s.Description }},
}

func addScope(r *apiCommand) *cobra.Command {
	var s api.PutScopeRequest
	cmd := &cobra.Command{
		Use: "add SCOPE", Short: "Add a scope to the tenant, or replace it", Args: cobra.ExactArgs(1),
		Long: `Adds a scope to the tenant. If the tenant has added it before, its description
and its roles are replaced. The tenant's other scopes do not change.`,
		Example: `  claviger scopes add reports:read --description "Read reports" --role admin --role auditor`,
	}
	cmd.Flags().StringVar(&s.Description, "description", "", "a `text` that says what the scope allows")
	roles := cmd.Flags().StringArray("role", nil,
		"a `role` whose keys may have the scope; repeat for more (default: admin and member)")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		if err := checkScope(args[0]); err != nil {
			return err
		}
		for _, role := range *roles {
			s.Roles = append(s.Roles, api.Role(role))
		}
		added, err := c.PutScope(c.ctx, tenant, args[0], s)
		if err != nil {
			return err
		}
		return printOne(c.printer, added, scopeColumns)
	})
	return cmd
}

func removeScope(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "remove SCOPE", Short: "Remove one of the tenant's own scopes", Args: cobra.ExactArgs(1),
		Long: `Removes a scope that the tenant added. Keys that have it can no longer use it,
until it is added again.`,
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			if err := checkScope(args[0]); err != nil {
				return err
			}
			if err := c.RemoveScope(c.ctx, tenant, args[0]); err != nil {
				return err
			}
			return c.printDone("Removed %s.", args[0])
		}),
	}
}

// maxScope is the maximum length of the name of a scope.
const maxScope = 64

// scopeText matches what can be sent as the name of a scope. The server says which names are valid.
var scopeText = regexp.MustCompile(`^[A-Za-z0-9_:-]+$`)

// checkScope returns an error for a text that cannot be the name of a scope, before it is sent. It
// does not repeat the text, which could be a secret.
func checkScope(text string) error {
	if len(text) <= maxScope && scopeText.MatchString(text) {
		return nil
	}
	return usage("the name of a scope has the form resource:action, in lower case, such as reports:read")
}

// ifVersionFlag adds the flag for the version that a list must have before it is replaced.
func ifVersionFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("if-version", "",
		"replace nothing unless the present list has this `version`, which --output json shows")
}

// expecting returns a client whose edits expect the version; "" for any.
func (c *call) expecting(version string) *client.Client {
	if version == "" {
		return c.Client
	}
	return c.WithIfMatch(version)
}

func setScopes(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "set FILE", Short: "Replace the tenant's own scopes", Args: cobra.ExactArgs(1),
		Long: `Replaces the tenant's own scopes by those in a JSON file ("-" for standard
input), and lists all scopes. A removed scope no longer gives any permission.

    {"items":[{"name":"reports:read","description":"Read reports","roles":["admin","member"]}]}

The default roles are admin and member. The built-in scopes do not change. With
--if-version, nothing is replaced if somebody else has changed a scope since you
read the list.`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	version := ifVersionFlag(cmd)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		own, err := c.readScopes(args[0])
		if err != nil {
			return err
		}
		return c.showScopes(c.expecting(*version).ReplaceScopes(c.ctx, tenant, own))
	})
	return cmd
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
