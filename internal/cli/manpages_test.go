package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/testkit"
)

var (
	commandTitle = regexp.MustCompile(`(?m)^## claviger ([\w-]+)$`)
	// manualLine matches text, or a macro of man(7) that the manual uses.
	manualLine = regexp.MustCompile(`^([^.']|\.(TH|SH|SS|PP|TP|BR?|RS|RE|nf|fi)\b)`)
)

func TestTheManualHasAPageForEachCommandAndTheSameBytesEachTime(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	p := s.launch(t, "reference", "--man", t.TempDir())
	if code := p.exit(waitTimeout); code != 2 || !strings.Contains(p.stderr.String(), "give --date") {
		t.Errorf("without a date: exit code %d: %s", code, p.stderr.String())
	}
	first, second := s.manual(t), s.manual(t)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("it differs from time to time:\n%s", diff)
	}
	want := []string{"claviger"}
	for _, title := range commandTitle.FindAllStringSubmatch(readFile(t, "../../docs/cli.md"), -1) {
		want = append(want, "claviger-"+title[1])
	}
	if len(want) < 10 || len(first) != len(want) {
		t.Errorf("%d pages for %v", len(first), want)
	}
	for _, name := range want {
		page := first[name+".1"]
		if !strings.HasPrefix(page, ".TH "+strings.ReplaceAll(strings.ToUpper(name), "-", `\-`)+" 1 2026-01-01 ") {
			t.Errorf("the page %s begins with %.60q", name, page)
		}
		for line := range strings.Lines(page) {
			if !manualLine.MatchString(line) || strings.Contains(line, "`") {
				t.Errorf("%s: %q is no line of a manual", name, line)
			}
		}
	}
}

// manual returns the pages by file name.
func (s *installation) manual(t testing.TB) map[string]string {
	t.Helper()
	folder := t.TempDir()
	s.output(t, "reference", "--man", folder, "--date", "2026-01-01")
	files, err := os.ReadDir(folder)
	must(t, err)
	pages := map[string]string{}
	for _, f := range files {
		pages[f.Name()] = readFile(t, filepath.Join(folder, f.Name()))
	}
	return pages
}
