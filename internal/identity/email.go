package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// CanonicalEmail folds the spellings of one address into one: space around it, NFC (RFC 6532 section 3.1), lower case. No provider in use tells
// addresses apart by case, and two accounts that differ by case alone are an attack. Letters that only look alike stay apart, and
// none outside of ASCII becomes one within by losing its case (İ is not i).
func CanonicalEmail(email string) string {
	return strings.Map(lower, norm.NFC.String(strings.TrimSpace(email)))
}

func lower(r rune) rune {
	if l := unicode.ToLower(r); r < utf8.RuneSelf || l >= utf8.RuneSelf {
		return l
	}
	return r
}

// storable reports whether a text can be in a database at all: PostgreSQL holds neither NUL nor bad UTF-8.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }
