package compat_test

import (
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/tools/compat"
)

var (
	record = flag.Bool("record", false, "record compatible changes")
	accept = flag.Bool("accept", false, "record incompatible changes too")
)

const root = "../.."

func TestTheGoPackagesAreCompatibleWithTheRecord(t *testing.T) {
	var features []string
	for _, folder := range []string{"api", "client"} {
		of, err := compat.Go(filepath.Join(root, folder))
		if err != nil {
			t.Fatal(err)
		}
		features = append(features, of...)
	}
	compare(t, "go.txt", features)
}

func TestTheOpenAPIDocumentIsCompatibleWithTheRecord(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	response, err := http.Get(h.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	features, err := compat.OpenAPI(text)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "openapi.txt", features)
}

// compare fails where the record is not of these features, or writes it with the flags.
func compare(t *testing.T, name string, features []string) {
	t.Helper()
	file := filepath.Join(root, "docs", "compatibility", name)
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	recorded := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
	broken := compat.Incompatible(recorded, features)
	if len(broken) > 0 && !*accept {
		t.Fatalf("this change breaks users of the public interface:\n%s\n"+
			"If that is intended, say so in CHANGELOG.md and run make accept-incompatible.", strings.Join(broken, "\n"))
	}
	if *record || *accept {
		if err := os.WriteFile(file, []byte(strings.Join(features, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !slices.Equal(recorded, features) {
		t.Errorf("docs/compatibility/%s is not up to date: run make generate (-recorded +present):\n%s",
			name, cmp.Diff(recorded, features))
	}
}

func TestWhatBreaksUsersIsReportedAndNothingElse(t *testing.T) {
	before := []string{
		"POST /x takes New", "request New demands name", "request New has name: string",
		"request New lets role be admin", "response Key has id: string",
	}
	for _, c := range []struct {
		change  string
		without string
		with    []string
		want    []string
	}{
		{"nothing", "", nil, nil},
		{"a member of a response goes", before[4], nil, []string{"gone: " + before[4]}},
		{
			"a member of a response has another type", before[4],
			[]string{"response Key has id: integer"},
			[]string{"gone: " + before[4]},
		},
		{"a member of a request becomes optional", before[1], nil, nil},
		{
			"a request demands another member", "",
			[]string{"request New demands email"},
			[]string{"new demand: request New demands email"},
		},
		{"a new request demands a member", "", []string{"request Newer demands email"}, nil},
		{"a request can no longer have a value", before[3], nil, []string{"gone: " + before[3]}},
		{"an operation is new", "", []string{"GET /y answers 200"}, nil},
	} {
		after := slices.DeleteFunc(slices.Clone(before), func(f string) bool { return f == c.without })
		if diff := cmp.Diff(c.want, compat.Incompatible(before, append(after, c.with...))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.change, diff)
		}
	}
}

func TestTheFeaturesOfAGoPackageAreItsExportedDeclarations(t *testing.T) {
	folder := t.TempDir()
	testkit.NoError(t, os.WriteFile(filepath.Join(folder, "p.go"), []byte("package p\n"+
		"type T[A any] struct { A A `json:\"a\"`; b int; Base }\n"+
		"type Base int\n"+
		"const ( X Base = 1; y = 2 )\n"+
		"var E = 1\n"+
		"func (t *T[A]) M(a, b int, more ...string) (n int, err error) { return }\n"+
		"func (T[A]) hidden() {}\n"+
		"func F() {}\n"), 0o600))
	got, err := compat.Go(folder)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"p const X Base = 1", "p field T embeds Base", "p field T.A A `json:\"a\"`", "p func F()",
		"p method (*T[A]) M(int, int, ...string) (int, error)", "p type Base int", "p type T struct", "p var E",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
