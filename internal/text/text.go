// Package text checks and normalises text that people write, such as names and descriptions, and
// searches in it.
//
// A text is converted to NFC and trimmed. Its length is counted in code points. Control characters
// and bidirectional formatting characters are refused, because they can make one name look like
// another. A description may have line breaks.
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

// Name returns the name in normal form, and what is wrong with it, under the given field.
func Name(field, raw string) (string, []fault.Field) {
	name, faults := clean(field, raw, false)
	switch n := utf8.RuneCountInString(name); {
	case len(faults) > 0:
	case n > 0 && !strings.ContainsFunc(name, func(r rune) bool { return Visible(r) && !unicode.IsMark(r) }):
		faults = []fault.Field{{
			Name: field, Code: "invisible",
			Message: "Use at least one visible character.",
		}}
	case n < minName:
		faults = []fault.Field{{
			Name: field, Code: "too_short",
			Message: fmt.Sprintf("Use at least %d characters.", minName),
		}}
	case n > maxName:
		faults = []fault.Field{{
			Name: field, Code: "too_long",
			Message: fmt.Sprintf("Use at most %d characters.", maxName),
		}}
	}
	return name, faults
}

// Description returns the description in normal form, and what is wrong with it, under the given
// field. It may be empty.
func Description(field, raw string) (string, []fault.Field) {
	text, faults := clean(field, raw, true)
	if len(faults) == 0 && utf8.RuneCountInString(text) > maxDescription {
		faults = []fault.Field{{
			Name: field, Code: "too_long",
			Message: fmt.Sprintf("Use at most %d characters.", maxDescription),
		}}
	}
	return text, faults
}

// clean returns the text in normal form, and a fault if it is not valid. lines allows line breaks
// and tabs.
func clean(field, raw string, lines bool) (string, []fault.Field) {
	if !utf8.ValidString(raw) {
		return "", []fault.Field{{Name: field, Code: "encoding", Message: "Use valid UTF-8."}}
	}
	text := strings.TrimSpace(norm.NFC.String(raw))
	for _, r := range text {
		if lines && (r == '\n' || r == '\r' || r == '\t') {
			continue
		}
		if isHidden(r) {
			return "", []fault.Field{{
				Name: field, Code: "character",
				Message: "Remove control and text-direction characters.",
			}}
		}
	}
	return text, nil
}

// Plain reports whether a text is valid UTF-8 without control and bidirectional formatting
// characters.
func Plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, isHidden) }

// isHidden reports whether a character controls the display instead of being shown.
func isHidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// Visible reports whether a character can be seen: it is neither white space nor ignored in display
// (Unicode's Default_Ignorable_Code_Point), nor a blank letter or symbol.
func Visible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != brailleBlank &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// brailleBlank is the braille pattern without dots.
const brailleBlank = '\u2800'

// Fold returns the text in NFKC and lower case, for comparisons.
func Fold(s string) string { return strings.ToLower(norm.NFKC.String(s)) }
