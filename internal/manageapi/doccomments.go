package manageapi

import (
	_ "embed"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/claviger-dev/claviger/api"
)

//go:generate go run ../../tools/describe -out comments.json ../../api

//go:embed comments.json
var commentsFile []byte

// docComments are the doc comments of package api's structs and fields, by "Type" and "Type.Field".
type docComments map[string]string

// readComments returns what `make generate` read from package api.
func readComments() (comments docComments) {
	if err := json.Unmarshal(commentsFile, &comments); err != nil {
		panic("manageapi: comments.json: " + err.Error())
	}
	return comments
}

// of returns the comment of a type, or of one of its fields; "" for none.
func (c docComments) of(t reflect.Type, field string) string {
	if t.PkgPath() != reflect.TypeFor[api.Problem]().PkgPath() {
		return ""
	}
	name, _, _ := strings.Cut(t.Name(), "[") // a generic type, without its type arguments
	if field != "" {
		name += "." + field
	}
	return c[name]
}
