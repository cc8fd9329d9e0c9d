//go:build clientonly || windows

package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// The build for Windows contains only the client. The build tag clientonly makes a build for
// another system contain only the client too. The tests use this tag.

// serverOnlyNames are the commands that this build does not have.
var serverOnlyNames = []string{
	"account", "backup", "clock", "compact", "config", "dev", "entries", "health", "migrate", "notices", "restore",
	"rootkey", "routes", "serve", "tenant", "user",
}

// serverCommands returns a command for each of serverOnlyNames that says where to run it.
func serverCommands() commandTable {
	table := commandTable{}
	for _, name := range serverOnlyNames {
		table[name] = func() *cobra.Command { return serverOnlyCommand(name) }
	}
	return table
}

// auditServerCommands returns the audit commands that this build does not have.
func auditServerCommands(*apiCommand) []*cobra.Command {
	return []*cobra.Command{serverOnlyCommand("archive"), serverOnlyCommand("verify")}
}

// serverOnlyCommand returns a command that fails and accepts any flags.
func serverOnlyCommand(name string) *cobra.Command {
	return &cobra.Command{
		Use: name, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := fmt.Errorf("%s is not in this build for %s, which contains only the client",
				cmd.CommandPath(), runtime.GOOS)
			return failure{err, exitUsage, "run it on the machine of the server, which runs Linux or macOS"}
		},
	}
}
