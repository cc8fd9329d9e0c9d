package main_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// badStart is a start that must fail on a site where a good one went before.
type badStart struct {
	name string
	only testkit.Engine // SQLite too where the engine does not matter; "" for both
	// arrange makes the cause, and gives what takes it away.
	arrange func(t *testing.T, s *site) (mend func())
	// args stand in for those of a good start.
	args func(s *site) []string
	// says is a part of the line on standard error.
	says string
	// usage is set where the command line is wrong.
	usage bool
}

// fine is what there is to mend where only the arguments are wrong.
func fine() {}

func TestABadStartSaysWhyInOneLineAndChangesNothing(t *testing.T) {
	for _, b := range badStarts {
		t.Run(b.name, func(t *testing.T) {
			if b.only != "" {
				t.Parallel()
				b.run(t, newSite(t, b.only))
				return
			}
			testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
				b.run(t, newSite(t, e))
			})
		})
	}
}

func (b badStart) run(t *testing.T, s *site) {
	first := s.dev(t)
	printed := first.ready()
	first.term()

	mend := fine
	if b.arrange != nil {
		mend = b.arrange(t, s)
	}
	args := s.devArgs()
	if b.args != nil {
		args = b.args(s)
	}
	before := s.snapshot(t)
	code := 1
	if b.usage {
		code = 2
	}
	demandOneLine(t, s.launch(t, args...), code, b.says)
	if diff := cmp.Diff(before, s.snapshot(t)); diff != "" {
		t.Errorf("the bad start changed something:\n%s", diff)
	}
	mend()

	again := s.dev(t)
	line := again.ready()
	demandWorking(t, line)
	line.URL = printed.URL
	if diff := cmp.Diff(printed, line); diff != "" {
		t.Errorf("the next good start prints another sample:\n%s", diff)
	}
	again.term()
}

// demandOneLine demands the exit code after one clear line on standard error that shows no secret, and nothing on standard output.
func demandOneLine(t testing.TB, p *process, want int, says string) {
	t.Helper()
	code := p.exit(patience)
	out, line := p.stdout.String(), p.stderr.String()
	if code != want {
		t.Errorf("exit code %d, not %d", code, want)
	}
	if out != "" {
		t.Errorf("standard output is not empty:\n%s", out)
	}
	if !strings.HasPrefix(line, "claviger: ") || strings.Index(line, "\n") != len(line)-1 || !strings.Contains(line, says) {
		t.Errorf("standard error is not one line about %q:\n%s", says, line)
	}
	for _, c := range []canary{newCanary("the password", urlPassword), newCanary("the root secret", malformedRoot)} {
		if found := c.find([]byte(line)); found != "" {
			t.Errorf("%s is shown: %s", c.name, found)
		}
	}
}

// snapshot gives the files of the data directory with their modes, the contents of those that are no database, and all rows of all tables.
// What every start may change is left out: the address in dev.json, the latest time, and when the sample's keys were last tried.
func (s *site) snapshot(t testing.TB) (lines []string) {
	t.Helper()
	must(t, filepath.WalkDir(s.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		line := fmt.Sprint("file ", d.Name(), " ", info.Mode())
		if err == nil && d.Type().IsRegular() && !strings.HasPrefix(d.Name(), "claviger.db") {
			line += " " + address.ReplaceAllString(readFile(t, path), "")
		}
		lines = append(lines, line)
		return err
	}))
	if s.hasDatabase() {
		lines = append(lines, s.rows(t, "key_uses")...)
	}
	slices.Sort(lines)
	return slices.DeleteFunc(lines, func(line string) bool { return timeOfServer.MatchString(line) })
}

// timeOfServer matches the settings that say how late it is.
var timeOfServer = regexp.MustCompile("^table server_settings\t(watermark|horizon|machine_clock)\t")

// address is the one member of dev.json that differs from start to start.
var address = regexp.MustCompile(`"url": "[^"]*"`)

func (s *site) hasDatabase() bool {
	if s.engine == testkit.Postgres {
		return true
	}
	head, err := os.ReadFile(s.databaseFile())
	return err == nil && bytes.HasPrefix(head, []byte("SQLite format 3"))
}
