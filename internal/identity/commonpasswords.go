package identity

import (
	_ "embed"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// commonPasswords lists passwords that attackers try first: folded, sorted by byte, one a line. The
// short ones also count when they are repeated and padded. The list was written by hand for
// Claviger, under Claviger's licence. It has what heads every published list of leaked passwords,
// and the longer phrases and rows of keys that people use where 15 characters are required.
//
//go:embed commonpasswords.txt
var commonPasswords string

// maxUnit is the length in characters up to which a repeated text is refused, whatever it is.
const maxUnit = 4

// isCommon reports whether a folded password is on the list, or repeats or pads an entry of the
// list with digits and signs.
func isCommon(folded string) bool {
	if utf8.RuneCountInString(repeatedUnit(folded)) <= maxUnit {
		return true
	}
	for _, core := range []string{folded, trim(folded, isLetterOrDigit), trim(folded, isLetter), onlyWord(folded)} {
		unit := repeatedUnit(core)
		if isListed(core) || isListed(unit) || isListed(trim(unit, isLetter)) {
			return true
		}
	}
	return false
}

// isListed reports whether a word is on the list. It searches the embedded text, since a map would
// take memory in every process from its start.
func isListed(word string) bool {
	line := func(from int) string {
		start := strings.LastIndexByte(commonPasswords[:from], '\n') + 1
		line, _, _ := strings.Cut(commonPasswords[start:], "\n")
		return line
	}
	at := sort.Search(len(commonPasswords), func(i int) bool { return line(i) >= word })
	return at < len(commonPasswords) && line(at) == word
}

// repeatedUnit returns the shortest text of which the whole text is a repetition, the last one
// perhaps cut short. It returns the text itself where nothing is repeated.
func repeatedUnit(text string) string {
	for n := 1; n < len(text); n++ {
		if strings.HasPrefix(text, text[n:]) {
			return text[:n]
		}
	}
	return text
}

// trim removes everything before the first and after the last character to keep.
func trim(text string, keep func(rune) bool) string {
	return strings.TrimFunc(text, func(r rune) bool { return !keep(r) })
}

// onlyWord returns the word of which a text consists, apart from digits and signs; "" where it has
// several different words, or none.
func onlyWord(text string) string {
	words := wordsOf(text)
	for _, w := range words {
		if w != words[0] {
			return ""
		}
	}
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// wordsOf returns the runs of letters in a text.
func wordsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !isLetter(r) })
}

func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

func isLetterOrDigit(r rune) bool { return isLetter(r) || unicode.IsDigit(r) }

// minOwnWord is how many characters a word of a name or an address must have to count: shorter ones
// are in any password.
const minOwnWord = 3

// isOwnWords reports whether a folded password consists only of words of these texts, apart from
// digits and signs.
func isOwnWords(folded string, texts ...string) bool {
	var own []string
	for _, t := range texts {
		words := wordsOf(t)
		for _, w := range append(words, strings.Join(words, "")) {
			if utf8.RuneCountInString(w) >= minOwnWord {
				own = append(own, w)
			}
		}
	}
	words := wordsOf(folded)
	for _, w := range words {
		if !isComposed(w, own) {
			return false
		}
	}
	return len(words) > 0
}

// isComposed reports whether a word is a concatenation of parts.
func isComposed(word string, parts []string) bool {
	ends := make([]bool, len(word)+1) // where a concatenation of parts ends
	ends[0] = true
	for i := range word {
		for _, p := range parts {
			if ends[i] && strings.HasPrefix(word[i:], p) {
				ends[i+len(p)] = true
			}
		}
	}
	return ends[len(word)]
}
