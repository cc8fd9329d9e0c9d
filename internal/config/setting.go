package config

import (
	_ "embed"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"sync"

	"github.com/claviger-dev/claviger/internal/credential"
)

// Setting is one field of Config with its names.
type Setting struct {
	// Key is its name in the file.
	Key string
	// Doc is its description.
	Doc string
	// Default as it would be written; "" for none.
	Default string
	// Secret settings have no flag.
	Secret bool

	list bool
	at   []int
}

// Env is its variable in the environment.
func (s Setting) Env() string { return envName(s.Key) }

// Flag is its name on the command line, without the hyphens before it.
func (s Setting) Flag() string { return flagName(s.Key) }

// FileKey is the name, in the file, of the file that holds a secret; for its other names see [Setting.Env] and [Setting.Flag].
func (s Setting) FileKey() string { return s.Key + fileSuffix }

const (
	fileSuffix = "_file"
	envPrefix  = "CLAVIGER_"
)

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func flagName(key string) string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(strings.TrimPrefix(key, "server."))
}

// field of the setting in a Config.
func (s Setting) field(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().FieldByIndex(s.at) }

// Settings lists all of them, in the order of Config.
var Settings = sync.OnceValue(func() []Setting {
	return settingsOf(reflect.TypeFor[Config](), "", nil, comments())
})

func settingsOf(form reflect.Type, prefix string, at []int, said map[string]string) (all []Setting) {
	for f := range form.Fields() {
		key, at := prefix+f.Tag.Get("key"), append(at[:len(at):len(at)], f.Index...)
		if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[credential.Secret]() {
			all = append(all, settingsOf(f.Type, key+".", at, said)...)
			continue
		}
		all = append(all, Setting{
			Key: key, Doc: said[form.Name()+"."+f.Name], Default: f.Tag.Get("default"), at: at,
			Secret: f.Type == reflect.TypeFor[credential.Secret](), list: f.Type.Kind() == reflect.Slice,
		})
	}
	return all
}

//go:embed config.go
var source string

// comments reads what config.go says of each field, so that it need not be said twice.
func comments() map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", source, parser.ParseComments)
	if err != nil {
		panic("config: " + err.Error())
	}
	said := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		t, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		for _, f := range t.Type.(*ast.StructType).Fields.List {
			said[t.Name.Name+"."+f.Names[0].Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
		return false
	})
	return said
}
