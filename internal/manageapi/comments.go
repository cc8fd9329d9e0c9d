package manageapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"regexp"
	"strings"

	"github.com/claviger-dev/claviger/api"
)

// comments reads what package api says of its types and members, so that it need not be said twice. Members are called by their names on the wire.
func comments() remarks {
	said := remarks{}
	files, err := fs.Glob(api.Source, "*.go")
	if err != nil {
		panic("manageapi: " + err.Error())
	}
	for _, name := range files {
		for _, d := range declarations(name) {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				said.read(d)
			}
		}
	}
	return said
}

func declarations(name string) []ast.Decl {
	text, err := api.Source.ReadFile(name)
	if err != nil {
		panic("manageapi: " + err.Error())
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
	if err != nil {
		panic("manageapi: " + err.Error())
	}
	return file.Decls
}

// read notes the comments of a declaration of one struct.
func (said remarks) read(d *ast.GenDecl) {
	t := d.Specs[0].(*ast.TypeSpec)
	form, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	names := wireNames(form)
	said[t.Name.Name] = onTheWire(d.Doc.Text(), names)
	for _, f := range form.Fields.List {
		for _, name := range f.Names {
			said[t.Name.Name+"."+name.Name] = onTheWire(f.Doc.Text(), names)
		}
	}
}

// wireNames gives the JSON name of each member.
func wireNames(form *ast.StructType) map[string]string {
	names := map[string]string{}
	for _, f := range form.Fields.List {
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

var nameParts = regexp.MustCompile(`\w+`)

// onTheWire puts a comment on one line, with its members' names as they are sent.
func onTheWire(text string, names map[string]string) string {
	line := strings.Join(strings.Fields(text), " ")
	return nameParts.ReplaceAllStringFunc(line, func(word string) string {
		if name := names[word]; name != "" {
			return "`" + name + "`"
		}
		return word
	})
}
