package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A tree is every Go file below the module's root.
type tree struct {
	positions *token.FileSet
	files     []file
}

// A file belongs to the package of its folder.
type file struct {
	path   string // relative to the module's root
	folder string
	syntax *ast.File
	text   string
}

// readTree reads the folders that the go command would, and every Go file in them.
func readTree(root fs.FS) (tree, error) {
	t := tree{positions: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && ignored(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		return t.add(root, name)
	})
	return t, err
}

func ignored(folder string) bool {
	return folder == "testdata" || len(folder) > 1 && strings.ContainsAny(folder[:1], "._")
}

func (t *tree) add(root fs.FS, name string) error {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.positions, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.files = append(t.files, file{path: name, folder: path.Dir(name), syntax: syntax, text: string(text)})
	return nil
}

// packages returns the folders that hold Go files.
func (t tree) packages() []string {
	var folders []string
	for _, f := range t.files {
		folders = append(folders, f.folder)
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// at says where in the tree a node stands, for a report.
func (t tree) at(n ast.Node) string {
	position := t.positions.Position(n.Pos())
	return fmt.Sprintf("%s:%d", position.Filename, position.Line)
}

// isTest reports whether only `go test` compiles the file.
func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// forTests reports whether the file serves tests alone: itself a test, or of a package that tests
// import.
func (f file) forTests() bool { return f.isTest() || slices.Contains(resolve("tests"), f.folder) }

// imports returns the import paths of the file.
func (f file) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		paths = append(paths, importPath(spec))
	}
	return paths
}

func importPath(spec *ast.ImportSpec) string {
	text, _ := strconv.Unquote(spec.Path.Value) // the parser lets no other than a string pass
	return text
}
