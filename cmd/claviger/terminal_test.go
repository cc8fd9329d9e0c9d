package main_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// terminal is a pseudo-terminal: the side that claviger has, and that of the person before it.
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

// settings are those of the line, such as whether it echoes.
func (tm *terminal) settings(t testing.TB) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(tm.claviger.Fd()), unix.TCGETS)
	must(t, err)
	return *s
}

// awaitSilence waits until the line does not echo. It asks again and again, because a terminal tells nobody when its settings change.
func (tm *terminal) awaitSilence(t testing.TB) {
	t.Helper()
	deadline, again := time.After(patience), time.NewTicker(time.Millisecond)
	defer again.Stop()
	for tm.settings(t).Lflag&unix.ECHO != 0 {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("the line echoes still")
		}
	}
}

// hangUp ends the terminal and gives what it showed.
func (tm *terminal) hangUp(t testing.TB) string {
	t.Helper()
	must(t, tm.claviger.Close())
	shown, _ := io.ReadAll(tm.person) // the end of a terminal reads as an error
	return string(shown)
}

// prompted starts a sign-in at a terminal, and gives it where it waits for the password, with the terminal's settings of before.
func prompted(t *testing.T) (p *process, tm *terminal, before unix.Termios, password string) {
	t.Helper()
	s := newSite(t, testkit.SQLite)
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
	p, tm, before, password := prompted(t)
	_, err := tm.person.WriteString(password + "\n")
	must(t, err)
	if code := p.exit(patience); code != 0 || !strings.HasPrefix(p.stderr.String(), "Password: \n") {
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
	p, tm, before, _ := prompted(t)
	must(t, p.cmd.Process.Signal(syscall.SIGINT))
	if code := p.exit(patience); code != 1 || !strings.Contains(p.stderr.String(), "claviger: interrupted\n") {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
	if tm.settings(t) != before {
		t.Error("the terminal is not as it was")
	}
}

func TestColoursAreForTerminalsWhoseOwnerWantsThem(t *testing.T) {
	for variable, want := range map[string]bool{"TERM=xterm": true, "NO_COLOR=": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		t.Run(variable, func(t *testing.T) {
			tm := newTerminal(t)
			s := newSite(t, testkit.SQLite)
			s.env = []string{variable}
			cmd := s.command("version")
			cmd.Stdout = tm.claviger
			must(t, cmd.Run())
			if shown := tm.hangUp(t); strings.Contains(shown, "\x1b[1mclaviger\x1b[0m") != want || !strings.Contains(shown, "dev") {
				t.Errorf("it shows %q", shown)
			}
		})
	}
}
