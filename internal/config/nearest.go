package config

import "strings"

// Nearest returns the name that is most similar to what was written. A name with the same end
// counts as similar, so that a name without its section leads to the full name.
func Nearest(written string, names []string) string {
	best, least := "", -1
	for _, name := range names {
		if d := distance(written, name); least < 0 || d < least {
			best, least = name, d
		}
	}
	return best
}

const separators = "._-"

// distance returns how different a name is: the number of edits from what was written to the name,
// or to its end after some of its words, plus one for each word left out.
func distance(written, name string) int {
	least := edits(written, name)
	prefix := commonWords(written, name)
	rest := name[prefix:]
	for left := 1; ; left++ {
		at := strings.IndexAny(rest, separators)
		if at < 0 {
			return least
		}
		rest = rest[at+1:]
		least = min(least, edits(written[prefix:], rest)+left)
	}
}

// commonWords returns the length of the whole words that both texts begin with.
func commonWords(a, b string) (length int) {
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if strings.IndexByte(separators, a[i]) >= 0 {
			length = i + 1
		}
	}
	return length
}

// edits returns the number of characters to insert, delete or replace (Levenshtein distance).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
