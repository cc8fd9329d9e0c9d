package identity_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/text"
)

func TestTheListOfCommonPasswordsIsSortedFoldedAndRefused(t *testing.T) {
	content, err := os.ReadFile("commonpasswords.txt")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	if len(words) < 1000 || len(content) > 150<<10 {
		t.Errorf("%d words of %d bytes", len(words), len(content))
	}
	if !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != len(words) {
		t.Error("not in the order of bytes, or a word stands twice")
	}
	for _, word := range words {
		if text.Fold(word) != word {
			t.Errorf("%q is not folded", word)
		}
		padded := word + strings.Repeat("!", max(0, identity.MinPassword-utf8.RuneCountInString(word)))
		if got := faultCode(t, padded); got != "common" {
			t.Errorf("%q is %q, want common", padded, got)
		}
	}
}

// faultCode returns the code by which a password is refused; "" where it would do.
func faultCode(t *testing.T, password string) string {
	t.Helper()
	// The address is at fault as well, so that nothing is made.
	_, err := new(identity.Service).Create(t.Context(), principal.Operator(),
		identity.NewUser{Email: "nobody", Password: credential.NewSecret(password)})
	for _, f := range fault.Fields(err) {
		if f.Name == "password" {
			return f.Code
		}
	}
	return ""
}
