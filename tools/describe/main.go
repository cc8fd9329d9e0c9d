// Describe writes the doc comments of Go structs and their fields to a JSON file, so that a program
// can show them without its source.
//
// Usage:
//
//	go run ./tools/describe -out FILE SOURCE…
//
// Each source is a Go file, or a folder, of which it reads the Go files except tests. The output is
// one JSON object. The key "Type" has the comment of a struct and "Type.Field" that of a field,
// each on one line. A field named in a comment is replaced by its JSON name, in back quotes.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

func main() {
	out := flag.String("out", "", "write the comments to `file`")
	flag.Parse()
	if err := run(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "describe:", err)
		os.Exit(1)
	}
}

func run(out string, sources []string) error {
	comments := map[string]string{}
	for _, source := range sources {
		files, err := filesOf(source)
		if err != nil {
			return err
		}
		for _, name := range files {
			if err := read(name, comments); err != nil {
				return err
			}
		}
	}
	if len(comments) == 0 {
		return fmt.Errorf("found no struct with a comment in %s", strings.Join(sources, ", "))
	}
	text, err := json.MarshalIndent(comments, "", "\t") // sorted by key
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(text, '\n'), 0o644)
}

func filesOf(source string) (files []string, err error) {
	if strings.HasSuffix(source, ".go") {
		return []string{source}, nil
	}
	all, err := filepath.Glob(filepath.Join(source, "*.go"))
	for _, name := range all {
		if !strings.HasSuffix(name, "_test.go") {
			files = append(files, name)
		}
	}
	return files, err
}

// read adds the comments of a file to comments.
func read(name string, comments map[string]string) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, d := range file.Decls {
		types, ok := d.(*ast.GenDecl)
		if !ok || types.Tok != token.TYPE {
			continue
		}
		for _, s := range types.Specs {
			describe(s.(*ast.TypeSpec), types.Doc, comments)
		}
	}
	return nil
}

// describe adds the comments of a struct and its fields. It adds nothing for other types. In a
// declaration with parentheses, each type may have its own comment; otherwise the comment is that
// of the declaration.
func describe(t *ast.TypeSpec, declaration *ast.CommentGroup, comments map[string]string) {
	structType, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	doc := declaration
	if t.Doc != nil {
		doc = t.Doc
	}
	names := jsonNames(structType)
	add := func(key, text string) {
		if line := onOneLine(text, names); line != "" {
			comments[key] = line
		}
	}
	add(t.Name.Name, doc.Text())
	for _, f := range structType.Fields.List {
		for _, name := range f.Names {
			add(t.Name.Name+"."+name.Name, f.Doc.Text())
		}
	}
}

// jsonNames returns the JSON names of the fields that have a tag, by the Go names.
func jsonNames(structType *ast.StructType) map[string]string {
	names := map[string]string{}
	for _, f := range structType.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
		for _, name := range f.Names {
			names[name.Name], _, _ = strings.Cut(tag.Get("json"), ",")
		}
	}
	return names
}

var words = regexp.MustCompile(`\w+`)

// onOneLine returns a comment on one line. It replaces the names of fields with their JSON names.
func onOneLine(text string, names map[string]string) string {
	line := strings.Join(strings.Fields(text), " ")
	return words.ReplaceAllStringFunc(line, func(word string) string {
		if name := names[word]; name != "" {
			return "`" + name + "`"
		}
		return word
	})
}
