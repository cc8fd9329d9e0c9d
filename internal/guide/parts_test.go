package guide_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/guide"
)

func TestThePartsOfAnArticleAreTheWholeOfIt(t *testing.T) {
	for _, limit := range []int{100, 4 << 10, 1 << 20} {
		for _, a := range guide.Load().Articles() {
			parts := a.Parts(limit)
			for _, part := range parts {
				if part == "" || len(part) > limit || !utf8.ValidString(part) {
					t.Fatalf("%s has a part of %d bytes at most %d", a.ID, len(part), limit)
				}
			}
			if strings.Join(parts, "") != a.Source {
				t.Errorf("%s: the parts of at most %d bytes are not the article", a.ID, limit)
			}
			for _, s := range a.Sections {
				if limit < 1000 {
					break // a heading may be longer
				}
				part := parts[a.PartOf(s, limit)-1]
				if s.Level > 1 && !strings.Contains(part, "## "+strings.Fields(s.Title)[0]) &&
					!strings.Contains(part, "## `"+strings.Fields(s.Title)[0]) {
					t.Errorf("%s: %q is not in part %d", a.ID, s.Title, a.PartOf(s, limit))
				}
			}
		}
	}
}
