package cli_test

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
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// badStart is a start that must fail, on an installation that has started before.
type badStart struct {
	name string
	only testkit.Engine // SQLite if the engine does not matter; "" for both engines
	// arrange creates the cause, and returns a function that removes it.
	arrange func(t *testing.T, s *installation) (mend func())
	// args replace the arguments of a valid start.
	args func(s *installation) []string
	// says is a part of the error message.
	says string
	// usage is set if the command line is wrong.
	usage bool
}

// fine is for cases in which only the arguments are wrong: there is nothing to restore.
func fine() {}

func TestABadStartSaysWhyInOneLineAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, b := range badStarts {
		t.Run(b.name, func(t *testing.T) {
			if b.only != "" {
				t.Parallel()
				b.run(t, newSample(t, b.only))
				return
			}
			testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
				b.run(t, newSample(t, e))
			})
		})
	}
}

func (b badStart) run(t *testing.T, s *installation) {
	printed := s.sample(t)
	// As in the two minutes after a stop, the last process still has the lease for notices. Without
	// it, a start that fails late may plan notices before.
	s.exec(t, fmt.Sprintf(`UPDATE leases SET until = %d`, time.Now().Add(time.Hour).UnixMicro()))
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
	requireOneLine(t, s.launch(t, args...), code, b.says)
	if diff := cmp.Diff(before, s.snapshot(t)); diff != "" {
		t.Errorf("the bad start changed something:\n%s", diff)
	}
	mend()

	again := s.dev(t)
	line := again.ready()
	requireWorking(t, line)
	line.URL = printed.URL
	if diff := cmp.Diff(printed, line); diff != "" {
		t.Errorf("the next good start prints another sample:\n%s", diff)
	}
	again.term()
}

// requireOneLine requires the exit code, one line on standard error that contains no secret, and
// nothing on standard output.
func requireOneLine(t testing.TB, p *process, want int, says string) {
	t.Helper()
	code := p.exit(waitTimeout)
	out, line := p.stdout.String(), p.stderr.String()
	if code != want {
		t.Errorf("exit code %d, not %d", code, want)
	}
	if out != "" {
		t.Errorf("standard output is not empty:\n%s", out)
	}
	if !strings.HasPrefix(line, "claviger: ") || strings.Index(line, "\n") != len(line)-1 || !strings.Contains(line,
		says) {
		t.Errorf("standard error is not one line about %q:\n%s", says, line)
	}
	for _, c := range []canary{newCanary("the password", urlPassword), newCanary("the root secret", malformedRoot)} {
		if found := c.find([]byte(line)); found != "" {
			t.Errorf("%s is shown: %s", c.name, found)
		}
	}
}

// snapshot returns the files of the data directory with their modes, the contents of all files but
// the database, and all rows of all tables. It omits what every start may change: the address in
// dev.json, the latest time, when the keys of the sample were last used, and up to when the process
// has written counts of requests.
func (s *installation) snapshot(t testing.TB) (lines []string) {
	t.Helper()
	must(t, filepath.WalkDir(s.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		line := fmt.Sprint("file ", d.Name(), " ", info.Mode())
		switch {
		case err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "claviger.db"):
		case d.Name() == "reserve":
			line += fmt.Sprint(" ", info.Size()) // 16 MiB without content
		default:
			line += " " + address.ReplaceAllString(readFile(t, path), "")
		}
		lines = append(lines, line)
		return err
	}))
	if s.hasDatabase() {
		lines = append(lines, s.rows(t, "key_uses", "usage_flushes")...)
	}
	slices.Sort(lines)
	return slices.DeleteFunc(lines, func(line string) bool { return timeOfServer.MatchString(line) })
}

// timeOfServer matches the rows that contain the latest time, and the hour up to which counts of
// requests are complete.
var timeOfServer = regexp.MustCompile(
	"^table (server_settings\t(watermark|horizon|machine_clock)|counters\tusage_complete)\t")

// address is the only member of dev.json that changes with each start.
var address = regexp.MustCompile(`"url": "[^"]*"`)

func (s *installation) hasDatabase() bool {
	if s.engine == testkit.Postgres {
		return true
	}
	head, err := os.ReadFile(s.databaseFile())
	return err == nil && bytes.HasPrefix(head, []byte("SQLite format 3"))
}
