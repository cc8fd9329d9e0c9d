package mcp

import (
	stdjson "encoding/json"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// rawSchema returns a JSON schema as the SDK accepts it.
func rawSchema(text string) stdjson.RawMessage { return stdjson.RawMessage(text) }

// readArguments reads the arguments of a call into v, a pointer to a struct. It refuses what the
// struct does not have. allowed describes the arguments, for the error.
func readArguments(arguments []byte, v any, allowed string) error {
	if len(arguments) == 0 || string(arguments) == "null" {
		return nil
	}
	err := json.Unmarshal(arguments, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		at := string(e.JSONPointer)
		name := clipped(strings.ReplaceAll(strings.TrimPrefix(at, "/"), "/", "."))
		if errors.Is(err, json.ErrUnknownName) {
			return refusef("There is no argument `%s`. %s", name, allowed)
		}
		if name == "" {
			return refusef("The arguments are not an object. %s", allowed)
		}
		return refusef("The argument `%s` has the wrong type. %s", name, allowed)
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return refusef("An argument occurs twice. %s", allowed)
	}
	return refusef("The arguments are not valid JSON. %s", allowed)
}

// maxEchoed is how many characters of a value from the caller an error repeats.
const maxEchoed = 64

// clipped returns a text of the caller for an error: its beginning, without control characters and
// back quotes.
func clipped(text string) string {
	runes := []rune(strings.ToValidUTF8(text, ""))
	for i, r := range runes {
		if r < ' ' || r == '`' || r == 0x7f {
			runes[i] = ' '
		}
	}
	if len(runes) > maxEchoed {
		return string(runes[:maxEchoed]) + "…"
	}
	return string(runes)
}

// toJSON returns the value as the text of an answer.
func toJSON(v any) ([]string, error) {
	text, err := stdjson.Marshal(v)
	return []string{string(text)}, err
}
