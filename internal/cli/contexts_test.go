package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// signedInAt signs the owner of a sample in, with the home directory of the installation, and
// returns the output.
func (s *installation) signedInAt(t *testing.T, line sample.Sample, args ...string) string {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(password, []byte(line.Password), 0o600))
	args = append([]string{"login", "--server", line.URL, "--email", line.Email, "--password-file", password}, args...)
	p := s.launch(t, args...)
	if code := p.exit(waitTimeout); code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, p.stderr.String())
	}
	return p.stdout.String() + p.stderr.String()
}

// kept is a context in contexts.json.
func (s *installation) kept(t *testing.T, name string) (c struct{ Server, Tenant, Session string }) {
	t.Helper()
	var all struct {
		Contexts map[string]struct{ Server, Tenant, Session string }
	}
	must(t, json.Unmarshal([]byte(readFile(t, filepath.Join(s.dir, ".config", "claviger", "contexts.json"))), &all))
	return all.Contexts[name]
}

func TestASignInAtAnotherServerKeepsNoTenantAndNoSessionOfTheFirst(t *testing.T) {
	t.Parallel()
	one, two := newSample(t, testkit.SQLite), newInstallation(t, testkit.SQLite)
	two.dir = one.dir // the same home directory
	first, second := one.dev(t).ready(), two.dev(t).ready()
	one.signedInAt(t, first, "--tenant", first.Tenants[0].ID)
	before := one.kept(t, strings.TrimPrefix(first.URL, "http://"))
	if before.Tenant != first.Tenants[0].ID || before.Session == "" {
		t.Fatalf("the first sign-in keeps %+v", before)
	}

	p := two.launch(t, "whoami", "--server", second.URL)
	if code := p.exit(waitTimeout); code != 3 || !strings.Contains(p.stderr.String(), "not signed in to "+second.URL) {
		t.Errorf("before a sign-in there: exit code %d: %s", code, p.stderr.String())
	}
	two.signedInAt(t, second)
	now := two.kept(t, strings.TrimPrefix(second.URL, "http://"))
	if now.Tenant != "" || now.Session == before.Session {
		t.Errorf("the second sign-in keeps %+v", now)
	}
	if again := one.kept(t, strings.TrimPrefix(first.URL, "http://")); again != before {
		t.Errorf("the first context is %+v now, and was %+v", again, before)
	}
	// A context that changes its server loses its tenant too.
	two.signedInAt(t, second, "--context", strings.TrimPrefix(first.URL, "http://"))
	if moved := two.kept(t, strings.TrimPrefix(first.URL, "http://")); moved.Tenant != "" ||
		moved.Server != second.URL {
		t.Errorf("the context that moved keeps %+v", moved)
	}
}

// This happens when `claviger serve` starts at the address where `make run` has ended.
func TestASignInAtANewServerOfTheSameAddressDropsTheOldTenant(t *testing.T) {
	t.Parallel()
	one, two := newSample(t, testkit.SQLite), newInstallation(t, testkit.SQLite)
	server := one.dev(t)
	first := server.ready()
	one.signedInAt(t, first, "--tenant", first.Tenants[0].ID)
	server.term()
	two.dir, two.listen = one.dir, strings.TrimPrefix(first.URL, "http://")
	second := two.dev(t).ready()
	p := two.launch(t, "keys", "list")
	if code := p.exit(waitTimeout); code != 3 || !strings.Contains(p.stderr.String(),
		"The server does not know your session") {
		t.Errorf("with the session of the first: exit code %d: %s", code, p.stderr.String())
	}
	said := two.signedInAt(t, second)
	gone := "The default tenant " + first.Tenants[0].ID + " of this context does not exist on this server"
	if !strings.Contains(said, gone) {
		t.Errorf("it says %s", said)
	}
	if now := two.kept(t, two.listen); now.Tenant != "" {
		t.Errorf("the sign-in keeps %+v", now)
	}
	p = two.launch(t, "keys", "list")
	if code := p.exit(waitTimeout); code != 2 || !strings.Contains(p.stderr.String(),
		second.Tenants[0].ID+" (Standard)") {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
	// The tenant stays for the same server and user.
	two.signedInAt(t, second, "--tenant", "Standard")
	two.signedInAt(t, second)
	if now := two.kept(t, two.listen); now.Tenant != second.Tenants[0].ID {
		t.Errorf("a sign-in at the same server keeps %+v", now)
	}
}
