package archtest

import (
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const root = "../.."

// maySkip lists the files whose tests may skip, each with its reason in a comment. There are none.
var maySkip []string

func TestTheTreeIsBuiltAsTheTableSays(t *testing.T) {
	tree, err := readTree(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	below, err := listGraph()
	if err != nil {
		t.Fatal(err)
	}
	mustSee(t, tree, below)
	for _, report := range tree.check(below, maySkip) {
		t.Error(report)
	}
}

// mustSee fails where the reading missed this very package, and would find no fault with anything.
func mustSee(t *testing.T, tree tree, below graph) {
	t.Helper()
	if !slices.Contains(tree.packages(), "internal/archtest") {
		t.Errorf("read %s and did not see internal/archtest", root)
	}
	if !slices.Contains(below["go/parser"], "go/ast") {
		t.Error("asked go list and did not learn that go/parser imports go/ast")
	}
}

func TestTheModuleIsTheOneOfTheTable(t *testing.T) {
	text, err := os.ReadFile(path.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(string(text), "\n"); first != "module "+module {
		t.Errorf("go.mod begins with %q, the table is of %s", first, module)
	}
}

func TestEveryNameOfTheTableMeansOneThing(t *testing.T) {
	seen := map[string]bool{}
	once := func(name string) {
		if seen[name] {
			t.Errorf("%s stands twice in the table", name)
		}
		seen[name] = true
	}
	for _, l := range table {
		once(l.name)
		for _, r := range l.rows {
			once(strings.TrimPrefix(r.path, "internal/"))
			resolve(r.imports) // panics on a name that means nothing
			for name := range strings.FieldsSeq(r.others + " " + forTests.others) {
				if modules[name] == "" {
					t.Errorf("%s names a module %q that is not in the list", r.path, name)
				}
			}
		}
	}
}

func TestEveryImportOfTheTableGoesDown(t *testing.T) {
	g := everythingPermitted(t).graph(nil)
	for path := range rows {
		from := module + "/" + path
		if way := g.chain(from, []string{from}); way != nil {
			t.Errorf("the table lets %s", arrows(way))
		}
	}
}

// The table and the list of what must never be reached are written by hand and could disagree.
func TestATreeThatUsesEveryPermissionBreaksNoRule(t *testing.T) {
	for _, report := range everythingPermitted(t).check(nil, nil) {
		t.Error(report)
	}
}

func TestAModuleWithAKeeperIsInNoOtherRow(t *testing.T) {
	for _, report := range misplacedModules(table) {
		t.Error(report)
	}
}

// everythingPermitted is a tree in which every package imports all that it may.
func everythingPermitted(t *testing.T) tree {
	t.Helper()
	files := map[string]string{}
	for path, r := range rows {
		imports := importPaths(resolve(r.imports))
		for name := range strings.FieldsSeq(r.others) {
			imports = append(imports, modules[name])
		}
		files[path+"/code.go"] = source("code", imports...)
	}
	return made(t, files)
}

// made reads a tree of made-up files, by path.
func made(t *testing.T, files map[string]string) tree {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	made, err := readTree(folder)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// source is a file of the package that imports each path.
func source(name string, imports ...string) string {
	var text strings.Builder
	text.WriteString("package " + name + "\n")
	for _, path := range imports {
		text.WriteString("import _ \"" + path + "\"\n")
	}
	return text.String()
}
