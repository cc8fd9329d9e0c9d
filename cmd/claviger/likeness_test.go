package main_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A document shows what one run printed. Values that differ from run to run are found by their form, and what is printed here in their place is remembered: where
// the document has the value again, in a command or in what that prints, it is the same one here. In what is shown, … stands for anything on a line, and alone
// on a line for any lines.

// values are what this run has in the place of what a document shows.
type values map[string]string

// forms of values: a server's address, the credentials of HTTP Basic, a time, and any long word with a digit in it, such as ids and secrets.
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
	gap       = regexp.MustCompile(` {2,}`)
)

// likeOf gives the form of a value; "" for a word without a digit, which is meant as it is.
func likeOf(value string) string {
	for _, form := range forms {
		if whole := regexp.MustCompile("^(?:" + form + ")$"); whole.MatchString(value) && (form != wordForm || strings.ContainsAny(value, "0123456789")) {
			return form
		}
	}
	return ""
}

// learn reports whether the text is what a document shows, and then remembers its values. What follows the text that is shown does not count.
func (v values) learn(shown []string, text string) bool {
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

// shape gives the pattern of the lines that a document shows, and the values in it, one a group.
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
			if like := likeOf(line[at[0]:at[1]]); like != "" {
				text.WriteString(literal(line[end:at[0]]) + "(" + like + ")")
				names, end = append(names, line[at[0]:at[1]]), at[1]
			}
		}
		text.WriteString(literal(strings.TrimRight(line[end:], " ")) + ` *\n`)
	}
	return regexp.MustCompile(text.String()), names
}

// literal is text as it is, but for … and for the width of columns.
func literal(text string) string {
	text = strings.ReplaceAll(regexp.QuoteMeta(text), "…", `[^\n]*`)
	return gap.ReplaceAllString(text, ` +`)
}

// here gives the text with the values of this run.
func (v values) here(text string) string {
	longest := slices.SortedFunc(maps.Keys(v), func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, name := range longest {
		pairs = append(pairs, name, v[name])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func TestAShownTextIsLikeItselfWithOtherValues(t *testing.T) {
	shown := []string{"key  key_01m7zamhnzv4nw8hjyeh", "…", "again key_01m7zamhnzv4nw8hjyeh at 2026-11-28 15:12:14Z …"}
	for text, want := range map[string]bool{
		"key     key_1111111111111111\nmore\nmore\nagain key_1111111111111111 at 2030-01-01 00:00:00Z and so on\nlog\n": true,
		"key key_1111111111111111\nagain key_1111111111111111 at 2030-01-01 00:00:00Z \n":                               true,
		"key key_1111111111111111\nagain key_2222222222222222 at 2030-01-01 00:00:00Z \n":                               false,
		"key key_1111111111111111\nagain key_1111111111111111 at noon\n":                                                false,
		"": false,
	} {
		v := values{}
		if v.learn(shown, text) != want {
			t.Errorf("%q: want %t", text, want)
		}
		if got := v.here("show key_01m7zamhnzv4nw8hjyeh"); want && got != "show key_1111111111111111" {
			t.Errorf("it gives %q", got)
		}
	}
}
