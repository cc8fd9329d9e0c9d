package console

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

// exporter is a call of a person who exports something.
func exporter(t *testing.T) *call {
	t.Helper()
	return &call{
		Request: httptest.NewRequestWithContext(t.Context(), "GET", "/", nil),
		session: principal.Session{User: principal.Person{ID: "usr_a"}},
	}
}

// always lets an export go on.
func always() error { return nil }

func TestAnExportEndsWithItsSession(t *testing.T) {
	t.Parallel()
	parts := 0
	w := httptest.NewRecorder()
	err := new(Console).streamWhile(w, exporter(t), &export{
		name: "a.jsonl", columns: []string{"n"},
		read: func(_ context.Context, row func(...string), part func() error) error {
			for {
				row("one")
				parts++
				if err := part(); err != nil {
					return err
				}
			}
		},
	}, func() error {
		if parts == 2 {
			return fault.SessionEnded
		}
		return nil
	})
	const want = "{\"n\":\"one\"}\n{\"n\":\"one\"}\n{\"complete\":false,\"rows\":2"
	if err != nil || !strings.HasPrefix(w.Body.String(), want) {
		t.Errorf("%v, %q", err, w.Body.String())
	}
}

func TestAnExportThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	const line = "{\"n\":\"one\"}\n"
	const broken = `{"complete":false,"rows":1,"error":"The database is down."}` + "\n"
	down := fault.New(fault.Unavailable, "The database is down.")
	for name, c := range map[string]struct {
		file  string
		parts int
		err   error
		want  string
	}{
		"CSV":                        {"a.csv", 1, nil, "n\none\n"},
		"CSV that breaks off":        {"a.csv", 1, down, "n\none\nThis export is incomplete: The database is down.\n"},
		"JSON":                       {"a.jsonl", 1, nil, "{\"n\":\"one\"}\n{\"complete\":true,\"rows\":1}\n"},
		"JSON without rows":          {"a.jsonl", 0, nil, "{\"complete\":true,\"rows\":0}\n"},
		"JSON that breaks off":       {"a.jsonl", 1, down, line + broken},
		"nothing before it failed":   {"a.jsonl", 0, down, ""},
		"nothing of CSV before, too": {"a.csv", 0, down, ""},
	} {
		w := httptest.NewRecorder()
		err := new(Console).streamWhile(w, exporter(t), &export{
			name: c.file, columns: []string{"n"},
			read: func(_ context.Context, row func(...string), part func() error) error {
				for range c.parts {
					row("one")
					if err := part(); err != nil {
						return err
					}
				}
				return c.err
			},
		}, always)
		if failed := c.parts == 0 && c.err != nil; (err != nil) != failed || w.Body.String() != c.want {
			t.Errorf("%s: %v, %q", name, err, w.Body.String())
		}
	}
}

func TestAPersonExportsOneThingAtATime(t *testing.T) {
	t.Parallel()
	c := new(Console)
	none := &export{name: "a.csv"}
	none.read = func(context.Context, func(...string), func() error) error { return nil }
	first := &export{name: "a.csv"}
	first.read = func(context.Context, func(...string), func() error) error {
		if err := c.streamWhile(httptest.NewRecorder(), exporter(t), none, always); !errors.Is(err, fault.Conflict) {
			t.Errorf("beside another: %v", err)
		}
		other := exporter(t)
		other.session.User.ID = "usr_b"
		if err := c.streamWhile(httptest.NewRecorder(), other, none, always); err != nil {
			t.Errorf("another person: %v", err)
		}
		return nil
	}
	for range 2 { // the second time, the first has ended
		if err := c.streamWhile(httptest.NewRecorder(), exporter(t), first, always); err != nil {
			t.Error(err)
		}
	}
}

func TestNoCellIsAFormula(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "": "",
		"a=1": "a=1", "1": "1",
	} {
		if got := plainCell(text); got != want {
			t.Errorf("%q is %q, not %q", text, got, want)
		}
	}
}
