package scan_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/credential"
)

// document is docs/scanners.md, whose own patterns and numbers are tested here. tools/guide runs
// its programs.
func document(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "scanners.md"))
	must(t, err)
	return string(text)
}

// patternRow is a row of the table of patterns.
var patternRow = regexp.MustCompile("(?m)^\\| `(\\w+)`([^|]*)\\| `([^`]+)` \\| ([^|]*) \\|$")

// published returns the patterns of the document by style; "halves" is the one for a token's public
// id and secret.
func published(t testing.TB) map[string]*regexp.Regexp {
	t.Helper()
	all := map[string]*regexp.Regexp{}
	for _, row := range patternRow.FindAllStringSubmatch(document(t), -1) {
		name := row[1]
		if strings.TrimSpace(row[2]) != "" {
			name = "halves"
		}
		all[name] = regexp.MustCompile(row[3])
	}
	if len(all) != 4 {
		t.Fatalf("the document has %d patterns", len(all))
	}
	return all
}

// rule is one of the document's for gitleaks.
var rule = regexp.MustCompile(`(?m)^id = "claviger-([a-z-]+)"\n.*\nregex = '''(.*)'''\n` +
	`secretGroup = 1(?:\nkeywords = \["(.*)"\])?$`)

// gitleaksRules returns the patterns of the rules, under the names that published has.
func gitleaksRules(t testing.TB) map[string]*regexp.Regexp {
	t.Helper()
	all := map[string]*regexp.Regexp{}
	for _, found := range rule.FindAllStringSubmatch(document(t), -1) {
		name := strings.Replace(found[1], "token-pair", "halves", 1)
		all[name] = regexp.MustCompile(found[2])
		if all[name].NumSubexp() != 1 || !strings.Contains(found[2], found[3]) {
			t.Errorf("the rule %s has %d groups, or a keyword that its pattern has not", found[1],
				all[name].NumSubexp())
		}
	}
	if len(all) != 4 {
		t.Fatalf("the document has %d rules", len(all))
	}
	return all
}

func TestThePublishedPatternsMatchEveryKeyThatIsMinted(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	patterns, rules := published(t), gitleaksRules(t)
	rapid.Check(t, func(r *rapid.T) {
		m := k.Issue(shapes().Draw(r, "shape"))
		keys := map[string]string{string(m.Shape.Style): m.Value.Reveal()}
		if m.Shape.Style == credential.Token {
			keys["halves"] = m.PublicID + ":" + m.Secret.Reveal()
		}
		before := rapid.SampledFrom([]string{"", " ", "KEY=", `"`, "\t'", "https://", "é"}).Draw(r, "before")
		after := rapid.SampledFrom([]string{"", "\n", " ", `"`, "',", "@host", "é", `\n`}).Draw(r, "after")
		for name, key := range keys {
			if got := patterns[name].FindString(before + key + after); got != key {
				r.Fatalf("the pattern of %s does not match all of a key", name)
			}
			if got := rules[name].FindStringSubmatch(before + key + after); got == nil || got[1] != key {
				r.Fatalf("the rule of %s does not match all of a key", name)
			}
			for other := range patterns {
				if other != name && (patterns[other].MatchString(key) || rules[other].MatchString(key)) {
					r.Fatalf("%s matches a key of %s", other, name)
				}
			}
		}
	})
}

func TestThePublishedPatternsMatchNothingElse(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	texts := []string{
		"", k.Issue(uuid).Value.Reveal(), "clv_ak_7Hq2mZ0aBcDtTtTt_…", "ak_7Hq2mZ0aBcDtTtTt",
		strings.Repeat("a", 200), strings.Repeat("0", 200),
		"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "https://example.com/a_b_c?d=e",
		base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("key:"), 50)), "sub_01m7z51nc4y94zpp:short",
		"oauth2-proxy@example.com:4180", "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"some_function_name_with_words(" + strings.Repeat("x", 48) + ")",
	}
	for _, shape := range findable {
		value := k.Issue(shape).Value.Reveal()
		texts = append(texts, value[:len(value)-1], value+"0", strings.ToUpper(value), value[:10]+" "+value[10:])
	}
	all := []map[string]*regexp.Regexp{published(t), gitleaksRules(t)}
	for _, text := range texts {
		for _, patterns := range all {
			for name, pattern := range patterns {
				if pattern.MatchString(text) {
					t.Errorf("the pattern of %s matches %q", name, text)
				}
			}
		}
	}
}

// division is a row of the example.
var division = regexp.MustCompile("(?m)^\\| ([0-9]+) \\| ([0-9]+) \\| ([0-9]+) \\| `(.)` \\|$")

func TestTheExampleOfTheChecksumIsRight(t *testing.T) {
	t.Parallel()
	text := "clv_ak_" + strings.Repeat("0", 16) + "_" + strings.Repeat("0", 42)
	crc := crc32.ChecksumIEEE([]byte(text))
	want := fmt.Sprintf("Their CRC-32 is `%#08x`, which is %d.", crc, crc)
	if !strings.Contains(strings.Join(strings.Fields(document(t)), " "), want) {
		t.Errorf("the document does not say: %s", want)
	}
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum, number := "", crc
	for _, row := range division.FindAllStringSubmatch(document(t), -1) {
		rest := number % 62
		want := []string{row[0], fmt.Sprint(number), fmt.Sprint(number / 62), fmt.Sprint(rest), digits[rest : rest+1]}
		if !slices.Equal(row, want) {
			t.Errorf("the document divides %v, not %v", row[1:], want[1:])
		}
		sum, number = digits[rest:rest+1]+sum, number/62
	}
	sum = "0" + sum
	if number != 0 || len(sum) != 6 || !strings.Contains(document(t), "the checksum is `"+sum+"`") {
		t.Errorf("the checksum is %s", sum)
	}
	if _, ok := credential.Parse(text + sum); !ok {
		t.Errorf("%s is not the checksum that package credential computes", strconv.Quote(sum))
	}
}
