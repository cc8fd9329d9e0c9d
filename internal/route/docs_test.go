package route_test

import (
	"os"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/route"
)

// The examples of the guide are read as the server reads them, and their tests pass.
func TestTheExamplesOfTheGuideWork(t *testing.T) {
	text, err := os.ReadFile("../../docs/routes.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) != 2 {
		t.Fatalf("the guide has %d examples, want 2", len(blocks))
	}
	for i := range blocks {
		blocks[i], _, _ = strings.Cut(blocks[i], "```")
	}
	file, err := route.ParseFile("routes.md", []byte(blocks[0]))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Tests) == 0 {
		t.Error("the example has no tests")
	}
	for _, test := range file.Tests {
		if differences := file.Run(test); len(differences) > 0 {
			t.Errorf("%s: %s %s: %q", test.Source, test.Method, test.URI, differences)
		}
	}
	if rules, err := route.ParseRules("rules.md", []byte(blocks[1])); err != nil || len(rules) != 1 {
		t.Errorf("ParseRules: %v, %v", rules, err)
	}
}

// What is stored of rules is read as the same rules.
func TestStoredRulesAreReadAsTheyWere(t *testing.T) {
	rules, err := route.ParseRules("r", []byte(`rules:
- {path: '/a/{id}', methods: [GET, PUT], scopes: {any: [a:b, c:d]}, application: {path: id}, headers: {X-A: key.b.c}}
- {path: /b, session_only: true, all_applications: true}
- {path: /c%20d, application: {query: app}}
`))
	if err != nil {
		t.Fatal(err)
	}
	text := route.Encode(rules)
	again, err := route.Decode(text, "application app_1")
	if err != nil || route.Encode(again) != text || again[1].Source != "application app_1, rule 2" {
		t.Errorf("%s is read as %+v, %v", text, again, err)
	}
	about := route.About("app_1", again)
	if about[0].Application.ID != "" || about[1].Application.ID != "app_1" || about[2].Application.ID != "" {
		t.Errorf("applications of %+v", about)
	}
	if rules, err := route.Decode("", ""); err != nil || rules != nil || route.Encode(nil) != "" {
		t.Errorf("no rules are %v, %v", rules, err)
	}
	if _, err := route.Decode(`[{"path":"/a","public":true}]`, "x"); err == nil {
		t.Error("an unknown member is skipped")
	}
}
