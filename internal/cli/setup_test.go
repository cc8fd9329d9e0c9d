package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const chosen = "correct horse battery staple"

// founding is a setup command without the link and the password.
func founding(more ...string) []string {
	return append([]string{
		"setup", "--account", "Your company", "--email", "you@claviger.example", "--name",
		"Your name",
	}, more...)
}

func TestTheFirstAccountIsMadeByTheCommandLine(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	link := s.serve(t).logged(setupLine)
	file := filepath.Join(s.dir, "password")
	must(t, os.WriteFile(file, []byte(chosen+"\n"), 0o600))

	try := func(given string, code int, says string, args ...string) {
		t.Helper()
		cmd := s.command(args...)
		cmd.Stdin = strings.NewReader(given)
		p := launch(t, cmd)
		got, said := p.exit(waitTimeout), p.stdout.String()+p.stderr.String()
		if got != code || !strings.Contains(said, says) || strings.Contains(said, link) || strings.Contains(said,
			chosen) {
			t.Errorf("%v: exit code %d: %s", args, got, said)
		}
	}
	try(link, 2, "standard input can contain only one secret", founding()...)
	try(link, 2, "give --account", "setup", "--password-file", file)
	try(link, 2, "claviger setup --server http",
		founding("--password-file", file, "--server", "http://claviger.example.com")...)
	try(link[:len(link)-1], 5, "(link_invalid)", founding("--password-file", file)...)
	// None of these has used the link. The link names the server.
	try(link, 0, "Created the account Your company. You are signed in to http://127.0.0.1",
		founding("--password-file", file)...)
	try(link, 5, "ask for a new link", founding("--password-file", file)...)

	var me api.Whoami
	must(t, json.Unmarshal(s.output(t, "whoami", "--json"), &me))
	if len(me.Accounts) != 1 || me.Accounts[0].Role != "owner" || len(me.Memberships) != 1 {
		t.Errorf("signed in as %+v", me)
	}
	where := string(s.output(t, "whoami"))
	if !strings.Contains(where, me.Memberships[0].TenantID+" (Your company)") {
		t.Errorf("whoami says:\n%s", where)
	}
	s.output(t, "keys", "create", "First", "--scope", "applications:read", "--all-applications")
}

func TestAtATerminalSetUpAsksForWhatItNeedsAndShowsNoSecret(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	link := s.serve(t).logged(setupLine)
	at := func(answers ...string) (p *process, shown string) {
		t.Helper()
		tm := newTerminal(t)
		cmd := s.command("setup")
		cmd.Stdin = tm.claviger
		p = launch(t, cmd)
		tm.awaitSilence(t)
		_, err := tm.person.WriteString(answers[0] + "\n")
		must(t, err)
		for _, question := range []string{"Account: ", "E-mail: ", "Your name: ", "Password: "} {
			p.awaitOn(&p.stderr, question, func(out string) bool { return strings.HasSuffix(out, question) })
			if question == "Password: " {
				tm.awaitSilence(t)
			}
			answers = answers[1:]
			_, err := tm.person.WriteString(answers[0] + "\n")
			must(t, err)
		}
		_, err = tm.person.WriteString(answers[1] + "\n")
		must(t, err)
		p.exit(waitTimeout)
		return p, tm.hangUp(t) + p.stdout.String() + p.stderr.String()
	}
	p, shown := at(link, "Your company", "you@claviger.example", "Your name", chosen, chosen+"!")
	if code := p.exit(waitTimeout); code != 2 || !strings.Contains(shown, "the two passwords are different") {
		t.Errorf("two passwords: exit code %d: %s", code, shown)
	}
	p, shown = at(link, "Your company", "you@claviger.example", "Your name", chosen, chosen)
	if code := p.exit(waitTimeout); code != 0 || strings.Contains(shown, chosen) || strings.Contains(shown, link) {
		t.Errorf("exit code %d: %s", code, shown)
	}
}
