package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/scope"
)

// The grammar of RFC 6749 section 3.3: names, with exactly one space between them.
func TestRequestedScopesAreNamesWithOneSpaceBetween(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]scope.Scope{
		"":                              nil,
		"films:read":                    {"films:read"},
		"films:read films:write":        {"films:read", "films:write"},
		"films:write films:read":        {"films:write", "films:read"},
		"films:read films:read a:b a:b": {"films:read", "a:b"},
	} {
		got, err := ParseScopes(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	var many []string
	for i := range maxRequestedScopes + 1 {
		many = append(many, fmt.Sprintf("films:read%d", i))
	}
	for _, text := range []string{
		" ", " films:read", "films:read ", "films:read  a:b", "*", "films", "Films:read", "films:read\ta:b",
		"films:read\na:b", "films:\"read\"", strings.Join(many, " "),
	} {
		if got, err := ParseScopes(text); !errors.Is(err, fault.InsufficientScope) {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
