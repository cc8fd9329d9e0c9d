package web_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// What is accepted means to the standard library what it means here: each parameter once, known,
// and with a value.
func FuzzCheckQuery(f *testing.F) {
	for _, seed := range []string{
		"", "q=a", "q=a&limit=5", "q=100%", "q=%ff", "q=a;b", "%71=a", "q=a&q=b", "q=", "q", "&",
		"colour=blue", "q=a+b%20c", "q==", "q=%3D%26", "q=\xff", "q=é",
	} {
		f.Add(seed)
	}
	names := []string{"q", "limit", "cursor"}
	f.Fuzz(func(t *testing.T, raw string) {
		const secret = "zXzSecretzXz"
		for _, misplaced := range []string{
			raw + "&q=" + secret + "%", raw + "&" + secret, raw + "&" + secret + "=" + secret,
			"q=" + secret + "&q=" + raw,
		} {
			err := web.CheckQuery(misplaced, names)
			text := fault.Message(err)
			for _, f := range fault.Fields(err) {
				text += f.Name + f.Code + f.Message
			}
			if strings.Contains(text, secret) {
				t.Fatalf("%q: the refusal repeats what was sent: %s", misplaced, text)
			}
		}
		if err := web.CheckQuery(raw, names); err != nil {
			if k := fault.KindOf(err); k != fault.Malformed && k != fault.ValidationFailed {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		values, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		for name, sent := range values {
			if !slices.Contains(names, name) || len(sent) != 1 || sent[0] == "" || !utf8.ValidString(sent[0]) {
				t.Fatalf("%q: accepted with %s %q", raw, name, sent)
			}
		}
		again := values.Encode()
		if err := web.CheckQuery(again, names); err != nil {
			t.Fatalf("%q: refused as %q: %v", raw, again, err)
		}
		if raw != "" && strings.Count(raw, "&")+1 != len(values) {
			t.Fatalf("%q: %d values", raw, len(values))
		}
	})
}
