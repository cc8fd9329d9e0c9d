package oauth

import (
	"net/url"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
)

// A form that is accepted has each known parameter at most once, with the value that every other
// reader of forms finds.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"grant_type=client_credentials&scope=a%3Ab", "token=x&token=y", "client_id=a+b", "%", "a=%zz", "&&", "token",
		"token=", "token=&token=", "other=1&other=2", "a;b=c", "grant%5ftype=x&grant_type=y",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := parseForm(text)
		values, other := url.ParseQuery(text)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Malformed {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if other != nil {
			t.Fatalf("%q is accepted, and cannot be read: %v", text, other)
		}
		for _, name := range parameters {
			if sent := values[name]; len(sent) > 1 || form.get(name) != strings.Join(sent, "") {
				t.Fatalf("%q: %s is %q", text, name, form.get(name))
			}
		}
	})
}

// A description has no character that RFC 6749 section 5.2 forbids.
func FuzzDescription(f *testing.F) {
	f.Add(`a "quoted" text \ with ünïcode` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range description(text) {
			if c < ' ' || c > '~' || c == '"' || c == '\\' {
				t.Fatalf("%q becomes %q", text, description(text))
			}
		}
	})
}
