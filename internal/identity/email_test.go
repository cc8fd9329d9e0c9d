package identity_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/identity"
)

func TestSpellingsOfOneAddressHaveOneCanonicalForm(t *testing.T) {
	for _, same := range [][]string{
		{
			"ada@bücher.example", "ADA@BÜCHER.example", "ada@bu\u0308cher.example", "ada@xn--bcher-kva.example",
			"ada@XN--BCHER-KVA.EXAMPLE",
			"ada@bücher。example", " ada@bücher.example\n",
		},
		{"ada@straße.example", "ada@STRAßE.example", "ada@xn--strae-oqa.example"},
		{"σίσυφος@claviger.example", "ΣΊΣΥΦΟΣ@claviger.example", "σίσυφοσ@claviger.example"},
		{"ada@claviger.example", "Ada@Claviger.Example", "ada@ｃｌａｖｉｇｅｒ.example"},
	} {
		want := identity.CanonicalEmail(same[0])
		for _, email := range same[1:] {
			if got := identity.CanonicalEmail(email); got != want {
				t.Errorf("%q is %q, and %q is %q", same[0], want, email, got)
			}
		}
	}
}

func TestAddressesOfDifferentMailboxesDiffer(t *testing.T) {
	for _, pair := range [][2]string{
		{"ıda@claviger.example", "ida@claviger.example"},
		{"İda@claviger.example", "ida@claviger.example"},
		{"ſam@claviger.example", "sam@claviger.example"},
		{"strauß@claviger.example", "strauss@claviger.example"},
		{"ａda@claviger.example", "ada@claviger.example"},
		{"ada@straße.example", "ada@strasse.example"},
		{"ada@bücher.example", "ada@bucher.example"},
		{"аda@claviger.example", "ada@claviger.example"}, // the first letter is Cyrillic
	} {
		if a, b := identity.CanonicalEmail(pair[0]), identity.CanonicalEmail(pair[1]); a == b {
			t.Errorf("%q and %q are both %q", pair[0], pair[1], a)
		}
	}
}

func TestMailIsSentToTheDomainInASCII(t *testing.T) {
	for email, want := range map[string]string{
		"Ada@Bücher.example":       "Ada@xn--bcher-kva.example",
		"ada@claviger.example":     "ada@claviger.example",
		"jürgen@日本語.example":       "jürgen@xn--wgv71a119e.example",
		"ada@under_score.example":  "ada@under_score.example", // no host name: left as it is
		"without a domain":         "without a domain",
		"ada@faß.de":               "ada@xn--fa-hia.de",
		"ada@fullwidth．example":    "ada@fullwidth.example",
		"ada@trailing-.example":    "ada@trailing-.example",
		"ada@-.example":            "ada@-.example",
		"ada@example.com\u00ad.de": "ada@example.com.de",
	} {
		if got := identity.DeliveryEmail(email); got != want {
			t.Errorf("%q is sent to %q, want %q", email, got, want)
		}
	}
}

func TestAnAddressShowsAllOfItselfAndNamesAHost(t *testing.T) {
	for email, want := range map[string]string{
		"ada@claviger.example":                         "",
		" ada+keys@claviger.example ":                  "",
		"jürgen@bücher.example":                        "",
		"o'neil@claviger.example":                      "",
		"用户@例え.jp":                                     "",
		"हिन्दी@claviger.example":                      "", // with vowel signs, which are marks
		"root@localhost":                               "",
		"ada":                                          "plain",
		"ada@":                                         "plain",
		"@claviger.example":                            "plain",
		"ada@claviger.example, b@c.de":                 "plain",
		"Ada <ada@claviger.example>":                   "plain",
		`"a b"@claviger.example`:                       "plain",
		"a b@claviger.example":                         "plain",
		"ada\u200b@claviger.example":                   "seen", // zero width space
		"a\u00adda@claviger.example":                   "seen", // soft hyphen
		"ada\u3164@claviger.example":                   "seen", // Hangul filler, a letter
		"ada\ufe0f@claviger.example":                   "seen", // variation selector
		"ada\u2060@claviger.example":                   "seen", // word joiner
		"ada\u034f@claviger.example":                   "seen", // combining grapheme joiner
		"ada\U000e0061@claviger.example":               "seen", // tag
		"ada\u00a0b@claviger.example":                  "seen", // no-break space
		"ada\u2800@claviger.example":                   "seen", // braille blank
		"ada\u202e@claviger.example":                   "seen", // right-to-left override
		"ada@clavi\u200bger.example":                   "seen",
		"ada@clavi\u00adger.example":                   "seen",
		"ada\u0378@claviger.example":                   "seen", // no character at all
		"ada@under_score.example":                      "host name",
		"ada@-claviger.example":                        "host name",
		"ada@claviger-.example":                        "host name",
		"ada@xn--a.example":                            "host name", // what no name is encoded as
		"ada@[192.0.2.1]":                              "host name",
		"ada@" + strings.Repeat("a", 64) + ".example":  "host name",
		strings.Repeat("a", 250) + "@claviger.example": "254 bytes",
		"a@" + strings.Repeat("日本語.", 25) + "example":  "host name",
	} {
		faults := identity.EmailFaults(email)
		if want == "" {
			if len(faults) > 0 {
				t.Errorf("%q is refused: %v", email, faults)
			}
			continue
		}
		if len(faults) != 1 || faults[0].Name != "email" || faults[0].Code != "form" ||
			!strings.Contains(faults[0].Message, want) {
			t.Errorf("%q: %v, want one that speaks of %q", email, faults, want)
		}
	}
}

// The canonical form of an address must not change when it is computed again, so that it always
// finds the person who typed the address.
func TestTheCanonicalFormOfAnAddressIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		email := rapid.String().Draw(t, "local") + "@" + rapid.StringMatching(`[a-zäß日σς。.-]{1,12}`).Draw(t,
			"host name")
		canonical := identity.CanonicalEmail(email)
		if again := identity.CanonicalEmail(canonical); again != canonical {
			t.Errorf("%q is %q, and that is %q", email, canonical, again)
		}
		if utf8.ValidString(email) && !utf8.ValidString(canonical) {
			t.Errorf("%q became %q", email, canonical)
		}
		if len(identity.EmailFaults(email)) > 0 {
			return
		}
		if kept := identity.CanonicalEmail(identity.NormalEmail(email)); kept != canonical {
			t.Errorf("%q is kept as %q", email, kept)
		}
		if sent := identity.CanonicalEmail(identity.DeliveryEmail(identity.NormalEmail(email))); sent != canonical {
			t.Errorf("mail for %q goes to %q", email, sent)
		}
	})
}
