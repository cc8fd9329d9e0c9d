package console

import (
	"slices"
	"testing"

	"github.com/claviger-dev/claviger/internal/key"
)

// A finding that no panel shows would be lost.
func TestEveryFindingHasItsPanel(t *testing.T) {
	t.Parallel()
	for _, f := range key.Findings() {
		if !slices.ContainsFunc(healthGroups, func(g healthGroup) bool { return g.finding == f }) {
			t.Errorf("%s has no panel: add it to healthGroups", f)
		}
	}
	for _, f := range key.ManagementFindings() {
		if managementFindings[f] == "" {
			t.Errorf("%s has no words: add it to managementFindings", f)
		}
	}
}
