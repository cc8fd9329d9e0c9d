package route_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/route"
)

func TestNamesOfAFileAreNoLongerThanAllowed(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		most int
		file string
	}{
		"an entry":    {64, "entries: [{name: %s, rules: [{path: /a, public: true}]}]"},
		"a parameter": {64, "entries: [{name: e, rules: [{path: '/{%s}', public: true}]}]"},
		"a method":    {32, "entries: [{name: e, rules: [{path: /a, methods: [%s], public: true}]}]"},
		"a header":    {64, "entries: [{name: e, rules: [{path: /a, headers: {%s: key.plan}}]}]"},
		"a header that names the application": {
			64, "entries: [{name: e, rules: [{path: /a, application: {header: %s}}]}]",
		},
	} {
		letter := "x"
		if what == "a method" {
			letter = "X"
		}
		for length, want := range map[int]bool{c.most: true, c.most + 1: false} {
			text := fmt.Sprintf(c.file, strings.Repeat(letter, length))
			if _, err := route.ParseFile("r.yaml", []byte(text)); (err == nil) != want {
				t.Errorf("%s with a name of %d characters: %v", what, length, err)
			}
		}
	}
}
