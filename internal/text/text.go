// Package text checks the words people write: names and descriptions, as the domain stores them.
//
// Text is brought to NFC and trimmed, then counted in code points. Control and bidirectional formatting characters are
// refused, since they make one name look like another; a description may hold line breaks.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/claviger-dev/claviger/internal/fault"
)

// The bounds of names and descriptions, in code points.
const (
	minName        = 3
	maxName        = 64
	maxDescription = 1000
)

// Name normalises a name and says what is wrong with it, under the given field.
func Name(field, raw string) (string, []fault.Field) {
	name, faults := clean(field, raw, false)
	switch n := utf8.RuneCountInString(name); {
	case len(faults) > 0:
	case n < minName:
		faults = []fault.Field{{Name: field, Code: "too_short", Message: fmt.Sprintf("Use at least %d characters.", minName)}}
	case n > maxName:
		faults = []fault.Field{{Name: field, Code: "too_long", Message: fmt.Sprintf("Use at most %d characters.", maxName)}}
	}
	return name, faults
}

// Description normalises a description and says what is wrong with it, under the given field. Empty is fine.
func Description(field, raw string) (string, []fault.Field) {
	text, faults := clean(field, raw, true)
	if len(faults) == 0 && utf8.RuneCountInString(text) > maxDescription {
		faults = []fault.Field{{Name: field, Code: "too_long", Message: fmt.Sprintf("Use at most %d characters.", maxDescription)}}
	}
	return text, faults
}

func clean(field, raw string, lines bool) (string, []fault.Field) {
	if !utf8.ValidString(raw) {
		return "", []fault.Field{{Name: field, Code: "encoding", Message: "Use valid UTF-8."}}
	}
	text := strings.TrimSpace(norm.NFC.String(raw))
	for _, r := range text {
		if lines && (r == '\n' || r == '\r' || r == '\t') {
			continue
		}
		if hidden(r) {
			return "", []fault.Field{{Name: field, Code: "character", Message: "Leave out control and text-direction characters."}}
		}
	}
	return text, nil
}

// Plain reports whether a text shows all of itself: valid, without control and bidirectional formatting characters.
func Plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, hidden) }

func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// Fold gives the form in which text is searched: NFKC, lower case.
func Fold(s string) string { return strings.ToLower(norm.NFKC.String(s)) }
