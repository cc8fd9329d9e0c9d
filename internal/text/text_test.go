package text_test

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/text"
)

func TestANameIsThreeToSixtyFourCodePointsAfterTrimming(t *testing.T) {
	cases := []struct {
		raw, want, fault string
	}{
		{"CI runner", "CI runner", ""},
		{"  abc  ", "abc", ""},
		{"  ab  ", "", "too_short"},
		{"", "", "too_short"},
		{strings.Repeat("é", 64), strings.Repeat("é", 64), ""},
		{strings.Repeat("é", 65), "", "too_long"},
		{strings.Repeat("e\u0301", 64), strings.Repeat("é", 64), ""}, // counted after NFC
		{"a\x00bc", "", "character"},
		{"abc\u202edef", "", "character"},
		{"line\nbreak", "", "character"},
		{"bad\xffutf", "", "encoding"},
		{"\u200b\u200b\u200b", "", "invisible"},             // zero width spaces
		{"\u3164\u3164\u3164", "", "invisible"},             // Hangul fillers, which are letters
		{"\u2800\u2800\u2800", "", "invisible"},             // braille without dots
		{"\u00ad \u2060 \ufe0f", "", "invisible"},           // soft hyphen, word joiner, variation selector
		{"\u0301\u0301\u0301", "", "invisible"},             // accents on nothing
		{"\U000e0041\U000e0042\U000e0043", "", "invisible"}, // tags
		{"نامه\u200cها", "نامه\u200cها", ""},                // Persian, whose words hold non-joiners
		{"👩\u200d🔧 keys", "👩\u200d🔧 keys", ""},
	}
	for _, c := range cases {
		got, faults := text.Name("name", c.raw)
		code := ""
		if len(faults) > 0 {
			code = faults[0].Code
		}
		if code != c.fault || code == "" && got != c.want {
			t.Errorf("Name(%q) = %q, fault %q; want %q, fault %q", c.raw, got, code, c.want, c.fault)
		}
	}
}

func TestADescriptionMayHoldLinesButNoMoreThanAThousandCharacters(t *testing.T) {
	if got, faults := text.Description("description", "one\ntwo"); got != "one\ntwo" || faults != nil {
		t.Errorf("line break: %q, %v", got, faults)
	}
	if _, faults := text.Description("description", strings.Repeat("é", 1000)); faults != nil {
		t.Errorf("1000 characters: %v", faults)
	}
	if _, faults := text.Description("description", strings.Repeat("é", 1001)); len(faults) != 1 ||
		faults[0].Name != "description" {
		t.Errorf("1001 characters: %v", faults)
	}
}
