package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/fault"
)

// CheckQuery refuses a query string that is not percent-encoded UTF-8, or has a parameter that is
// repeated, empty or not one of names. [net/url.ParseQuery] reads every string that CheckQuery
// accepts without an error and with one value for each name.
//
// An error gives the name of a known parameter and the number of any other one. It repeats no value
// and no other name.
func CheckQuery(raw string, names []string) error {
	if raw == "" {
		return nil
	}
	var faults []fault.Field
	var seen []string
	number, unknown := 0, false
	for part := range strings.SplitSeq(raw, "&") {
		number++
		name, value, err := readParameter(part, number, names)
		switch {
		case err != nil:
			return err
		case name == "":
			if !unknown { // naming the first is enough
				faults = append(faults, unknownParameter(number, names))
			}
			unknown = true
		case slices.Contains(seen, name):
			return fault.New(fault.Malformed, "The query string has `"+name+"` more than once. Send it once.")
		case value == "":
			faults = append(faults, fault.Field{
				Name: name, Code: "empty", Message: "Give it a value, or leave it out.",
			})
		}
		seen = append(seen, name)
	}
	return fault.Refuse(faults...)
}

// CheckPageQuery refuses a query string of a page that is not percent-encoded UTF-8. A page accepts
// parameters that it does not know, and empty ones, which forms send. If once is set,
// CheckPageQuery also refuses a parameter that is repeated.
func CheckPageQuery(raw string, once bool) error {
	if raw == "" {
		return nil
	}
	seen := map[string]bool{}
	number := 0
	for part := range strings.SplitSeq(raw, "&") {
		number++
		encodedName, encodedValue, _ := strings.Cut(part, "=")
		name, ok := decodeQuery(encodedName)
		if _, readable := decodeQuery(encodedValue); !ok || !readable {
			return malformedQuery(number, "", notEncoded)
		}
		if once && seen[name] {
			return malformedQuery(number, "", "repeats another one. Send each once.")
		}
		seen[name] = true
	}
	return nil
}

// notEncoded is what is wrong with a parameter that cannot be decoded.
const notEncoded = "is not percent-encoded UTF-8. Write % as %25 and ; as %3B."

// readParameter decodes one parameter of a query string. It returns "" for a name that is not one
// of names.
func readParameter(part string, number int, names []string) (name, value string, err error) {
	if part == "" {
		return "", "", malformedQuery(number, "", "is empty. Use & only between parameters.")
	}
	encodedName, encodedValue, _ := strings.Cut(part, "=")
	name, ok := decodeQuery(encodedName)
	if !ok || !slices.Contains(names, name) {
		name = ""
	}
	value, readable := decodeQuery(encodedValue)
	if !ok || !readable {
		return "", "", malformedQuery(number, name, notEncoded)
	}
	return name, value, nil
}

// decodeQuery decodes a name or a value. A semicolon is refused, since [net/url.ParseQuery] drops
// the parameter that has one.
func decodeQuery(encoded string) (string, bool) {
	text, err := url.QueryUnescape(encoded)
	return text, err == nil && utf8.ValidString(text) && !strings.Contains(encoded, ";")
}

func malformedQuery(number int, name, what string) error {
	if name != "" {
		name = ", `" + name + "`,"
	}
	return fault.New(fault.Malformed, fmt.Sprintf("Parameter %d of the query string%s %s", number, name, what))
}

// queryField is the field that an error names for an unknown parameter.
const queryField = "query"

func unknownParameter(number int, names []string) fault.Field {
	message := fmt.Sprintf("Parameter %d of the query string is unknown. ", number)
	if len(names) == 0 {
		message += "Leave it out: this path accepts no parameters."
	} else {
		message += "Leave it out. This path accepts " + strings.Join(names, ", ") + "."
	}
	return fault.Field{Name: queryField, Code: "unknown", Message: message}
}
