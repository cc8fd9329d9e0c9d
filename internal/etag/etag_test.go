package etag_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
)

// fieldLists draws lists of fields of every kind. Its texts are made of few characters, those that
// an ambiguous form would take for its own.
func fieldLists() *rapid.Generator[[]any] {
	text := rapid.StringOf(rapid.SampledFrom([]rune{'a', '"', ',', '[', ']', 's', 'l', '\\', 0, 1}))
	return rapid.SliceOfN(rapid.OneOf(
		rapid.Map(text, func(s string) any { return s }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.IntRange(-2, 300), func(n int) any { return n }),
		rapid.Map(rapid.SliceOfN(text, 1, 3), func(l []string) any { return l }),
		rapid.Map(rapid.IntRange(0, 3), func(n int) any { return time.UnixMicro(int64(n)).UTC() }),
		rapid.Map(text, func(s string) any { return pair{First: s} }),
		rapid.Map(text, func(s string) any { return pair{Second: s} }),
		rapid.Map(text, func(s string) any { return &s }),
	), 0, 4)
}

type pair struct{ First, Second string }

func TestTwoListsOfFieldsHaveTheSameTagOnlyIfTheyAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, other := fieldLists().Draw(t, "one"), fieldLists().Draw(t, "other")
		if same := reflect.DeepEqual(one, other); (etag.Of(one...) == etag.Of(other...)) != same {
			t.Errorf("%q and %q have the tags %s and %s", one, other, etag.Of(one...), etag.Of(other...))
		}
	})
}

// A list that moves a boundary between its texts is another list.
func TestATagShowsWhereAFieldEnds(t *testing.T) {
	t.Parallel()
	seen := map[etag.Tag][]any{}
	for _, fields := range [][]any{
		{},
		{""},
		{"", ""},
		{"ab", "c"},
		{"a", "bc"},
		{[]string{"ab", "c"}},
		{[]string{"a", "bc"}},
		{[]string{"ab"}, "c"},
		{[]string{"a"}, []string{"b"}},
		{[]string{"a", "b"}, []string{}},
		{pair{"ab", "c"}},
		{pair{"a", "bc"}},
		{1, 2},
		{12},
		{"1", "2"},
		{true},
		{false},
		{time.Time{}},
	} {
		tag := etag.Of(fields...)
		if other, taken := seen[tag]; taken {
			t.Errorf("%q has the tag of %q", fields, other)
		}
		seen[tag] = fields
	}
}

// What the database returns has other locations, no nanoseconds and no empty lists.
func TestWhatIsStoredAndReadAgainKeepsItsTag(t *testing.T) {
	t.Parallel()
	type object struct {
		List []string
		At   time.Time
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_789, time.FixedZone("", 3600))
	sent := etag.Of([]string{}, at, object{List: []string{}})
	read := etag.Of([]string(nil), at.UTC().Truncate(time.Microsecond), object{})
	if sent != read {
		t.Errorf("it has the tag %s, before %s", read, sent)
	}
}

func TestAnEditIsRefusedIfTheObjectHasAnotherTagThanExpected(t *testing.T) {
	t.Parallel()
	read, now := etag.Of("read"), etag.Of("now")
	for _, c := range []struct {
		expected        etag.Tag
		present, absent error
	}{
		{"", nil, nil},
		{etag.Any, nil, etag.ErrChanged},
		{now, nil, etag.ErrChanged},
		{read, etag.ErrChanged, etag.ErrChanged},
		{read + " " + now, nil, etag.ErrChanged},
		{read + " " + etag.Of("neither"), etag.ErrChanged, etag.ErrChanged},
		{now[:len(now)-1], etag.ErrChanged, etag.ErrChanged},
		{etag.Absent, etag.ErrChanged, nil},
	} {
		for what, got := range map[string][2]error{
			"an object": {c.expected.Check(now), c.present}, "none": {c.expected.CheckAbsent(), c.absent},
		} {
			if err := got[0]; !errors.Is(err, got[1]) || err != nil && fault.KindOf(err) != fault.Conflict {
				t.Errorf("expecting %q of %s: %v, want %v", c.expected, what, err, got[1])
			}
		}
	}
}

// RFC 9110 section 13.1.1: If-Match = "*" / #entity-tag.
func TestIfMatchIsReadAsTheStandardSays(t *testing.T) {
	t.Parallel()
	const now etag.Tag = "abcdefghijklmno-"
	quoted := now.Quoted()
	for _, c := range []struct {
		name   string
		values []string
		// matches reports whether the present object is the expected one, absent whether none is.
		matches, absent bool
		malformed       bool
	}{
		{"no header", nil, true, true, false},
		{"any", []string{"*"}, true, false, false},
		{"the version", []string{quoted}, true, false, false},
		{"with white space", []string{" \t" + quoted + " "}, true, false, false},
		{"a list", []string{`"x",` + quoted + `, "y"`}, true, false, false},
		{"a list with empty elements", []string{`, ,"x",,` + quoted + `,`}, true, false, false},
		{"a list in two headers", []string{`"x"`, quoted}, true, false, false},
		{"a weak tag", []string{"W/" + quoted}, false, false, false},
		{"a weak tag and a strong one", []string{`W/"x", ` + quoted}, true, false, false},
		{"another version", []string{`"abcdefghijklmnop"`}, false, false, false},
		{"the empty tag", []string{`""`}, false, false, false},
		{"a tag that is a star", []string{`"*"`}, false, false, false},
		{"a tag with a comma", []string{`"x,` + string(now) + `"`}, false, false, false},
		{"a tag of another server", []string{`"5f1c:\xe9"`}, false, false, false},
		{"an empty header", []string{""}, false, false, true},
		{"without quotes", []string{string(now)}, false, false, true},
		{"without the second quote", []string{`"` + string(now)}, false, false, true},
		{"with a space within", []string{`"x ` + string(now) + `"`}, false, false, true},
		{"with a star beside", []string{`*, ` + quoted}, false, false, true},
		{"twice any", []string{"*", "*"}, false, false, true},
		{"without a comma", []string{`"x" ` + quoted}, false, false, true},
		{"weak in lower case", []string{"w/" + quoted}, false, false, true},
		{"weak without a tag", []string{"W/"}, false, false, true},
	} {
		expected, ok := etag.ParseIfMatch(c.values)
		matches, absent := ok && expected.Check(now) == nil, ok && expected.CheckAbsent() == nil
		if ok == c.malformed || matches != c.matches || absent != c.absent {
			t.Errorf("%s: %q, well formed %v, matches %v, matches nothing %v", c.name, expected, ok, matches, absent)
		}
	}
}

// What is well formed is read again as the same when it is written in the one canonical form.
func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{"", "*", `"a"`, `W/"a"`, `"a", W/"b" ,,"c-_"`, `"a`, `"é"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		expected, ok := etag.ParseIfMatch([]string{text})
		if !ok || expected == etag.Any {
			return
		}
		var list []string
		for tag := range strings.FieldsSeq(string(expected)) {
			list = append(list, etag.Tag(tag).Quoted())
		}
		if again, ok := etag.ParseIfMatch(list); !ok || again != expected || len(list) == 0 {
			t.Errorf("%q is read as %q, and that as %q", text, expected, again)
		}
	})
}
