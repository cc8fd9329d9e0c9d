package etag_test

import (
	"errors"
	"reflect"
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
		expected etag.Tag
		want     error
	}{{"", nil}, {now, nil}, {read, etag.ErrChanged}, {"*", etag.ErrChanged}} {
		err := c.expected.Check(now)
		if !errors.Is(err, c.want) || c.want != nil && fault.KindOf(err) != fault.Conflict {
			t.Errorf("expecting %q: %v, want %v", c.expected, err, c.want)
		}
	}
}
