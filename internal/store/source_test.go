package store_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// source is package store, parsed and type-checked. Of its imports only the standard library is
// loaded; the tests need no more.
type source struct {
	positions *token.FileSet
	files     []*ast.File
	info      *types.Info
}

// readSource reads the files of the package.
func readSource(t *testing.T) *source {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	return check(t, texts)
}

// check parses and type-checks the files, which are given by name.
func check(t *testing.T, texts map[string]string) *source {
	t.Helper()
	s := &source{
		positions: token.NewFileSet(),
		info: &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{},
			Uses: map[*ast.Ident]types.Object{},
		},
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		file, err := parser.ParseFile(s.positions, name, texts[name], parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, file)
	}
	c := types.Config{Importer: standard{importer.Default()}, Error: func(error) {}}
	_, _ = c.Check("store", s.positions, s.files, s.info) // only what was not imported causes errors
	return s
}

// standard imports packages of the standard library, and replaces all others by empty packages.
type standard struct{ types.Importer }

func (s standard) Import(name string) (*types.Package, error) {
	if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
		return s.Importer.Import(name)
	}
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

func (s *source) at(n ast.Node) string {
	p := s.positions.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// queries returns the text of every constant of type query, by name.
func (s *source) queries() map[string]string {
	all := map[string]string{}
	for name, object := range s.info.Defs {
		if c, ok := object.(*types.Const); ok && isQuery(c.Type()) && c.Val().Kind() == constant.String {
			all[name.Name] = constant.StringVal(c.Val())
		}
	}
	return all
}

func isQuery(t types.Type) bool {
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == "query" && named.Obj().Pkg().Path() == "store"
}

// runners are the methods of database/sql that take the text of a statement.
var runners = strings.Fields("Query QueryContext QueryRow QueryRowContext Exec ExecContext Prepare PrepareContext")

// composers are the functions that may build a query at run time.
var composers = strings.Fields("expand expandRows withRowLock readMigration")

// strays reports statements that are not constants of type query.
func (s *source) strays() []string {
	var reports []string
	for _, file := range s.files {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				reports = append(reports, s.straysIn(d)...)
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					reports = append(reports, s.straysIn(d)...)
				}
			}
		}
	}
	return reports
}

func (s *source) straysIn(d ast.Decl) []string {
	f, _ := d.(*ast.FuncDecl)
	composes := f != nil && slices.Contains(composers, f.Name.Name)
	var reports []string
	for n := range ast.Preorder(d) {
		switch n := n.(type) {
		case *ast.BasicLit:
			if isQuery(s.info.TypeOf(n)) {
				reports = append(reports, s.at(n)+": the text of a query that is no constant")
			}
		case *ast.CallExpr:
			if !composes && s.converts(n) {
				reports = append(reports, s.at(n)+": a query made while the program runs")
			}
			if s.runsText(n) {
				reports = append(reports, s.at(n)+": a statement that is no query")
			}
		}
	}
	return reports
}

// converts reports whether the call is a conversion query(x) of a variable x.
func (s *source) converts(call *ast.CallExpr) bool {
	to := s.info.Types[call.Fun]
	return to.IsType() && isQuery(to.Type) && s.info.Types[call].Value == nil
}

// runsText reports whether the call passes database/sql a text other than string(q) of a query.
// Methods of a prepared statement take no text.
func (s *source) runsText(call *ast.CallExpr) bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains(runners, method.Sel.Name) || types.TypeString(s.info.TypeOf(method.X),
		nil) == "*database/sql.Stmt" {
		return false
	}
	text := 0
	if strings.HasSuffix(method.Sel.Name, "Context") {
		text = 1
	}
	return len(call.Args) > text && s.isText(call.Args[text])
}

func (s *source) isText(e ast.Expr) bool {
	if call, ok := e.(*ast.CallExpr); ok && len(call.Args) == 1 && s.info.Types[call.Fun].IsType() {
		return !isQuery(s.info.TypeOf(call.Args[0])) // string(q)
	}
	t := s.info.TypeOf(e)
	if t == nil {
		return true // unknown types are reported
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsString != 0
}
