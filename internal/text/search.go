package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Query is a text to search for. It matches at the beginning of a word and ignores case.
type Query struct {
	text  string
	first rune
	// whole is set for a query that does not match the beginning of a longer word.
	whole bool
}

// NewQuery returns the query for a text that somebody typed. It ignores white space around the
// text.
func NewQuery(typed string) Query {
	q := Query{text: searchable(typed)}
	q.first, _ = utf8.DecodeRuneInString(q.text)
	return q
}

// Empty reports whether the query has no visible character.
func (q Query) Empty() bool { return q.text == "" }

// Whole returns the query for the same text as whole words, not as the beginning of one.
func (q Query) Whole() Query {
	q.whole = true
	return q
}

// Found reports whether the query matches in one of the fields. A match does not span fields.
func (q Query) Found(fields ...string) bool {
	for _, field := range fields {
		if q.foundIn(searchable(field)) {
			return true
		}
	}
	return false
}

// Prepared is a text in the form in which searches compare it, for a text that is searched often.
type Prepared struct{ text string }

// Prepare returns a text in that form.
func Prepare(s string) Prepared { return Prepared{searchable(s)} }

// FoundIn is Found for a prepared text.
func (q Query) FoundIn(p Prepared) bool { return q.foundIn(p.text) }

func (q Query) foundIn(text string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], q.text)
		if i < 0 {
			return false
		}
		at += i
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		if (at == 0 || isWordStart(before, q.first)) && !(q.whole && q.goesOn(text[at+len(q.text):])) {
			return true
		}
		at += utf8.RuneLen(q.first)
	}
}

// goesOn reports whether the last word of the query goes on in what follows it.
func (q Query) goesOn(rest string) bool {
	last, _ := utf8.DecodeLastRuneInString(q.text)
	next, _ := utf8.DecodeRuneInString(rest)
	return rest != "" && !isWordStart(last, next)
}

// isWordStart reports whether a word begins between two characters. A character that is not part of
// a word counts as a word, so a query that begins with it matches anywhere.
func isWordStart(before, after rune) bool {
	return !inWord(before) || !inWord(after) || unspaced(before) || unspaced(after)
}

func inWord(r rune) bool { return unicode.In(r, unicode.Letter, unicode.Number, unicode.Mark) }

// unspaced reports whether a character belongs to a script without spaces between words. Each such
// letter counts as a word.
func unspaced(r rune) bool {
	return r > unicode.MaxLatin1 && unicode.IsLetter(r) && unicode.In(r,
		unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// searchable returns the form in which a search compares texts: NFKC, with Unicode's full case
// folding ("ß" becomes "ss", and "ς" becomes "σ"), without invisible characters, and with one space
// for white space. It also removes the dot that case folding leaves of "İ": "İstanbul" becomes
// "istanbul".
func searchable(s string) string {
	if plainASCII(s) {
		return strings.ToLower(s)
	}
	s = norm.NFD.String(s)
	for range 2 { // the result of one round may need a second one
		s = norm.NFKC.String(strings.Map(oneCase, cases.Fold().String(s)))
	}
	s = strings.ReplaceAll(s, "i\u0307", "i")
	return strings.Join(strings.FieldsFunc(strings.Map(visible, s), unicode.IsSpace), " ")
}

// oneCase returns the same character for all characters that differ only in case. It is needed for
// Cherokee letters, which package cases does not fold.
func oneCase(r rune) rune {
	first := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		first = min(first, other)
	}
	return unicode.ToLower(first)
}

// visible maps a control character to a space and removes a character that is not shown.
func visible(r rune) rune {
	switch {
	case unicode.IsControl(r):
		return ' '
	case unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return -1
	}
	return r
}

// plainASCII reports whether lower case is all that searchable must do: the text is ASCII without
// control characters, and with single spaces between words.
func plainASCII(s string) bool {
	space := true // so that a space at the beginning counts as a second one
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf || c < ' ' || c == 0x7f || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return s == "" || !space
}
