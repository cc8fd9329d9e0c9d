package archtest

import (
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The code map is ARCHITECTURE.md. In back quotes it has only what these forms describe.
var (
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	mapPath  = regexp.MustCompile(`^[\w*.-][\w*./-]*$`)
	mapLine  = regexp.MustCompile(`(?m)^  ?([a-z][a-z/]+) {2,}\S|^(api|client|cmd/\w+|tools/\w+) {2,}\S`)
)

// declarations holds what a package declares at its top level: "Name", "Type.Method", "Type.Field".
type declarations map[string]bool

func TestTheCodeMapNamesOnlyWhatExists(t *testing.T) {
	tree, text := readCodeMap(t)
	declared := tree.declarations()
	spans := codeSpan.FindAllStringSubmatch(withoutBlocks(text), -1)
	for _, span := range spans {
		if !exists(span[1], declared) {
			t.Errorf("ARCHITECTURE.md names `%s`, which does not exist", span[1])
		}
	}
	if len(spans) < 50 {
		t.Errorf("read %d names in ARCHITECTURE.md: the reading missed some", len(spans))
	}
	for name, want := range map[string]bool{
		"internal/archtest/table.go": true, "archtest/table.go": true, "archtest/no.go": false,
		"archtest.readTree": true, "archtest.tree.packages": true, "archtest.no": false,
		"file.syntax": true, "declarations": true, "noSuchName": false, "audit.Ledger.Write": true,
		"make generate": true, "make nothing": false, "internal/store/*.go": true,
	} {
		if exists(name, declared) != want {
			t.Errorf("the check of `%s` is not %v", name, want)
		}
	}
}

func TestTheCodeMapListsEveryPackageBelowThoseItMayImport(t *testing.T) {
	tree, text := readCodeMap(t)
	_, block, _ := strings.Cut(text, "\n```\n")
	block, _, _ = strings.Cut(block, "\n```\n")
	var listed []string
	for _, found := range mapLine.FindAllStringSubmatch(block, -1) {
		listed = append(listed, found[1]+found[2])
	}
	var names []string
	imports := map[string][]string{}
	for _, folder := range tree.packages() {
		name := strings.TrimPrefix(folder, "internal/")
		names = append(names, name)
		imports[name] = resolve(rows[folder].imports)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(listed))); diff != "" {
		t.Errorf("ARCHITECTURE.md does not list the packages that exist:\n%s", diff)
	}
	for i, name := range listed {
		for _, path := range imports[name] {
			if at := slices.Index(listed, strings.TrimPrefix(path, "internal/")); at > i {
				t.Errorf("ARCHITECTURE.md lists %s above %s, which it may import", name, listed[at])
			}
		}
	}
}

// readCodeMap returns the tree and the text of ARCHITECTURE.md.
func readCodeMap(t *testing.T) (tree, string) {
	t.Helper()
	tree, err := readTree(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	return tree, string(text)
}

// withoutBlocks returns the text of a document without its code blocks.
func withoutBlocks(text string) string {
	var kept strings.Builder
	for i, part := range strings.Split("\n"+text, "\n```") {
		if i%2 == 0 {
			kept.WriteString(part + "\n")
		}
	}
	return kept.String()
}

// exists reports whether a text in back quotes is a file, a folder, a target of the Makefile or a
// declaration. Paths and packages may be written without internal/.
func exists(text string, declared map[string]declarations) bool {
	if target, ok := strings.CutPrefix(text, "make "); ok {
		makefile, err := os.ReadFile(path.Join(root, "Makefile"))
		return err == nil && strings.Contains(string(makefile), "\n"+target+":")
	}
	if mapPath.MatchString(text) && hasFile(text) {
		return true
	}
	name := strings.TrimSuffix(text, "()")
	first, rest, _ := strings.Cut(name, ".")
	for folder, names := range declared {
		if names[name] || names[rest] && path.Base(folder) == path.Base(first) && strings.HasSuffix(folder, first) {
			return true
		}
	}
	return false
}

func hasFile(name string) bool {
	for _, pattern := range []string{name, "internal/" + name} {
		if found, err := matchesFile(pattern); err == nil && found {
			return true
		}
	}
	return false
}

func matchesFile(pattern string) (bool, error) {
	found, err := os.ReadDir(path.Join(root, path.Dir(pattern)))
	if err != nil {
		return false, err
	}
	last := path.Base(pattern)
	return slices.ContainsFunc(found, func(f os.DirEntry) bool {
		ok, err := path.Match(last, f.Name())
		return err == nil && ok
	}), nil
}

// declarations returns what each package of the tree declares, by folder, tests included.
func (t tree) declarations() map[string]declarations {
	all := map[string]declarations{}
	for _, f := range t.files {
		if all[f.folder] == nil {
			all[f.folder] = declarations{}
		}
		for _, d := range f.syntax.Decls {
			all[f.folder].add(d)
		}
	}
	return all
}

func (names declarations) add(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = receiver(d.Recv.List[0].Type) + "." + name
		}
		names[name] = true
	case *ast.GenDecl:
		for _, s := range d.Specs {
			names.addSpec(s)
		}
	}
}

func (names declarations) addSpec(s ast.Spec) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			names[name.Name] = true
		}
	case *ast.TypeSpec:
		names[s.Name.Name] = true
		var members *ast.FieldList
		switch form := s.Type.(type) {
		case *ast.StructType:
			members = form.Fields
		case *ast.InterfaceType:
			members = form.Methods
		default:
			return
		}
		for _, m := range members.List {
			for _, name := range m.Names {
				names[s.Name.Name+"."+name.Name] = true
			}
		}
	}
}

// receiver returns the name of the type of a receiver.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
