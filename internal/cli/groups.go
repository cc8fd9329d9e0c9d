package cli

import (
	"slices"

	"github.com/spf13/cobra"
)

// commandGroups are the groups of commands in `claviger --help`.
var commandGroups = []struct {
	id, title string
	commands  []string
}{
	{"begin", "Get started:", []string{"dev", "serve", "setup", "login", "logout", "password", "whoami", "contexts"}},
	{"keys", "Keys and applications:", []string{
		"keys", "service-accounts", "management-keys", "subjects", "plans", "verify", "apps", "routes", "scopes",
		"usage", "scan", "mcp",
	}},
	{"tenants", "Members, tenants and policies:", []string{"members", "tenants", "policy", "audit"}},
	{"operate", "Operator commands:", []string{
		"account", "user", "tenant", "entries", "notices", "rootkey", "clock", "backup", "restore", "migrate",
		"compact", "config", "health",
	}},
}

// assignGroups assigns the commands below the root to their groups.
func assignGroups(root *cobra.Command) {
	for _, g := range commandGroups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range root.Commands() {
			if slices.Contains(g.commands, c.Name()) {
				c.GroupID = g.id
			}
		}
	}
}
