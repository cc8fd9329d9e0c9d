package identity

import (
	_ "embed"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// commonList holds passwords that attackers try first, folded, sorted by byte, one to a line. The short ones count also repeated and padded. It was written by hand
// for Claviger, under Claviger's licence: what heads every published list of leaked passwords, and the longer phrases and rows of keys that people use
// where 15 characters are asked for.
//
//go:embed common.txt
var commonList string

// maxUnit is how many characters may be repeated without being a password at all.
const maxUnit = 4

// common reports whether a folded password is on the list, or is something on it repeated or padded with digits and signs.
func common(folded string) bool {
	if utf8.RuneCountInString(repeated(folded)) <= maxUnit {
		return true
	}
	for _, core := range []string{folded, trim(folded, letterOrDigit), trim(folded, letter), onlyWord(folded)} {
		unit := repeated(core)
		if listed(core) || listed(unit) || listed(trim(unit, letter)) {
			return true
		}
	}
	return false
}

// listed looks a word up in the list as it is embedded: a map of it would cost memory from the start of every process.
func listed(word string) bool {
	line := func(from int) string {
		start := strings.LastIndexByte(commonList[:from], '\n') + 1
		line, _, _ := strings.Cut(commonList[start:], "\n")
		return line
	}
	at := sort.Search(len(commonList), func(i int) bool { return line(i) >= word })
	return at < len(commonList) && line(at) == word
}

// repeated gives what a text repeats from its beginning to its end, the last time perhaps in part; the text itself where it repeats nothing.
func repeated(text string) string {
	for n := 1; n < len(text); n++ {
		if strings.HasPrefix(text, text[n:]) {
			return text[:n]
		}
	}
	return text
}

// trim takes away what stands around the first and the last to keep.
func trim(text string, keep func(rune) bool) string {
	return strings.TrimFunc(text, func(r rune) bool { return !keep(r) })
}

// onlyWord gives the word that a text consists of, digits and signs aside; "" where there are several words, or none.
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

// wordsOf gives the runs of letters in a text.
func wordsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !letter(r) })
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

func letterOrDigit(r rune) bool { return letter(r) || unicode.IsDigit(r) }

// minOwnWord is how many characters a word has at least to be somebody's own: shorter ones are in any password.
const minOwnWord = 3

// ownWords reports whether a folded password is made of nothing but words of these texts, digits and signs aside.
func ownWords(folded string, texts ...string) bool {
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
		if !composed(w, own) {
			return false
		}
	}
	return len(words) > 0
}

// composed reports whether a word is a chain of parts.
func composed(word string, parts []string) bool {
	ends := make([]bool, len(word)+1) // of chains
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
