package text_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/text"
)

func TestASearchFindsTheBeginningOfWordsWithoutRegardToCase(t *testing.T) {
	for _, c := range []struct {
		field, query string
		want         bool
	}{
		{"CI runner", "ci", true},
		{"CI runner", "RUN", true},
		{"CI runner", "ci run", true},
		{"CI runner", "  ci\trun ", true},
		{"CI  runner", "ci r", true},
		{"CI runner", "unner", false},
		{"CI runner", "i runner", false},
		{"CI runner", "ci runner of", false},
		{"CI runner", "cirunner", false},
		{"nightly-build_of/2027", "build", true},
		{"nightly-build_of/2027", "of", true},
		{"nightly-build_of/2027", "2027", true},
		{"nightly-build_of/2027", "027", false},
		{"nightly-build_of/2027", "-build", true},
		{"nightly-build_of/2027", "nightly build", false},
		{"runrunner", "runner", false},
		{"runrunner runner", "runner", true},
		{"aaab aab", "aab", true},
		{"ann.lee@claviger.example", "ANN", true},
		{"ann.lee@claviger.example", "lee@claviger", true},
		{"ann.lee@claviger.example", "@claviger", true},
		{"ann.lee@claviger.example", "claviger", true},
		{"ann.lee@claviger.example", "laviger", false},
		{"100%", "%", true},
		{"100% done", "100%", true},
		{"1000 done", "100%", false},
		{"a_b", "a%b", false},
		{`back\slash`, `\`, true},

		// Unicode's full case folding, on both sides.
		{"Straße", "STRASSE", true},
		{"STRASSE", "straße", true},
		{"STRAẞE", "strasse", true},
		{"ΟΔΥΣΣΕΥΣ", "οδυσσευς", true},
		{"οδυσσευς", "ΟΔΥΣΣΕΥΣ", true},
		{"οδυσσευσ", "οδυσσευς", true},
		{"İstanbul", "istanbul", true},
		{"İSTANBUL", "i̇stanbul", true},
		{"istanbul", "İST", true},
		{"ısı", "isi", false}, // folding is not Turkish
		{"ﬁnance", "FIN", true},
		{"Ⅳ Ämter", "iv ä", true},
		{"Ａｄａ", "ada", true},
		{"ada", "ＡＤＡ", true},
		{"ŉgo", "ʼn", true},
		{"Ämter", "A\u0308M", true},
		{"A\u0308mter", "ä", true},
		{"Ämter", "a", false},
		{"Ünïcode", "nï", false},
		{"ǅ", "ǆ", true},
		{"ᏸ", "Ᏸ", true},
		{"ᾳ", "ᾼ", true},
		{"soft\u00adhyphen", "softhyphen", true},
		{"a\u200db", "ab", true},
		{"a\u00a0b", "a b", true},

		// Scripts without spaces between words.
		{"本番サーバー", "サーバー", true},
		{"本番サーバー", "番", true},
		{"API本番", "本番", true},
		{"本番API", "api", true},
		{"เซิร์ฟเวอร์", "เวอร์", true},
	} {
		if got := text.NewQuery(c.query).Found(c.field); got != c.want {
			t.Errorf("%q in %q: %t, want %t", c.query, c.field, got, c.want)
		}
	}
}

func TestAMatchLiesWithinOneField(t *testing.T) {
	for query, want := range map[string]bool{
		"build ak": false, "build": true, "ak_1": true, "nightly build": true, "build\nak": false, "build\x00ak": false,
		"buildak": false,
	} {
		if got := text.NewQuery(query).Found("Nightly build", "ak_123", ""); got != want {
			t.Errorf("%q: %t, want %t", query, got, want)
		}
	}
}

func TestAQueryOfNothingVisibleIsEmpty(t *testing.T) {
	for query, want := range map[string]bool{
		"": true, " ": true, "\t\n": true, "\u00a0\u3000": true, "\u200b": true, "\u00ad \ufe0f": true, "\x01": true,
		"a": false, "%": false, "\u0301": false,
	} {
		if got := text.NewQuery(query).Empty(); got != want {
			t.Errorf("%q: %t, want %t", query, got, want)
		}
	}
}

// A letter is found by each of its other cases in Unicode.
func TestEveryLetterIsFoundByItsOtherCases(t *testing.T) {
	failed := 0
	for r := rune(0x21); r <= unicode.MaxRune && failed < 10; r++ {
		if !unicode.IsLetter(r) && !unicode.IsSymbol(r) {
			continue
		}
		one := string(r)
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			if !text.NewQuery(string(other)).Found(one) {
				t.Errorf("%q (%U) is not found by %q (%U)", one, r, string(other), other)
				failed++
			}
		}
		for _, other := range []string{strings.ToUpper(one), strings.ToLower(one)} {
			if r == 'İ' || r == 'ı' {
				continue // their other case is that of i
			}
			if !text.NewQuery(other).Found(one) {
				t.Errorf("%q (%U) is not found by %q", one, r, other)
				failed++
			}
		}
	}
}

// A text is found by itself, also behind another word and before another character.
func FuzzSearch(f *testing.F) {
	for _, seed := range []string{
		"CI runner", "Straße", "İ", "ΟΔΥΣΣΕΥΣ", "a\u0308\u0301", "\u0130\u0307", "ﬃ x",
		"本番サーバー", " a  b ", "i\u0307\u0307", "\u1e9e\u0345",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q := text.NewQuery(s)
		if q.Empty() || !utf8.ValidString(s) {
			return
		}
		for _, field := range []string{s, "x " + s, s + "x"} {
			if !q.Found(field) {
				t.Errorf("%q is not found in %q", s, field)
			}
		}
		if q.Found("") {
			t.Errorf("%q is found in nothing", s)
		}
	})
}

func TestAQueryForWholeWordsFindsNoBeginning(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]bool{
		"Keys for CI": true, "ci": true, "CI, and more": true, "allowed_cidrs": false, "a cinema with CI": true,
		"decide": false,
	} {
		if got := text.NewQuery("CI").Whole().Found(field); got != want {
			t.Errorf("%q: %v", field, got)
		}
	}
}
