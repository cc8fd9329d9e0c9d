package cli_test

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// columnsTaken returns the number of terminal columns of a line, for the characters in this test.
func columnsTaken(line string) (n int) {
	for _, r := range line {
		n++
		if r >= 0x3041 && r <= 0x9fff {
			n++
		}
	}
	return n
}

// lists are commands that print a list.
var lists = []string{
	"keys list", "keys list --all-tenants", "keys health", "service-accounts list",
	"apps list", "members list", "tenants list", "scopes list",
	"audit", "contexts list",
}

func TestListsFitTheTerminalAndTellTimesFromNow(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	line := s.dev(t).ready()
	s.signedInAt(t, line, "--tenant", "Standard")
	long := "A key whose name is as long as the name of a key may ever be"
	s.output(t, "keys", "create", long, "--scope", "applications:read", "--all-applications", "--expires", "90d")
	s.output(t, "keys", "create", "毎晩の建築のための鍵", "--scope", "applications:read", "--all-applications",
		"--expires", "2d")
	s.output(t, "apps", "create", "Orders", "--description", strings.Repeat("All about orders. ", 20))

	s.env = []string{"COLUMNS=80"}
	for _, list := range lists {
		printed := string(s.output(t, strings.Fields(list)...))
		for row := range strings.Lines(printed) {
			if n := columnsTaken(strings.TrimSuffix(row, "\n")); n > 80 {
				t.Errorf("%s prints a line of %d columns:\n%s", list, n, printed)
				break
			}
		}
	}
	keys := string(s.output(t, "keys", "list"))
	for _, part := range []string{"in 90 days", "in 2 days", "never", "A key whose", "…"} {
		if !strings.Contains(keys, part) {
			t.Errorf("the list of keys lacks %q:\n%s", part, keys)
		}
	}
	rows := strings.Split(strings.TrimSuffix(keys, "\n"), "\n")
	at := columnsTaken(rows[0][:strings.Index(rows[0], "STATUS")])
	for _, row := range rows[1:] {
		if i := strings.Index(row, "active"); i < 0 || columnsTaken(row[:i]) != at {
			t.Errorf("a row is not aligned with the titles:\n%s", keys)
		}
	}

	exact := string(s.output(t, "keys", "list", "--utc"))
	wide := string(s.output(t, "keys", "list", "--wide"))
	if strings.Contains(exact, "in 90 days") || strings.Count(exact, ":") < 4 || strings.Contains(exact, long) {
		t.Errorf("with --utc:\n%s", exact)
	}
	if !strings.Contains(wide, long) || !strings.Contains(wide, "key_") || strings.Contains(wide, "in 90 days") {
		t.Errorf("with --wide:\n%s", wide)
	}
	s.env = []string{"COLUMNS=40"}
	if narrow := string(s.output(t, "keys", "list")); !strings.Contains(narrow, "\nname       "+long+"\n") ||
		strings.Contains(narrow, "PUBLIC ID") {
		t.Errorf("in 40 columns:\n%s", narrow)
	}
	s.env = nil
	if piped := string(s.output(t, "keys", "list")); !strings.Contains(piped, long) || !strings.Contains(piped,
		"in 90 days") {
		t.Errorf("where nobody looks:\n%s", piped)
	}
}

func TestATerminalOfAnotherCharacterSetGetsASCII(t *testing.T) {
	t.Parallel()
	s := newSample(t, testkit.SQLite)
	line := s.dev(t).ready()
	s.signedInAt(t, line, "--tenant", "Standard")
	s.output(t, "keys", "create", "Schlüssel 毎晩", "--scope", "applications:read", "--all-applications")
	for variables, want := range map[string]string{
		"LANG=C.UTF-8": "Schlüssel 毎晩", "LANG=": "Schlüssel 毎晩", "LANG=C": "Schl?ssel ??",
		"LANG=en_US.UTF-8 LC_ALL=de_DE.ISO-8859-1": "Schl?ssel ??",
	} {
		tm := newTerminal(t)
		s.env = append(strings.Fields(variables), "NO_COLOR=1", "COLUMNS=120")
		cmd := s.command("keys", "list")
		cmd.Stdout = tm.claviger
		must(t, cmd.Run())
		if shown := tm.hangUp(t); !strings.Contains(shown, want) || strings.Contains(shown, "\x1b") {
			t.Errorf("with %s it shows %q", variables, shown)
		}
	}
}
