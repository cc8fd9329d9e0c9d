package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// terminal is a pseudo-terminal: the side of claviger, and the side of the user.
type terminal struct {
	claviger, person *os.File
}

func newTerminal(t testing.TB) *terminal {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	must(t, err)
	claviger, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { _, _ = claviger.Close(), person.Close() }) // hangUp may have closed one
	return &terminal{claviger, person}
}

// settings returns the settings of the terminal, such as echo.
func (tm *terminal) settings(t testing.TB) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(tm.claviger.Fd()), unix.TCGETS)
	must(t, err)
	return *s
}

// awaitSilence waits until the terminal does not echo. It polls, because a terminal sends no events
// about its settings.
func (tm *terminal) awaitSilence(t testing.TB) {
	t.Helper()
	deadline, again := time.After(waitTimeout), time.NewTicker(time.Millisecond)
	defer again.Stop()
	for tm.settings(t).Lflag&unix.ECHO != 0 {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("the line echoes still")
		}
	}
}

// hangUp closes the terminal and returns what it showed.
func (tm *terminal) hangUp(t testing.TB) string {
	t.Helper()
	must(t, tm.claviger.Close())
	shown, _ := io.ReadAll(tm.person) // the end of a terminal reads as an error
	return string(shown)
}

// startAtPrompt starts a sign-in at a terminal, and returns when it waits for the password, with
// the earlier settings of the terminal.
func startAtPrompt(t *testing.T) (p *process, tm *terminal, before unix.Termios, password string) {
	t.Helper()
	s := newSample(t, testkit.SQLite)
	line := s.dev(t).ready()
	tm = newTerminal(t)
	before = tm.settings(t)
	cmd := s.command("login", "--server", line.URL, "--email", line.Email)
	cmd.Stdin = tm.claviger
	p = launch(t, cmd)
	tm.awaitSilence(t)
	return p, tm, before, line.Password
}

func TestAPasswordIsAskedForWithoutEcho(t *testing.T) {
	t.Parallel()
	p, tm, before, password := startAtPrompt(t)
	_, err := tm.person.WriteString(password + "\n")
	must(t, err)
	if code := p.exit(waitTimeout); code != 0 || !strings.HasPrefix(p.stderr.String(), "Password: \n") {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
	if tm.settings(t) != before {
		t.Error("the terminal is not as it was")
	}
	if all := tm.hangUp(t) + p.stdout.String() + p.stderr.String(); strings.Contains(all, password) {
		t.Errorf("the password is shown: %s", all)
	}
}

func TestAnInterruptedPromptGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	p, tm, before, _ := startAtPrompt(t)
	must(t, p.cmd.Process.Signal(syscall.SIGINT))
	if code := p.exit(waitTimeout); code != 1 || !strings.Contains(p.stderr.String(), "claviger: interrupted\n") {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
	if tm.settings(t) != before {
		t.Error("the terminal is not as it was")
	}
}

func TestColoursAreForTerminalsWhoseOwnerWantsThem(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]bool{
		"TERM=xterm": true, "NO_COLOR=": true, "NO_COLOR=1": false,
		"TERM=dumb": false,
	} {
		t.Run(variable, func(t *testing.T) {
			tm := newTerminal(t)
			s := newInstallation(t, testkit.SQLite)
			s.env = []string{variable}
			cmd := s.command("version")
			cmd.Stdout = tm.claviger
			must(t, cmd.Run())
			if shown := tm.hangUp(t); strings.Contains(shown, "\x1b[1mclaviger\x1b[0m") != want ||
				!strings.Contains(shown, "dev") {
				t.Errorf("it shows %q", shown)
			}
		})
	}
}

func TestLongCommandsShowProgressOnATerminalAlone(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	file, passphrase := filepath.Join(s.dir, "backup.age"), s.passphraseFile(t)
	next := s.successor(t, testkit.SQLite)
	run := func(args ...string) (onTerminal string) {
		t.Helper()
		tm := newTerminal(t)
		cmd := s.command(args...)
		cmd.Stderr = tm.claviger
		must(t, cmd.Run())
		return tm.hangUp(t)
	}
	shown := run("backup", file, "--data", s.data, "--passphrase-file", passphrase)
	if !regexp.MustCompile(`\r0\.\d MB, [1-9]\d+ rows *\r\n`).MatchString(shown) {
		t.Errorf("backup shows %q", shown)
	}
	shown = run("restore", file, "--data", next.data, "--passphrase-file", passphrase, "--journal", s.journal())
	if !regexp.MustCompile(`\r(0\.\d) MB of (0\.\d) MB, [1-9]\d+ rows *\r\n`).MatchString(shown) {
		t.Errorf("restore shows %q", shown)
	}
	trail := filepath.Join(s.dir, "trail.jsonl")
	shown = run("audit", "archive", trail, "--data", s.data)
	if !regexp.MustCompile(`\r0\.\d MB, [1-9]\d+ records *\r\n`).MatchString(shown) {
		t.Errorf("audit archive shows %q", shown)
	}
	shown = run("audit", "verify", "--data", s.data, "--file", trail)
	if !regexp.MustCompile(`\r(0\.\d) MB of (0\.\d) MB, [1-9]\d+ records *\r\n`).MatchString(shown) {
		t.Errorf("audit verify --file shows %q", shown)
	}
	shown = run("audit", "verify", "--data", s.data)
	if !strings.HasPrefix(shown, "\rChecking the audit trail, 0 s") || !strings.HasSuffix(shown, " \r") {
		t.Errorf("audit verify shows %q", shown)
	}
	piped := s.launch(t, "backup", file, "--force", "--data", s.data, "--passphrase-file", passphrase)
	if code := piped.exit(waitTimeout); code != 0 || strings.Contains(piped.stderr.String(), "rows") {
		t.Errorf("exit code %d, and in a pipe it shows %q", code, piped.stderr.String())
	}
}

// At a terminal, a refresh asks for confirmation before it ends a valid secret.
func TestARefreshThatEndsASecretIsAskedForAtATerminal(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	line := s.dev(t).ready()
	password := filepath.Join(s.dir, "password")
	must(t, os.WriteFile(password, []byte(line.Password), 0o600))
	s.output(t, "login", "--server", line.URL, "--email", line.Email, "--password-file", password,
		"--tenant", line.Tenants[0].ID)
	var made api.IssuedKey
	must(t, json.Unmarshal(s.output(t, "keys", "create", "Nightly", "--scope", "applications:read",
		"--all-applications", "-o", "json"), &made))
	id := made.Key.ID
	s.output(t, "keys", "refresh", id, "--overlap", "1h")
	for _, answer := range []struct {
		text string
		code int
		says string
	}{
		{"n", 1, "nothing was changed"}, {"", 1, "nothing was changed"}, {"y", 0, "The secret is shown once"},
	} {
		tm := newTerminal(t)
		cmd := s.command("keys", "refresh", id, "--overlap", "1h")
		cmd.Stdin = tm.claviger
		p := launch(t, cmd)
		_, err := tm.person.WriteString(answer.text + "\n")
		must(t, err)
		code, said := p.exit(waitTimeout), p.stderr.String()
		if code != answer.code || !strings.Contains(said, "This refresh ends the old secret …") ||
			!strings.Contains(said, answer.says) {
			t.Errorf("%q: exit code %d: %s", answer.text, code, said)
		}
	}
}

// At a terminal, a command that cannot be undone asks for confirmation. Elsewhere, it needs --yes.
func TestWhatCannotBeUndoneIsAskedForFirst(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	line := s.dev(t).ready()
	s.signedInAt(t, line, "--tenant", "Standard")
	create := []string{"keys", "create", "Nightly", "--scope", "applications:read", "--all-applications"}
	s.output(t, create...)
	s.output(t, "keys", "refresh", "Nightly", "--overlap", "1h")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"keys", "end-overlap", "Nightly"}, "This ends the old secret …"},
		{[]string{"keys", "revoke", "Nightly"}, `This revokes the key "Nightly" (ak_`},
		{[]string{"keys", "delete", "Nightly"}, `This revokes the key "Nightly" (ak_`},
		{[]string{"apps", "delete", "Reports API"}, `This deletes the application "Reports API" (app_`},
		{
			[]string{"members", "remove", line.People[0].Email},
			"This ends the membership of " + line.People[0].Email + " and revokes their keys",
		},
	} {
		asked := func(answer string, code int, says string) {
			t.Helper()
			tm := newTerminal(t)
			cmd := s.command(c.args...)
			cmd.Stdin = tm.claviger
			p := launch(t, cmd)
			_, err := tm.person.WriteString(answer + "\n")
			must(t, err)
			got, said := p.exit(waitTimeout), p.stdout.String()+p.stderr.String()
			if got != code || !strings.Contains(said, c.says) || !strings.Contains(said, says) {
				t.Errorf("%v, answered %q: exit code %d: %s", c.args, answer, got, said)
			}
		}
		p := s.launch(t, c.args...)
		if code := p.exit(waitTimeout); code != 2 || !strings.Contains(p.stderr.String(), c.says) ||
			!strings.Contains(p.stderr.String(), "next: add --yes to continue") {
			t.Errorf("%v where nobody answers: exit code %d: %s", c.args, code, p.stderr.String())
		}
		asked("", 1, "nothing was changed")
		asked("n", 1, "nothing was changed")
		asked("yes", 0, "")
		if c.args[1] == "delete" && c.args[0] == "keys" {
			s.output(t, create...)
			s.output(t, "keys", "delete", "Nightly", "--yes")
		}
	}
}
