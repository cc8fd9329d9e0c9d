package cli_test

import (
	"net"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// The server accepts the connection and never answers.
func TestACompletionDoesNotWaitForAServerThatIsSilent(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, silent.Close()) })
	s := newInstallation(t, testkit.SQLite)
	s.env = []string{"CLAVIGER_KEY=clv_ak_0000000000000000_000000000000000000000000000000000000000000000000"}
	began := time.Now()
	p := s.launch(t, "__complete", "keys", "show", "--tenant", "ten_0000000000000000", "--server",
		"http://"+silent.Addr().String(), "")
	if code := p.exit(waitTimeout); code != 0 || p.stdout.String() != ":4\n" {
		t.Errorf("exit code %d: %s%s", code, p.stdout.String(), p.stderr.String())
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
