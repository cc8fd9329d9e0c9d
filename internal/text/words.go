package text

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxWord is how many characters of a word count, in texts and in what people search for.
	maxWord = 40
	// maxWords is how many words of one object can be found.
	maxWords = 128
)

// Words returns the words of texts in the form in which an index of word beginnings has them, each
// once and in order. A word is a run of letters, digits and marks, or one symbol; in scripts
// without spaces between words it begins at each letter. Punctuation is no part of a word.
func Words(texts ...string) (words []string) {
	for _, t := range texts {
		folded := searchable(t)
		for from := range wordStarts(folded) {
			words = append(words, cutWord(folded[from:]))
		}
	}
	slices.Sort(words)
	words = slices.Compact(words)
	return words[:min(len(words), maxWords)]
}

// wordStarts yields where the words of a folded text begin.
func wordStarts(folded string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		before := ' '
		for i, r := range folded {
			if (isSymbol(r) || inWord(r) && isWordStart(before, r)) && !yield(i) {
				return
			}
			before = r
		}
	}
}

func isSymbol(r rune) bool { return unicode.In(r, unicode.S) }

// cutWord returns the word at the beginning of a folded text, up to the characters that count.
func cutWord(folded string) string {
	first, size := utf8.DecodeRuneInString(folded)
	if isSymbol(first) {
		return folded[:size]
	}
	n := 0
	for i, r := range folded {
		if n == maxWord || !inWord(r) {
			return folded[:i]
		}
		n++
	}
	return folded
}

// WordQuery is a text to search for word by word: each of its words is the beginning of a word that
// is found.
type WordQuery struct{ words []string }

// maxQueryWords is how many words of a text are searched for. Each is compared with the others, and
// with every text.
const maxQueryWords = 32

// NewWordQuery returns the query for the first words of a text that somebody typed.
func NewWordQuery(typed string) (q WordQuery) {
	folded := searchable(typed)
	for folded != "" && len(q.words) < maxQueryWords {
		first, size := utf8.DecodeRuneInString(folded)
		if !inWord(first) && !isSymbol(first) {
			folded = folded[size:]
			continue
		}
		word := cutWord(folded)
		q.words = append(q.words, word)
		folded = folded[len(word):]
		if !isSymbol(first) { // what does not count of a long word
			folded = strings.TrimLeftFunc(folded, inWord)
		}
	}
	slices.Sort(q.words)
	q.words = slices.Compact(q.words)
	// Where a word is found, its beginnings are.
	q.words = slices.DeleteFunc(slices.Clone(q.words), func(w string) bool {
		return slices.ContainsFunc(q.words, func(other string) bool {
			return len(other) > len(w) && strings.HasPrefix(other, w)
		})
	})
	return q
}

// Words returns the words of the query, each once and none that is the beginning of another.
func (q WordQuery) Words() []string { return q.words }

// Empty reports whether the query has no word.
func (q WordQuery) Empty() bool { return len(q.words) == 0 }

// Found reports whether the texts have a word for each word of the query.
func (q WordQuery) Found(texts ...string) bool {
	missing := make([]string, len(q.words))
	copy(missing, q.words)
	for _, t := range texts {
		folded := searchable(t)
		for from := range wordStarts(folded) {
			missing = slices.DeleteFunc(missing, func(w string) bool { return strings.HasPrefix(folded[from:], w) })
			if len(missing) == 0 {
				return true
			}
		}
	}
	return len(missing) == 0
}

// AfterPrefix returns a text that comes after every word with this beginning, and before any other
// word that comes after it.
func AfterPrefix(word string) string { return word + "\U0010ffff" }

// maxSortKey is how many characters of a text decide where it stands in a sorted list.
const maxSortKey = 100

// SortKey returns a text in the form in which lists sort it: without regard to case.
func SortKey(s string) string {
	folded := searchable(s)
	n := 0
	for i := range folded {
		if n == maxSortKey {
			return folded[:i]
		}
		n++
	}
	return folded
}
