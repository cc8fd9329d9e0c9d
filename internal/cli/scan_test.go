package cli_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAScanThatIsInterruptedEndsAtOnceAndNotWell(t *testing.T) {
	t.Parallel()
	from, to, err := os.Pipe()
	must(t, err)
	defer to.Close()
	cmd := newInstallation(t, testkit.SQLite).command("scan", "-")
	cmd.Stdin = from
	p := launch(t, cmd)
	must(t, from.Close())
	pair := strings.Repeat("0", 24) + ":" + strings.Repeat("0", 72)
	_, err = to.WriteString(pair + "\n" + strings.Repeat(" ", 100<<10))
	must(t, err)
	p.await("a key", func(out string) bool { return strings.HasPrefix(out, "-:1:1: pair ") }) // it continues to read
	must(t, p.cmd.Process.Signal(syscall.SIGINT))
	if code := p.exit(stopWithin); code == 0 {
		t.Error("it ends as if all was read")
	}
}

func TestAScanNeedsNoServerAndWritesNothing(t *testing.T) {
	t.Parallel()
	s := newInstallation(t, testkit.SQLite)
	s.env = []string{"CLAVIGER_SERVER=http://127.0.0.1:1", "CLAVIGER_KEY=not one key"}
	p := s.launch(t, "scan")
	if code := p.exit(waitTimeout); code != 0 || p.stderr.String() != "" {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
	left, err := os.ReadDir(s.dir)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("it leaves %v", left)
	}
}
