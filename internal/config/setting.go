package config

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"reflect"
	"strings"
	"sync"

	"github.com/claviger-dev/claviger/internal/credential"
)

// Setting is one field of Config with its names.
type Setting struct {
	// Key is the name in the file.
	Key string
	// Doc is the description.
	Doc string
	// Default is the default value as text; "" for none.
	Default string
	// Secret settings have no flag.
	Secret bool

	list bool
	at   []int
	flag string
}

// Env returns the name of the environment variable.
func (s Setting) Env() string { return envName(s.Key) }

// Flag returns the name of the flag, without the leading hyphens.
func (s Setting) Flag() string { return cmp.Or(s.flag, flagName(s.Key)) }

// FileKey returns the name of the setting for the file that contains a secret.
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

// field returns the field of the setting in a Config.
func (s Setting) field(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().FieldByIndex(s.at) }

// Settings returns all settings, in the order of Config.
var Settings = sync.OnceValue(func() []Setting {
	return settingsOf(reflect.TypeFor[Config](), "", nil, readComments())
})

func settingsOf(form reflect.Type, prefix string, at []int, comments map[string]string) (all []Setting) {
	for f := range form.Fields() {
		key, at := prefix+f.Tag.Get("key"), append(at[:len(at):len(at)], f.Index...)
		if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[credential.Secret]() {
			all = append(all, settingsOf(f.Type, key+".", at, comments)...)
			continue
		}
		all = append(all, Setting{
			Key: key, Doc: comments[form.Name()+"."+f.Name], Default: f.Tag.Get("default"), at: at,
			flag:   f.Tag.Get("flag"),
			Secret: f.Type == reflect.TypeFor[credential.Secret](), list: f.Type.Kind() == reflect.Slice,
		})
	}
	return all
}

//go:generate go run ../../tools/describe -out comments.json config.go

//go:embed comments.json
var commentsFile []byte

// readComments returns the doc comment of each field, by "Type.Field". `make generate` extracts
// them from config.go.
func readComments() (comments map[string]string) {
	if err := json.Unmarshal(commentsFile, &comments); err != nil {
		panic("config: comments.json: " + err.Error())
	}
	return comments
}
