package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestACommandIsTheSameAloneAndAmongAllCommands(t *testing.T) {
	t.Parallel()
	named := 0
	for _, c := range newRoot().Commands() {
		alone := newRoot(c.Name())
		if len(alone.Commands()) != 1 {
			continue
		}
		named++
		if diff := cmp.Diff(usages(c), usages(alone.Commands()[0])); diff != "" {
			t.Errorf("%s differs:\n%s", c.Name(), diff)
		}
	}
	if table := len(serverCommands()) + len(apiCommands()); named != table {
		t.Errorf("%d of %d commands are made alone", named, table)
	}
}

// usages returns the usage of a command and of all commands below it.
func usages(cmd *cobra.Command) (all []string) {
	for _, c := range commandsOf(cmd) {
		all = append(all, strings.Join([]string{c.CommandPath(), c.GroupID, c.Short, c.UsageString()}, "\n"))
	}
	return all
}
