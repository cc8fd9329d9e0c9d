package compat

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// Go returns the features of the Go package in the folder: its exported declarations with their
// types, without the names of parameters.
func Go(folder string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var features []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			for _, feature := range declared(d) {
				features = append(features, line(file.Name.Name, feature))
			}
		}
	}
	return sorted(features), nil
}

// declared returns the features of one declaration.
func declared(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return functionFeature(d)
	case *ast.GenDecl:
		var features []string
		var last ast.Expr // the type of a constant that repeats the one before
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				features = append(features, typeFeatures(s)...)
			case *ast.ValueSpec:
				if s.Type != nil {
					last = s.Type
				}
				features = append(features, valueFeatures(d.Tok, s, last)...)
			}
		}
		return features
	}
	return nil
}

func functionFeature(f *ast.FuncDecl) []string {
	if !f.Name.IsExported() {
		return nil
	}
	if f.Recv == nil {
		return []string{line("func", f.Name.Name+signature(f.Type))}
	}
	receiver := text(f.Recv.List[0].Type)
	if !ast.IsExported(strings.TrimLeft(receiver, "*")) {
		return nil
	}
	return []string{line("method", "("+receiver+")", f.Name.Name+signature(f.Type))}
}

// valueFeatures returns constants with their values, which are part of the wire format, and
// variables without.
func valueFeatures(kind token.Token, s *ast.ValueSpec, t ast.Expr) []string {
	var features []string
	for i, name := range s.Names {
		if !name.IsExported() {
			continue
		}
		words := []any{kind, name.Name}
		if t != nil {
			words = append(words, text(t))
		}
		if kind == token.CONST && i < len(s.Values) {
			words = append(words, "=", text(s.Values[i]))
		}
		features = append(features, line(words...))
	}
	return features
}

func typeFeatures(s *ast.TypeSpec) []string {
	if !s.Name.IsExported() {
		return nil
	}
	form, ok := s.Type.(*ast.StructType)
	if !ok {
		return []string{line("type", s.Name.Name, text(s.Type))}
	}
	features := []string{line("type", s.Name.Name, "struct")}
	for _, f := range form.Fields.List {
		tag := ""
		if f.Tag != nil {
			tag = f.Tag.Value
		}
		if len(f.Names) == 0 {
			features = append(features, strings.TrimSpace(line("field", s.Name.Name, "embeds", text(f.Type), tag)))
		}
		for _, name := range f.Names {
			if name.IsExported() {
				features = append(features,
					strings.TrimSpace(line("field", s.Name.Name+"."+name.Name, text(f.Type), tag)))
			}
		}
	}
	return features
}

// signature returns the parameters and results of a function, without their names.
func signature(t *ast.FuncType) string {
	of := *t
	of.Params = nameless(t.Params)
	of.Results = nameless(t.Results)
	return strings.TrimPrefix(text(&of), "func")
}

func nameless(list *ast.FieldList) *ast.FieldList {
	if list == nil {
		return nil
	}
	bare := &ast.FieldList{}
	for _, f := range list.List {
		for range max(1, len(f.Names)) {
			bare.List = append(bare.List, &ast.Field{Type: f.Type})
		}
	}
	return bare
}

// text returns an expression on one line.
func text(e ast.Expr) string {
	var b strings.Builder
	if err := printer.Fprint(&b, token.NewFileSet(), e); err != nil {
		return err.Error() // of a tree that no parser returns
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
