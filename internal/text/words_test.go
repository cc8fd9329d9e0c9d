package text_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/text"
)

func TestWordsAreFoldedAndEachIsThereOnce(t *testing.T) {
	for of, want := range map[string][]string{
		"":                          nil,
		" – ":                       nil,
		"CI  deploy-check, ci":      {"check", "ci", "deploy"},
		"ann.lee@claviger.example":  {"ann", "claviger", "example", "lee"},
		"Straße ΟΔΟΣ":               {"strasse", "οδοσ"},
		"ak_7Hq2mZ0":                {"7hq2mz0", "ak"},
		"100% sure":                 {"100", "sure"},
		"🚀 launch 5€":               {"5", "launch", "€", "🚀"},
		"本番API":                     {"api", "本番api", "番api"},
		strings.Repeat("x", 50):     {strings.Repeat("x", 40)},
		"a\u0308mter A\u0308mter x": {"x", "ämter"},
	} {
		if got := text.Words(of); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", of, got, want)
		}
	}
}

func TestTheWordsOfOneObjectAreBounded(t *testing.T) {
	var long strings.Builder
	for i := range 500 {
		long.WriteString(string(rune('一'+i)) + " ")
	}
	if got := len(text.Words(long.String())); got != 128 {
		t.Errorf("%d words", got)
	}
}

func TestEveryWordOfAQueryMustBeginAWord(t *testing.T) {
	fields := []string{"Nightly rate export", "ak_7Hq2mZ0aBcD", "ann.lee@claviger.example"}
	for query, want := range map[string]bool{
		"night":           true,
		"EXP night":       true,
		"export, nightly": true,
		"rate ann":        true,
		"ghtly":           false,
		"night day":       false,
		"ak_7hq2":         true,
		"7hq2 rate":       true,
		"lee@claviger":    true,
		"claviger.ex":     true,
		"":                true,
		"rate r ra":       true,
		"rate €":          false,
	} {
		if got := text.NewWordQuery(query).Found(fields...); got != want {
			t.Errorf("%q: %t, want %t", query, got, want)
		}
	}
	long := strings.Repeat("x", 50)
	if !text.NewWordQuery(long + "y").Found(long) {
		t.Error("of a long word, more than its beginning counts")
	}
	if got := text.NewWordQuery("de Deploy de-").Words(); !slices.Equal(got, []string{"deploy"}) {
		t.Errorf("the words of a query are %q", got)
	}
	for query, want := range map[string]bool{
		"": true, " -%": true, "\u200b": true, "a": false, "€": false, "…x": false,
	} {
		if got := text.NewWordQuery(query).Empty(); got != want {
			t.Errorf("%q is empty: %t", query, got)
		}
	}
}

// An index of words and the comparison of texts find the same.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{
		"CI runner", "Straße ss", "İ", "本番サーバー", "a\u0308\u0301", "x🚀y", "เซิร์ฟเวอร์", "5€%_",
	} {
		f.Add(seed, seed+" more")
		f.Add(seed[:1], seed)
	}
	f.Fuzz(func(t *testing.T, typed, field string) {
		words := text.Words(field)
		if len(words) >= 128 {
			return
		}
		q := text.NewWordQuery(typed)
		indexed := true
		for _, w := range q.Words() {
			indexed = indexed && slices.ContainsFunc(words, func(has string) bool {
				return has >= w && has < text.AfterPrefix(w)
			})
		}
		if found := q.Found(field); found != indexed {
			t.Errorf("%q in %q: compared %t, by index %t", typed, field, found, indexed)
		}
		if own := text.NewWordQuery(field); !own.Found(field) {
			t.Errorf("%q is not found in itself: %q", field, own.Words())
		}
	})
}
