package app

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/dialect"
)

// rowForm matches a row of the table of paths in docs/gateway.md.
var rowForm = regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| `([A-Z]+ /.*)` \\| (.*) \\|$")

func TestTheGatewaysDocumentListsEveryPathThatItAnswersForVendors(t *testing.T) {
	t.Parallel()
	var want []string
	a := &App{storage: &storage{clock: &nodeClock{Clock: &clock.Clock{}}}, services: &services{}}
	for _, v := range a.vendors(nil) {
		for _, r := range v.Routes {
			want = append(want, v.Name+" "+r.Method+" "+r.Path+": "+needsOf(r))
		}
	}
	text, err := os.ReadFile("../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rowForm.FindAllStringSubmatch(string(text), -1) {
		got = append(got, row[1]+" "+row[2]+": "+row[3])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/gateway.md (+) differs from the routes (-):\n%s", diff)
	}
}

// needsOf returns what the document says that a route needs.
func needsOf(r dialect.Route) string {
	if r.Anyone {
		return "no credential in the headers"
	}
	var needs []string
	for _, s := range r.Needs.Scopes {
		needs = append(needs, "scope `"+string(s)+"`")
	}
	if r.Needs.EveryApplication {
		needs = append(needs, "all applications")
	}
	switch {
	case r.Needs.SessionOnly:
		return "a session"
	case len(needs) == 0:
		return "a credential"
	}
	return strings.Join(needs, ", ")
}
