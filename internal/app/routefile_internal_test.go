package app

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/route"
)

const (
	oneRule   = "entries:\n- name: default\n  hosts: [api.example.com]\n  rules:\n  - {path: /one, public: true}\n"
	bad       = otherRule + "  oops: 1\n"
	otherRule = "entries:\n- name: default\n  rules:\n  - {path: /other, public: true}\n"
)

func writeRules(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	next := path + ".next"
	err := os.WriteFile(next, []byte(text), mode)
	if err == nil {
		err = os.Chmod(next, mode)
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAChangedFileOfRulesCountsWithoutARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "routes.yaml")
	var log bytes.Buffer
	writeRules(t, path, oneRule, 0o600)
	f, err := openRouteFile(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	a := &App{routes: routes{file: f}}
	const changed = "the file of route rules has changed"
	for _, step := range []struct {
		name   string
		change func()
		public string // the path that is public
		failed int
		logged string // what the log has after this step, once
	}{
		{"at the start", func() {}, "/one", 0, ""},
		{"a bad file", func() { writeRules(t, path, bad, 0o600) }, "/one", 1, ":5:3: an entry has no"},
		{"the same bad file", func() {}, "/one", 1, ""},
		{"a good file", func() { writeRules(t, path, otherRule, 0o644) }, "/other", 0, changed},
		{"a file that others can write", func() { writeRules(t, path, oneRule, 0o666) }, "/other", 1, "chmod go-w"},
		{"no file", func() { _ = os.Remove(path) }, "/other", 1, "no such file"},
		{"a file again", func() { writeRules(t, path, oneRule, 0o600) }, "/one", 0, changed},
	} {
		log.Reset()
		step.change()
		if err := f.reload(t.Context()); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		got := log.String()
		if strings.Count(got, "\n") != min(len(step.logged), 1) || !strings.Contains(got, step.logged) {
			t.Errorf("%s: the log has %q, want one line with %q", step.name, got, step.logged)
		}
		for _, p := range []string{"/one", "/other"} {
			e, err := a.routes.Entry(t.Context(), "default", "")
			if err != nil {
				t.Fatal(err)
			}
			target, _ := route.ParseTarget(p)
			m, found, err := a.routes.Match(t.Context(), e, "GET", target, nil)
			if err != nil || found != (p == step.public) || found && !m.Rule.Public {
				t.Errorf("%s: %s found %v, %v, want %s to be public", step.name, p, found, err, step.public)
			}
		}
		if got := a.routes.fileFailed(); got != step.failed {
			t.Errorf("%s: the metric is %d, want %d", step.name, got, step.failed)
		}
	}
}

func TestABadFileOfRulesStopsTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "routes.yaml")
	writeRules(t, path, oneRule+"  - path: a\n", 0o600)
	if _, err := openRouteFile(path, slog.Default()); err == nil || !strings.Contains(err.Error(), path+":6:11: ") {
		t.Errorf("%v, want the position", err)
	}
}

func TestAnEntryIsFoundByItsNameOrItsHost(t *testing.T) {
	f := &routeFile{}
	f.current.Store(&route.File{Entries: []route.Entry{
		{Name: "api", Hosts: []string{"api.example.com"}}, {Name: "default"},
	}})
	stored := func(context.Context) ([]route.Entry, error) {
		return []route.Entry{{Name: "default", Tenant: "ten_x"}, {Name: "stored", Tenant: "ten_x"}}, nil
	}
	r := routes{file: f, database: stored}
	for _, c := range []struct{ name, host, want string }{
		{"api", "", "api"},
		{"api", "other.example.com", "api"},
		{"default", "api.example.com", "default"},
		{"", "api.example.com", "api"},
		{"", "API.example.com.:8443", "api"},
		{"", "x.api.example.com", "default"},
		{"", "", "default"},
		{"stored", "api.example.com", "stored"},
		{"none", "api.example.com", ""},
	} {
		e, err := r.Entry(t.Context(), c.name, c.host)
		if c.want == "" {
			if fault.KindOf(err) != fault.RouteUnknown {
				t.Errorf("%q of %q: %v, %v, want route_unknown", c.name, c.host, e, err)
			}
			continue
		}
		if err != nil || e.Name != c.want || (e.Tenant != "") != (c.want == "stored") {
			t.Errorf("%q of %q: %+v, %v, want %s", c.name, c.host, e, err, c.want)
		}
	}
	r.file = nil
	if e, err := r.Entry(t.Context(), "", "api.example.com"); err != nil || e.Tenant != "ten_x" {
		t.Errorf("without a file: %+v, %v, want the entry of the database", e, err)
	}
}
