package console

import (
	"os"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/audit"
)

// Somebody who reads a trail reads sentences, also of actions that come later.
func TestEveryActionHasASentence(t *testing.T) {
	t.Parallel()
	icons, err := os.ReadFile("view/assets/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range audit.Actions() {
		s, known := sentences[action]
		if !known {
			t.Errorf("%s has no sentence: add it to sentences", action)
			continue
		}
		if !strings.Contains(string(icons), `symbol id="`+s.icon+`"`) {
			t.Errorf("%s: there is no icon %q", action, s.icon)
		}
	}
	if len(sentences) != len(audit.Actions()) {
		t.Errorf("%d sentences for %d actions", len(sentences), len(audit.Actions()))
	}
}
