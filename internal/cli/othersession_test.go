package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// foreignServer accepts every sign-in and every set-up link, and records the cookies that it gets.
type foreignServer struct {
	*httptest.Server
	mu      sync.Mutex
	cookies []string
	calls   int
}

func newForeignServer(t *testing.T) *foreignServer {
	t.Helper()
	f := &foreignServer{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.calls++
		if got := r.Header.Get("Cookie"); got != "" {
			f.cookies = append(f.cookies, r.Method+" "+r.URL.Path+": "+got)
		}
		http.SetCookie(w, &http.Cookie{Name: "claviger", Value: "of-the-foreign-server", Path: "/"})
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"user":{"id":"usr_1"},"expires_at":"2030-01-01T00:00:00Z","memberships":[]}`))
	}))
	t.Cleanup(f.Close)
	return f
}

// received returns how many requests the server got, and their cookies.
func (f *foreignServer) received() (calls int, cookies []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls, f.cookies
}

// sessionWorks reports whether a session of a sample's server is valid.
func sessionWorks(t *testing.T, line sample.Sample, session string) bool {
	t.Helper()
	anyone, err := client.New(line.URL)
	must(t, err)
	signedIn, err := anyone.WithSession(client.SavedSession(session))
	must(t, err)
	_, err = signedIn.Whoami(t.Context())
	return err == nil
}

// TestAForeignServerGetsNoSession signs in at one server, and then runs each command that can name
// another server.
func TestAForeignServerGetsNoSession(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	first := s.dev(t).ready()
	name := strings.TrimPrefix(first.URL, "http://")
	file := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(file, []byte(chosen+"\n"), 0o600))
	for _, c := range []struct {
		what  string
		given string // on standard input; LINK is the address of the foreign server
		env   string
		args  []string
		// refused is set if the command must not call the foreign server at all, and moves if the
		// context belongs to the foreign server afterwards.
		refused, moves bool
	}{
		{what: "a set-up link", given: "LINK/setup/token", args: founding("--password-file", file)},
		{
			what: "a set-up link, with a context in the environment", given: "LINK/setup/token",
			env: "CLAVIGER_CONTEXT=" + name, args: founding("--password-file", file),
		},
		{
			what: "a set-up link, with a server in the environment", given: "LINK/setup/token",
			env: "CLAVIGER_SERVER=" + first.URL, args: founding("--password-file", file),
		},
		{
			what: "a set-up token and the address", given: "token",
			args: founding("--password-file", file, "--server", "LINK"),
		},
		{
			what: "a sign-in",
			args: []string{"login", "--server", "LINK", "--email", "a@b.example", "--password-file", file},
		},
		{
			what: "a set-up link for the context of the first server", given: "LINK/setup/token", moves: true,
			args: founding("--password-file", file, "--server", "LINK", "--context", name),
		},
		{
			what: "a sign-in with the context of the first server", moves: true,
			args: []string{
				"login", "--server", "LINK", "--context", name, "--email", "a@b.example", "--password-file", file,
			},
		},
		{what: "whoami", args: []string{"whoami", "--server", "LINK"}, refused: true},
		{
			what: "whoami with the context", args: []string{"whoami", "--server", "LINK", "--context", name},
			refused: true,
		},
		{what: "a sign-out", args: []string{"logout", "--server", "LINK"}, refused: true},
		{what: "a claim link", given: "LINK/claim/token", args: []string{"keys", "claim"}, refused: true},
		{what: "a claim", given: "token", args: []string{"keys", "claim", "--server", "LINK"}, refused: true},
		{
			what: "a password link", given: "LINK/password/token",
			args: []string{"password", "reset", "--password-file", file}, refused: true,
		},
		{
			what: "a password token", given: "token",
			args: []string{"password", "reset", "--server", "LINK", "--password-file", file},
		},
		{
			what: "a request for a password link",
			args: []string{"password", "request", "--server", "LINK", "--email", "a@b.example"},
		},
	} {
		s.dir = t.TempDir()
		s.signedInAt(t, first)
		before, foreign := s.kept(t, name), newForeignServer(t)
		at := func(text string) string { return strings.ReplaceAll(text, "LINK", foreign.URL) }
		for i := range c.args {
			c.args[i] = at(c.args[i])
		}
		cmd := s.command(c.args...)
		cmd.Stdin = strings.NewReader(at(c.given))
		if c.env != "" {
			cmd.Env = append(cmd.Env, c.env)
		}
		p := launch(t, cmd)
		code := p.exit(waitTimeout)
		calls, cookies := foreign.received()
		switch {
		case len(cookies) > 0:
			t.Errorf("%s: the foreign server got %q", c.what, cookies)
		case (calls == 0) != c.refused:
			t.Errorf("%s: the foreign server got %d requests; exit code %d: %s", c.what, calls, code, p.stderr.String())
		}
		if !sessionWorks(t, first, before.Session) {
			t.Errorf("%s: the session at the first server ended", c.what)
		}
		if now := s.kept(t, name); (now != before) != c.moves {
			t.Errorf("%s: the context is %+v now, and was %+v", c.what, now, before)
		}
	}
}
