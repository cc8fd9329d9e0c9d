package store_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// queries returns the queries of the package. It fails the test if it did not find known ones.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all := readSource(t).queries()
	if want := `SELECT 1`; all["selectOne"] != want {
		t.Errorf("read selectOne as %q, it is %q", all["selectOne"], want)
	}
	if composed := all["selectKey"]; !strings.HasPrefix(composed, "SELECT k.id, ") || !strings.Contains(composed,
		" FROM keys k ") {
		t.Errorf("read selectKey, which is composed of constants, as %q", composed)
	}
	return all
}

// single returns a query in which each list has one element.
func single(text string) string { return strings.ReplaceAll(text, "…", "") }

func TestEveryQueryCanBePreparedOnEitherEngine(t *testing.T) {
	all := queries(t)
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := open(t, e)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			statement, err := b.Write.PrepareContext(t.Context(), single(all[name]))
			if err != nil {
				t.Errorf("%s: %v\n\t%s", name, err, all[name])
				continue
			}
			if err := statement.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestEveryQueryKeepsTheConventions(t *testing.T) {
	all := queries(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, departure := range departures(all[name]) {
			t.Errorf("%s: %s", name, departure)
		}
	}
}

func TestEveryStatementIsAConstantOfTypeQuery(t *testing.T) {
	for _, report := range readSource(t).strays() {
		t.Error(report)
	}
}

// banned lists forms that one engine lacks or interprets differently. String literals are removed
// before the check.
var banned = []struct {
	form *regexp.Regexp
	why  string
}{
	{regexp.MustCompile(`::`), "a cast is CAST(… AS …)"},
	{regexp.MustCompile(`(?i)\bIS\s+NULL\s+OR\b`), "an optional filter is another text"},
	{regexp.MustCompile(`(?i)\b(GREATEST|LEAST)\s*\(`), "GREATEST and LEAST are not in SQLite"},
	{regexp.MustCompile(`"`), "a double-quoted literal"},
	{regexp.MustCompile(`(?i)\bIDENTITY\b`), "ids and numbers are our own"},
	{regexp.MustCompile(`(?i)\bDELETE\b.*\bUSING\b`), "DELETE USING is not in SQLite"},
	{regexp.MustCompile(`(?i)\bWITH\b.*\b(INSERT|UPDATE|DELETE)\b`), "no DML in or after a CTE"},
	{regexp.MustCompile(`(?i)^\s*UPDATE\b[^()]*\bFROM\b`), "no FROM in UPDATE"},
	{regexp.MustCompile(`(?i)[^<>!]=\s*(0|1|TRUE|FALSE)\b`), "a flag is written bare"},
	{regexp.MustCompile(`(?i)\b(FROM|JOIN|INTO|UPDATE)\s+user\b`), "user is a word of PostgreSQL"},
	{regexp.MustCompile(`(?i)\bRETURNING\b(\s*\w+\s*,)*\s*(\w+\s*)?[^\s\w,)]`), "RETURNING gives bare columns"},
	{regexp.MustCompile(`\?`), "parameters are $1, $2 …"},
	{
		regexp.MustCompile(`(?i)\b(NOW\s*\(|CURRENT_TIMESTAMP|DATETIME\s*\(|RANDOM\s*\()`),
		"time and randomness are parameters",
	},
}

var (
	literal   = regexp.MustCompile(`'[^']*'`)
	parameter = regexp.MustCompile(`\$(\d+)`)
	likes     = regexp.MustCompile(`(?i)\bLIKE\b`)
	escaped   = regexp.MustCompile(`(?i)\bLIKE\s+\$\d+\s+ESCAPE\s+'\\'`)
	upsert    = regexp.MustCompile(`(?i)\bSELECT\b(.*)\bON\s+CONFLICT\b`)
	// selfUpdate matches an UPDATE that may change nothing. The one of the counters is allowed: it
	// tests whether anything can be written.
	selfUpdate = regexp.MustCompile(`(?i)^\s*UPDATE (\w+) SET (\w+) = (\w+)(?: WHERE .*)?$`)
	extremum   = regexp.MustCompile(`(?i)\b(MAX|MIN)\s*\(`)
)

// departures lists the conventions that the text of a query breaks.
func departures(text string) (all []string) {
	line := strings.Join(strings.Fields(text), " ")
	bare := literal.ReplaceAllString(line, "''")
	for _, b := range banned {
		if b.form.MatchString(bare) {
			all = append(all, b.why)
		}
	}
	if len(likes.FindAllString(bare, -1)) != len(escaped.FindAllString(line, -1)) {
		all = append(all, `LIKE is LIKE $1 ESCAPE '\'`)
	}
	if m := upsert.FindStringSubmatch(bare); m != nil && !strings.Contains(strings.ToUpper(m[1]), "WHERE") {
		all = append(all, "an upsert from SELECT has WHERE TRUE")
	}
	if m := selfUpdate.FindStringSubmatch(bare); m != nil && m[2] == m[3] && m[1] != "counters" {
		all = append(all, "a row is locked by Tx.lock")
	}
	if scalarExtremum(bare) {
		all = append(all, "MAX and MIN of several values mean other things")
	}
	return append(all, unused(bare)...)
}

// scalarExtremum reports whether a MAX or MIN has several arguments.
func scalarExtremum(text string) bool {
	for _, found := range extremum.FindAllStringIndex(text, -1) {
		depth := 1
		for _, c := range text[found[1]:] {
			switch {
			case c == '(':
				depth++
			case c == ')':
				depth--
			case c == ',' && depth == 1:
				return true
			}
			if depth == 0 {
				break
			}
		}
	}
	return false
}

// unused lists the parameters that do not appear although a higher one does.
func unused(text string) (all []string) {
	seen, highest := map[int]bool{}, 0
	for _, m := range parameter.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		seen[n], highest = true, max(highest, n)
	}
	for n := 1; n <= highest; n++ {
		if !seen[n] {
			all = append(all, fmt.Sprintf("$%d is not used", n))
		}
	}
	return all
}
