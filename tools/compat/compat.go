// Package compat says when the public interface changes incompatibly: the Go packages api and
// client, and the OpenAPI document.
//
// An interface is a set of features, one line each. A record of them is in docs/compatibility:
//
//	api type Key struct                               Go: a declaration, a field or a method
//	POST /api/v1/session takes SignInRequest          OpenAPI: an operation
//	response Key has id: string                       OpenAPI: a member of a response
//	request SignInRequest demands email               OpenAPI: a member that a request must have
//
// A change is incompatible if a recorded feature is gone, or if a recorded request demands more
// than before. All other changes are compatible, and are recorded with `make generate`.
package compat

import (
	"fmt"
	"slices"
	"strings"
)

// demands marks the features that callers fulfil. One more of them breaks callers.
const demands = " demands "

// Incompatible returns what breaks users of the recorded interface, one line each.
func Incompatible(recorded, present []string) []string {
	var reports []string
	for _, feature := range recorded {
		if !slices.Contains(present, feature) && !strings.Contains(feature, demands) {
			reports = append(reports, "gone: "+feature)
		}
	}
	for _, feature := range present {
		subject, _, ok := strings.Cut(feature, demands)
		if ok && !slices.Contains(recorded, feature) && known(recorded, subject) {
			reports = append(reports, "new demand: "+feature)
		}
	}
	return reports
}

// known reports whether a feature of the subject is recorded.
func known(recorded []string, subject string) bool {
	return slices.ContainsFunc(recorded, func(feature string) bool {
		return strings.HasPrefix(feature, subject+" ")
	})
}

// sorted returns the features in the order of the record, each once.
func sorted(features []string) []string {
	slices.Sort(features)
	return slices.Compact(features)
}

// line returns a feature of words that are separated by spaces.
func line(words ...any) string { return strings.TrimSuffix(fmt.Sprintln(words...), "\n") }
