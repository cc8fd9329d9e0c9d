package cli_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A document shows the output of one run. Values that differ between runs are recognized by their
// form. The value of this run is stored. Where the document repeats its value, in a command or in
// output, this run must have the stored value. In output, … stands for any text on a line, and a
// line with only … stands for any lines.

// values maps the values in a document to the values of this run.
type values map[string]string

// Forms of values: the address of a server, the credentials of HTTP Basic, a time, and any long
// word with a digit, such as an id or a secret.
const (
	addressForm = `127\.0\.0\.1:[0-9]+`
	basicForm   = `\bBasic [0-9A-Za-z+/]+=*`
	timeForm    = `[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z`
	wordForm    = `[0-9A-Za-z_-]{16,}`
)

var (
	forms     = []string{addressForm, basicForm, timeForm, wordForm}
	valueForm = regexp.MustCompile(strings.Join(forms, "|"))
	isTime    = regexp.MustCompile("^" + timeForm + "$")
	columnGap = regexp.MustCompile(` {2,}`)
)

// formOf returns the form of a value. It returns "" for a word without a digit, which must not
// differ.
func formOf(value string) string {
	for _, form := range forms {
		if whole := regexp.MustCompile("^(?:" + form + ")$"); whole.MatchString(value) && (form != wordForm ||
			strings.ContainsAny(value, "0123456789")) {
			return form
		}
	}
	return ""
}

// match reports whether the text begins with the output in a document. If so, it stores the values
// of this run.
func (v values) match(shown []string, text string) bool {
	pattern, names := shape(shown)
	found := pattern.FindStringSubmatch(text)
	if found == nil {
		return false
	}
	news := values{}
	for i, name := range names {
		switch known, ok := v[name]; {
		case isTime.MatchString(name):
		case ok && known != found[i+1], news[name] != "" && news[name] != found[i+1]:
			return false
		default:
			news[name] = found[i+1]
		}
	}
	maps.Copy(v, news)
	return true
}

// shape returns a pattern for the lines in a document, and the values in them, one for each group.
func shape(shown []string) (pattern *regexp.Regexp, names []string) {
	var text strings.Builder
	text.WriteString(`^`)
	for _, line := range shown {
		if line == "…" {
			text.WriteString(`(?:[^\n]*\n)*?`)
			continue
		}
		end := 0
		for _, at := range valueForm.FindAllStringIndex(line, -1) {
			if like := formOf(line[at[0]:at[1]]); like != "" {
				text.WriteString(literal(line[end:at[0]]) + "(" + like + ")")
				names, end = append(names, line[at[0]:at[1]]), at[1]
			}
		}
		text.WriteString(literal(strings.TrimRight(line[end:], " ")) + ` *\n`)
	}
	return regexp.MustCompile(text.String()), names
}

// literal returns a pattern for text, in which … matches any text and the width of columns may
// differ.
func literal(text string) string {
	text = strings.ReplaceAll(regexp.QuoteMeta(text), "…", `[^\n]*`)
	return columnGap.ReplaceAllString(text, ` +`)
}

// substitute returns the text with the values of this run.
func (v values) substitute(text string) string {
	longest := slices.SortedFunc(maps.Keys(v), func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, name := range longest {
		pairs = append(pairs, name, v[name])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func TestAShownTextIsLikeItselfWithOtherValues(t *testing.T) {
	t.Parallel()
	shown := []string{"key  key_01m7zamhnzv4nw8hjyeh", "…", "again key_01m7zamhnzv4nw8hjyeh at 2026-11-28 15:12:14Z …"}
	const one, other = "key_1111111111111111", "key_2222222222222222"
	const at = " at 2030-01-01 00:00:00Z "
	for text, want := range map[string]bool{
		"key     " + one + "\nmore\nmore\nagain " + one + at + "and so on\nlog\n": true,
		"key " + one + "\nagain " + one + at + "\n":                               true,
		"key " + one + "\nagain " + other + at + "\n":                             false,
		"key " + one + "\nagain " + one + " at noon\n":                            false,
		"": false,
	} {
		v := values{}
		if v.match(shown, text) != want {
			t.Errorf("%q: want %t", text, want)
		}
		if got := v.substitute("show key_01m7zamhnzv4nw8hjyeh"); want && got != "show key_1111111111111111" {
			t.Errorf("got %q", got)
		}
	}
}
