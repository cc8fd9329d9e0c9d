package route_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/route"
)

func TestAPathThatCanBeReadInTwoFormsIsRefused(t *testing.T) {
	for _, uri := range []string{
		"", "app", "*", "?a=b", "http://example.com/app", "//example.com/app", "/public//app", "//", "/a//",
		"/public/..%2fapp//x/./y", "/a%2Fb", "/a%2fb", "/a%5cb", "/a%5Cb", "/a%00b", "/a\\b", "/a#b", "/a?x=1#b",
		"/.", "/..", "/a/.", "/a/..", "/a/./b", "/a/../b", "/%2e", "/%2e%2e/b", "/.%2E/b", "/a/%2E/",
		"/a%", "/a%4", "/a%zz", "/a%u0041", "/a b", "/a\tb", "/a\x00b", "/a\x7fb", "/a?\n", "/%0a", "/%1F", "/%7f",
		"/\xff", "/é", "/%ff", "/%c3", "/%c0%af", "/%ed%a0%80",
	} {
		if target, err := route.ParseTarget(uri); !errors.Is(err, fault.PathAmbiguous) {
			t.Errorf("ParseTarget(%q) = %v, %v, want path_ambiguous", uri, target, err)
		}
	}
}

func TestAPathIsDecodedOnce(t *testing.T) {
	for _, c := range []struct {
		uri      string
		path     string
		segments []string
	}{
		{"/", "/", []string{""}},
		{"/app", "/app", []string{"app"}},
		{"/app/", "/app/", []string{"app", ""}},
		{"/%61pp?x=%2f//..", "/app", []string{"app"}},
		{"/a?", "/a", []string{"a"}},
		{"/a/b;c=1/d", "/a/b;c=1/d", []string{"a", "b;c=1", "d"}},
		{"/a%252fb", "/a%2fb", []string{"a%2fb"}},
		{"/caf%C3%A9/a%20b", "/café/a b", []string{"café", "a b"}},
		{"/.well-known/...", "/.well-known/...", []string{".well-known", "..."}},
		{"/a+b/*", "/a+b/*", []string{"a+b", "*"}},
	} {
		target, err := route.ParseTarget(c.uri)
		if err != nil {
			t.Errorf("ParseTarget(%q): %v", c.uri, err)
			continue
		}
		if got := slices.Collect(target.Segments()); target.Path() != c.path || !slices.Equal(got, c.segments) {
			t.Errorf("ParseTarget(%q) = %q, %q, want %q, %q", c.uri, target.Path(), got, c.path, c.segments)
		}
	}
}

// A path that is accepted has one reading: decoded segment by segment it is what Path returns, and
// encoded in any other way it is the same path.
func TestEverySpellingOfAPathIsTheSamePath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringMatching(`(/[a-zA-Z0-9._;%-]{0,4}){1,4}`).Draw(t, "raw")
		target, err := route.ParseTarget(raw)
		if err != nil {
			return
		}
		var respelled strings.Builder
		for segment := range target.Segments() {
			respelled.WriteByte('/')
			for _, c := range []byte(segment) {
				if c < utf8.RuneSelf && c != '%' && rapid.Bool().Draw(t, "plain") {
					respelled.WriteByte(c)
					continue
				}
				const upper, lower = "0123456789ABCDEF", "0123456789abcdef"
				digits := rapid.SampledFrom([]string{upper, lower}).Draw(t, "digits")
				respelled.Write([]byte{'%', digits[c>>4], digits[c&15]})
			}
		}
		again, err := route.ParseTarget(respelled.String())
		if err != nil || again.Path() != target.Path() {
			t.Fatalf("%q is %q, but %q is %q, %v", raw, target.Path(), respelled.String(), again.Path(), err)
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"/", "/a/b?c=d", "/a%2fb", "/%61/..", "//", "/a/%c3%a9;x", "/a\\b", "/\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		target, err := route.ParseTarget(uri)
		if err != nil {
			return
		}
		segments := slices.Collect(target.Segments())
		for i, s := range segments {
			last := i == len(segments)-1
			if s == "." || s == ".." || s == "" && !last || strings.ContainsAny(s, "/\\\x00") || !utf8.ValidString(s) {
				t.Fatalf("ParseTarget(%q) has the segment %q", uri, s)
			}
		}
		// The canonical spelling of the path is accepted as the same path, as is a pattern of it.
		p, err := route.ParsePattern(literalOf(segments))
		if err != nil {
			if len(uri) < route.MaxPattern/3 && len(segments) <= route.MaxSegments {
				t.Fatalf("no pattern for %q: %v", uri, err)
			}
			return
		}
		again, err := route.ParseTarget(p.Text)
		if err != nil || again.Path() != target.Path() || !p.Matches(target) {
			t.Fatalf("%q is %q, its pattern %q is %q, %v", uri, target.Path(), p.Text, again.Path(), err)
		}
	})
}

// literalOf returns a pattern that matches exactly one path.
func literalOf(segments []string) string {
	escape := strings.NewReplacer("%", "%25", "*", "%2A", "{", "%7B", "}", "%7D", "?", "%3F", "#", "%23")
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + escape.Replace(s))
	}
	return b.String()
}
