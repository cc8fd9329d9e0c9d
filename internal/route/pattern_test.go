package route_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/route"
)

func TestAPatternMatchesWholeSegments(t *testing.T) {
	for _, c := range []struct {
		pattern     string
		matches     []string
		matchesNone []string
	}{
		{"/", []string{"/", "/?a"}, []string{"/a"}},
		{"/app", []string{"/app", "/%61pp"}, []string{"/app/", "/App", "/app/x", "/apps", "/app;x"}},
		{"/app/", []string{"/app/"}, []string{"/app", "/app/x"}},
		{"/a/{id}/k", []string{"/a/1/k", "/a/{id}/k", "/a/%2525/k"}, []string{"/a/k", "/a/1/2/k", "/a/1/k/"}},
		{"/a/{id}", []string{"/a/1"}, []string{"/a/", "/a", "/a/1/"}},
		{"/f/{p...}", []string{"/f/", "/f/a", "/f/a/b/"}, []string{"/f", "/g/"}},
		{"/{p...}", []string{"/", "/a", "/a/b"}, nil},
		{"/a%20b/%7Bx%7D", []string{"/a%20b/{x}"}, []string{"/a/x"}},
		{"/café", []string{"/caf%c3%a9"}, []string{"/cafe"}},
	} {
		p := mustPattern(t, c.pattern)
		for _, uri := range c.matches {
			if !p.Matches(mustTarget(t, uri)) {
				t.Errorf("%s does not match %s", c.pattern, uri)
			}
		}
		for _, uri := range c.matchesNone {
			if p.Matches(mustTarget(t, uri)) {
				t.Errorf("%s matches %s", c.pattern, uri)
			}
		}
	}
}

func TestABadPatternIsRefusedWithTheReason(t *testing.T) {
	for _, c := range []struct{ pattern, says string }{
		{"", "begins with /"},
		{"app", "begins with /"},
		{"/a//b", "empty segment"},
		{"//", "empty segment"},
		{"/a/*", "{rest...}"},
		{"/a*b", "{rest...}"},
		{"/a?b=c", "query string"},
		{"/a#b", "fragment"},
		{"/a{b}", "whole segment"},
		{"/{b}.json", "whole segment"},
		{"/{}", "1 to 64"},
		{"/{$}", "1 to 64"},
		{"/{1a}", "1 to 64"},
		{"/{a}/{a}", "twice"},
		{"/{a...}/b", "end of a path"},
		{"/a/../b", ". or .."},
		{"/a/%2e", ". or .."},
		{"/a%2fb", "no such request"},
		{"/a%5Cb", "no such request"},
		{"/a%zz", "malformed"},
		{"/a\tb", "control"},
		{"/\xff", "UTF-8"},
		{`/a\b`, "backslash"},
		{strings.Repeat("/a", route.MaxSegments+1), "segments"},
		{"/" + strings.Repeat("a", route.MaxPattern), "bytes"},
		{"/" + strings.Repeat("\u00e9", 100), "escapes"},
	} {
		if p, err := route.ParsePattern(c.pattern); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("ParsePattern(%q) = %v, %v, want an error with %q", c.pattern, p, err, c.says)
		}
	}
}

func TestTheCanonicalTextIsThePatternItself(t *testing.T) {
	for text, want := range map[string]string{
		"/%61pp/{id}/{rest...}": "/app/{id}/{rest...}",
		"/a b/%7b":              "/a%20b/%7B",
		"/a;b=1/c@d:e":          "/a;b=1/c@d:e",
		"/caf\u00e9":            "/caf%C3%A9",
		"/%2A/%3f/%25":          "/%2A/%3F/%25",
	} {
		p := mustPattern(t, text)
		again := mustPattern(t, p.Text)
		if p.Text != want || again.Text != want || !p.Covers(again) || !again.Covers(p) {
			t.Errorf("%s: %s, then %s, want %s", text, p.Text, again.Text, want)
		}
	}
}

// The pattern that covers another one matches whatever that one matches, and one that does not
// cover it has a path that tells them apart.
func TestAPatternCoversWhatItMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := patterns.Draw(t, "p"), patterns.Draw(t, "q")
		only := ""
		for _, uri := range allPaths {
			target, err := route.ParseTarget(uri)
			if err != nil {
				t.Fatal(err)
			}
			if q.Matches(target) && !p.Matches(target) {
				only = uri
			}
		}
		if covers := p.Covers(q); covers != (only == "") {
			t.Fatalf("%s covers %s: %v, but only the second matches %q", p, q, covers, only)
		}
	})
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"/", "/a/{id}/{rest...}", "/a%20b", "/caf\u00e9/", "/{a}/{a}", "/*", "/%7B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := route.ParsePattern(text)
		if err != nil {
			return
		}
		again, err := route.ParsePattern(p.Text)
		if err != nil || again.Text != p.Text || !again.Covers(p) || !p.Covers(again) {
			t.Fatalf("%q is %q, which is %q, %v", text, p.Text, again.Text, err)
		}
	})
}

// patterns draws patterns of few segments out of few words, so that they often meet.
var patterns = rapid.Custom(func(t *rapid.T) route.Pattern {
	var b strings.Builder
	n := rapid.IntRange(1, 3).Draw(t, "segments")
	for i := range n {
		kinds := []string{"a", "b", "c", "{p" + string(rune('0'+i)) + "}"}
		if i == n-1 {
			kinds = append(kinds, "", "{rest...}")
		}
		b.WriteString("/" + rapid.SampledFrom(kinds).Draw(t, "segment"))
	}
	p, err := route.ParsePattern(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return p
})

// allPaths are all paths of at most five segments out of the words of patterns and one more.
var allPaths = func() []string {
	var paths []string
	open := []string{""}
	for range 4 {
		var longer []string
		for _, p := range open {
			paths = append(paths, p+"/")
			for _, word := range []string{"a", "b", "c", "x"} {
				longer = append(longer, p+"/"+word)
			}
		}
		paths = append(paths, longer...)
		open = longer
	}
	return paths
}()

func mustPattern(t testing.TB, text string) route.Pattern {
	t.Helper()
	p, err := route.ParsePattern(text)
	if err != nil {
		t.Fatalf("ParsePattern(%q): %v", text, err)
	}
	return p
}

func mustTarget(t testing.TB, uri string) route.Target {
	t.Helper()
	target, err := route.ParseTarget(uri)
	if err != nil {
		t.Fatalf("ParseTarget(%q): %v", uri, err)
	}
	return target
}
