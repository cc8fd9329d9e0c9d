package metadata_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/metadata"
)

func parse(t testing.TB, text string) metadata.Metadata {
	t.Helper()
	m, faults := metadata.Parse("metadata", json.RawMessage(text))
	if len(faults) > 0 {
		t.Fatalf("%s: %v", text, faults)
	}
	return m
}

func patch(t testing.TB, text string) metadata.Patch {
	t.Helper()
	p, faults := metadata.ParsePatch("metadata", json.RawMessage(text))
	if len(faults) > 0 {
		t.Fatalf("%s: %v", text, faults)
	}
	return p
}

// members returns an object with n members, none of them nested.
func members(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"m%02d":1`, i))
	}
	return "{" + strings.Join(list, ",") + "}"
}

// text returns an object with one string, which is written as it is in JSON.
func text(s string) string { return `{"s":"` + s + `"}` }

func TestAnObjectIsKeptInCanonicalForm(t *testing.T) {
	for sent, want := range map[string]string{
		``:                                   `{}`,
		`null`:                               `{}`,
		` { } `:                              `{}`,
		` { "b" : 1 , "a" : [ 1 , true ] } `: `{"a":[1,true],"b":1}`,
		`{"a":null,"b":[null,{}],"c":[]}`:    `{"a":null,"b":[null,{}],"c":[]}`,
		`{"a":{"d":1,"c":{"f":2,"e":3}}}`:    `{"a":{"c":{"e":3,"f":2},"d":1}}`,
		`{"n":[0,-0,1.0,1e5,1E+5,0.10,12345678901234567890,0.1234567890123456789]}`: `{"n":[0,-0,1.0,1e5,1E+5,0.10,` +
			`12345678901234567890,0.1234567890123456789]}`,
		`{"s":"\u0041\/\u00e9\ud83d\ude00\u2028"}`:            "{\"s\":\"A/é😀\u2028\"}",
		`{"s":"\u001f\n\"\\<&>"}`:                             `{"s":"\u001f\n\"\\<&>"}`,
		`{"\u0061.B-c_9":""}`:                                 `{"a.B-c_9":""}`,
		members(metadata.MaxMembers):                          members(metadata.MaxMembers),
		`{"` + strings.Repeat("n", metadata.MaxName) + `":1}`: `{"` + strings.Repeat("n", metadata.MaxName) + `":1}`,
		`{"a":[[[]]],"b":{"c":{"d":{}}},"e":[{"f":[1]}]}`:     `{"a":[[[]]],"b":{"c":{"d":{}}},"e":[{"f":[1]}]}`,
		text(strings.Repeat("é", 2044)):                       text(strings.Repeat("é", 2044)),
		text(strings.Repeat(`\u0041`, 4088)):                  text(strings.Repeat("A", 4088)),
	} {
		m := parse(t, sent)
		if got := string(m.JSON()); got != want {
			t.Errorf("%.80s is kept as %.80s, want %.80s", sent, got, want)
		}
		if m.Empty() != (want == "{}") || m.Empty() != (m == metadata.Metadata{}) || m.Empty() != (m.Text() == "") {
			t.Errorf("%.80s: empty is %t", sent, m.Empty())
		}
		if stored, err := metadata.Stored(m.Text()); err != nil || stored != m {
			t.Errorf("%.80s is stored as %.80s, and read with %v", sent, m.Text(), err)
		}
	}
}

// refused are values that are no metadata, each with the field and the code, and a part of the
// message.
var refused = map[string][3]string{
	`[]`:                                     {"metadata", "object", "a JSON object"},
	`"text"`:                                 {"metadata", "object", "a JSON object"},
	`1`:                                      {"metadata", "object", "a JSON object"},
	`true`:                                   {"metadata", "object", "a JSON object"},
	`[{}]`:                                   {"metadata", "object", "a JSON object"},
	`{`:                                      {"metadata", "form", "JSON in UTF-8"},
	`{}{}`:                                   {"metadata", "form", "JSON in UTF-8"},
	`{} x`:                                   {"metadata", "form", "JSON in UTF-8"},
	`x`:                                      {"metadata", "form", "JSON in UTF-8"},
	` `:                                      {"metadata", "form", "JSON in UTF-8"},
	`{"a"}`:                                  {"metadata", "form", "JSON in UTF-8"},
	`{1:2}`:                                  {"metadata", "form", "JSON in UTF-8"},
	`{"a":}`:                                 {"metadata", "form", "JSON in UTF-8"},
	`{"a":[1`:                                {"metadata", "form", "JSON in UTF-8"},
	`{"a":[}`:                                {"metadata", "form", "JSON in UTF-8"},
	`{"a":01}`:                               {"metadata", "form", "JSON in UTF-8"},
	`{"a":"\ud800"}`:                         {"metadata", "form", "half a surrogate pair"},
	`{"a":"\udc00\ud800"}`:                   {"metadata", "form", "half a surrogate pair"},
	"{\"a\":\"\xff\"}":                       {"metadata", "form", "JSON in UTF-8"},
	"{\"a\":\"\xed\xa0\x80\"}":               {"metadata", "form", "JSON in UTF-8"},
	"{\"a\":\"\x00\"}":                       {"metadata", "form", "JSON in UTF-8"},
	`{"a":"\u0000"}`:                         {"metadata.a", "character", "NUL"},
	`{"a":{"b":[1,"x\u0000"]}}`:              {"metadata.a.b.1", "character", "NUL"},
	`{"a":1,"a":2}`:                          {"metadata", "duplicate", "each name once"},
	`{"a":1,"\u0061":2}`:                     {"metadata", "duplicate", "each name once"},
	`{"x":{"a":1,"a":1}}`:                    {"metadata.x", "duplicate", "each name once"},
	`{"":1}`:                                 {"metadata", "name", "1 to 64 letters"},
	`{"a b":1}`:                              {"metadata", "name", "1 to 64 letters"},
	`{"é":1}`:                                {"metadata", "name", "1 to 64 letters"},
	`{"a\n":1}`:                              {"metadata", "name", "1 to 64 letters"},
	`{"\u0000":1}`:                           {"metadata", "name", "1 to 64 letters"},
	`{"$ref":1}`:                             {"metadata", "name", "1 to 64 letters"},
	`{"x":[0,{"a:b":1}]}`:                    {"metadata.x.1", "name", "1 to 64 letters"},
	`{"` + strings.Repeat("n", 65) + `":1}`:  {"metadata", "name", "1 to 64 letters"},
	`{"a":{"b":{"c":{"d":{}}}}}`:             {"metadata.a.b.c.d", "too_deep", "at most 4 deep"},
	`{"a":[[[[]]]]}`:                         {"metadata.a.0.0.0", "too_deep", "at most 4 deep"},
	`{"a":[1,{"b":[2,{}]}]}`:                 {"metadata.a.1.b.1", "too_deep", "at most 4 deep"},
	`{"a":` + strings.Repeat("[", 60000):     {"metadata.a.0.0.0", "too_deep", "at most 4 deep"},
	`{"a":1e309}`:                            {"metadata.a", "number", "at most 32 characters"},
	`{"a":-1e309}`:                           {"metadata.a", "number", "at most 32 characters"},
	`{"a":1` + strings.Repeat("0", 32) + `}`: {"metadata.a", "number", "at most 32 characters"},
	`{"a-very-long-name":{"b":"\u0000"}}`:    {"metadata.….b", "character", "NUL"},
	members(65):                              {"metadata", "too_many", "at most 64 members"},
	`{"x":[` + members(32) + `,` + members(32) + `]}`: {"metadata", "too_many", "at most 64 members"},
	`{"x":` + members(64) + `}`:                       {"metadata", "too_many", "at most 64 members"},
	text(strings.Repeat("a", 4089)):                   {"metadata", "too_large", "at most 4096 bytes"},
	text(strings.Repeat("é", 2045)):                   {"metadata", "too_large", "at most 4096 bytes"},
	text(strings.Repeat(`\t`, 2045)):                  {"metadata", "too_large", "at most 4096 bytes"},
}

func TestMetadataIsRefusedWithTheFieldTheCodeAndTheLimit(t *testing.T) {
	for text, want := range refused {
		m, faults := metadata.Parse("metadata", json.RawMessage(text))
		if len(faults) != 1 || !m.Empty() {
			t.Errorf("%.80q is %.80s with faults %v", text, m.JSON(), faults)
			continue
		}
		f := faults[0]
		if f.Name != want[0] || f.Code != want[1] || !strings.Contains(f.Message, want[2]) {
			t.Errorf("%.80q: %+v, want %q", text, f, want)
		}
	}
}

// The cases of RFC 7396, Appendix A, whose target and patch are objects, and some more.
func TestAPatchMergesByRFC7396(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"a":1}`, `{}`, `{"a":1}`},
		{`{"a":1}`, `null`, `{}`},
		{`{"a":1}`, `{"a":{"b":{"c":2},"d":null}}`, `{"a":{"b":{"c":2}}}`},
		{`{"a":1}`, `{"b":[null,{"c":null}]}`, `{"a":1,"b":[null,{"c":null}]}`}, // a list is not merged
		{`{"a":1}`, `{"none":null}`, `{"a":1}`},
		{``, `{"a":1}`, `{"a":1}`},
	} {
		before := parse(t, c[0])
		got, faults := before.Merge(patch(t, c[1]))
		if len(faults) > 0 || string(got.JSON()) != c[2] {
			t.Errorf("%s and %s: %s, %v; want %s", c[0], c[1], got.JSON(), faults, c[2])
		}
		if before != parse(t, c[0]) {
			t.Errorf("%s was altered", c[0])
		}
	}
	unchanged := parse(t, `{"a":1}`)
	if got, faults := unchanged.Merge(metadata.Patch{}); got != unchanged || len(faults) > 0 {
		t.Errorf("the patch of nothing: %s, %v", got.JSON(), faults)
	}
}

func TestAPatchIsReadAsStrictlyAsAnObject(t *testing.T) {
	for text, want := range refused {
		p, faults := metadata.ParsePatch("metadata", json.RawMessage(text))
		if want[1] == "too_many" || want[1] == "too_large" {
			// It may remove as much as it adds. What it makes of an object is checked.
			if len(faults) > 0 {
				t.Errorf("%.80q: %v", text, faults)
			}
			_, faults = metadata.Metadata{}.Merge(p)
		}
		if len(faults) != 1 || faults[0].Name != want[0] || faults[0].Code != want[1] {
			t.Errorf("%.80q: %v, want %q", text, faults, want)
		}
	}
}

func TestAMergedObjectIsCheckedAgain(t *testing.T) {
	full := parse(t, members(metadata.MaxMembers))
	large := parse(t, text(strings.Repeat("a", 4088)))
	removal := strings.ReplaceAll(members(metadata.MaxMembers), "1", "null")
	for _, c := range []struct {
		before      metadata.Metadata
		patch, code string
	}{
		{full, `{"m00":2}`, ""},
		{full, `{"one-more":1}`, "too_many"},
		{full, `{"m00":null,"one-more":1}`, ""},
		{full, `{"m00":{"inner":1}}`, "too_many"},
		{full, strings.TrimSuffix(strings.ReplaceAll(removal, "mnull", "m1"), "}") + `,"other":1}`, ""},
		{large, `{"t":1}`, "too_large"},
		{large, `{"s":null,"t":1}`, ""},
	} {
		got, faults := c.before.Merge(patch(t, c.patch))
		code := ""
		if len(faults) > 0 {
			code = faults[0].Code
		}
		if code != c.code || code == "" && got.Empty() || code != "" && !got.Empty() {
			t.Errorf("%.60s: %.60s, %v; want %q", c.patch, got.JSON(), faults, c.code)
		}
	}
}

func TestOnlyWhatWasWrittenIsReadFromStorage(t *testing.T) {
	for _, text := range []string{
		`{}`, ` {"a":1}`, `{"b":1,"a":1}`, `{"a":"\u0041"}`, `null`, `[]`, `x`, `{"a":1,"a":1}`, `{"a":"\u0000"}`,
	} {
		if m, err := metadata.Stored(text); err == nil || !m.Empty() {
			t.Errorf("%q is read as %s", text, m.JSON())
		}
	}
}

// anyValue draws a value that fits into metadata at this depth.
func anyValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		switch {
		case kind == 0 && depth < metadata.MaxDepth:
			return anyObject(depth+1).Draw(t, "object")
		case kind == 1 && depth < metadata.MaxDepth:
			return rapid.SliceOfN(anyValue(depth+1), 0, 3).Draw(t, "list")
		case kind == 2:
			return rapid.Bool().Draw(t, "bool")
		case kind == 3:
			return nil
		case kind == 4:
			return rapid.Int32().Draw(t, "number")
		}
		return strings.ReplaceAll(rapid.StringN(0, 10, 40).Draw(t, "text"), "\x00", "")
	})
}

func anyObject(depth int) *rapid.Generator[map[string]any] {
	return rapid.MapOfN(rapid.StringMatching(`[a-c._-]{1,2}`), anyValue(depth), 0, 3)
}

func drawObject(t *rapid.T, label string) string {
	text, err := json.Marshal(anyObject(1).Draw(t, label))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// mergePatch is RFC 7396 section 2, word for word, on what encoding/json reads.
func mergePatch(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	into, ok := target.(map[string]any)
	if !ok {
		into = map[string]any{}
	}
	into = maps.Clone(into)
	for name, value := range p {
		if value == nil {
			delete(into, name)
		} else {
			into[name] = mergePatch(into[name], value)
		}
	}
	return into
}

func value(t rapid.TB, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMetadataSaysWhatWasSentAndMergesAsTheStandardSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent, change := drawObject(t, "sent"), drawObject(t, "change")
		m, faults := metadata.Parse("metadata", json.RawMessage(sent))
		if len(faults) > 0 {
			return // too many members
		}
		if !reflect.DeepEqual(value(t, m.JSON()), value(t, []byte(sent))) {
			t.Fatalf("%s is kept as %s", sent, m.JSON())
		}
		p, faults := metadata.ParsePatch("metadata", json.RawMessage(change))
		if len(faults) > 0 {
			t.Fatalf("%s: %v", change, faults)
		}
		got, faults := m.Merge(p)
		if len(faults) > 0 {
			return
		}
		want := mergePatch(value(t, []byte(sent)), value(t, []byte(change)))
		if !reflect.DeepEqual(value(t, got.JSON()), want) {
			t.Fatalf("%s and %s give %s", sent, change, got.JSON())
		}
		if again, faults := got.Merge(p); len(faults) > 0 || again != got {
			t.Fatalf("%s merged twice gives %s after %s", change, again.JSON(), got.JSON())
		}
	})
}

// What is accepted is the same after it was written and read again, and within the bounds.
func FuzzMetadata(f *testing.F) {
	f.Add(`{"team":"build","n":[1,2.50,-0],"o":{"a":null}}`, `{"team":null,"o":{"b":{}}}`)
	for _, text := range slices.Sorted(maps.Keys(refused)) {
		f.Add(text, `{"a":1}`)
	}
	f.Fuzz(func(t *testing.T, sent, change string) {
		m, faults := metadata.Parse("metadata", json.RawMessage(sent))
		if len(faults) > 0 {
			one := len(faults) == 1 && strings.HasPrefix(faults[0].Name, "metadata") && faults[0].Code != ""
			if !m.Empty() || !one {
				t.Fatalf("%q: %s, %v", sent, m.JSON(), faults)
			}
			m = metadata.Metadata{}
		}
		check(t, m)
		p, faults := metadata.ParsePatch("metadata", json.RawMessage(change))
		if len(faults) > 0 {
			return
		}
		merged, faults := m.Merge(p)
		if (len(faults) > 0) && !merged.Empty() {
			t.Fatalf("%q and %q: %s, %v", sent, change, merged.JSON(), faults)
		}
		check(t, merged)
	})
}

// check demands that an object is within the bounds and reads as itself.
func check(t *testing.T, m metadata.Metadata) {
	t.Helper()
	text := m.JSON()
	if !json.Valid(text) || len(text) > metadata.MaxBytes {
		t.Fatalf("%d bytes: %q", len(text), text)
	}
	again, faults := metadata.Parse("metadata", text)
	if len(faults) > 0 || again != m || string(again.JSON()) != string(text) {
		t.Fatalf("%q is read as %q, %v", text, again.JSON(), faults)
	}
	if stored, err := metadata.Stored(m.Text()); err != nil || stored != m {
		t.Fatalf("%q is read from storage as %q, %v", m.Text(), stored.Text(), err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

func TestAReplacementLeavesNothingOfTheObjectBefore(t *testing.T) {
	t.Parallel()
	before, _ := metadata.Parse("metadata", []byte(`{"a":{"b":1},"c":2}`))
	for _, text := range []string{`{}`, `{"a":{"d":null}}`, `{"c":2}`} {
		after, _ := metadata.Parse("metadata", []byte(text))
		got, faults := before.Merge(metadata.Replacement(after))
		if len(faults) > 0 || got.String() != text {
			t.Errorf("%s: %s, %v", text, got, faults)
		}
	}
}
