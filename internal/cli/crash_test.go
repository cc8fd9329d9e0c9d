package cli_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

var noCore = regexp.MustCompile(`Max core file size +0 +0 `)

// A process that crashes prints the stacks of its goroutines, and the kernel may write its memory
// to a core file.
func TestACrashUnderTrafficLeavesNoSecretBehind(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newInstallation(t, e)
		f := &traffic{t: t}
		f.guardDatabase(s)
		s.before = []string{"sh", "-c", `ulimit -S -c "$(ulimit -H -c)"; exec "$0" "$@"`}
		s.env = append(s.env, "GOTRACEBACK=crash")
		file := filepath.Join(t.TempDir(), "keys")
		p := s.dev(t, "--debug", "--sample-keys", "1", "--sample-file", file)
		line := p.ready()
		f.guardSample(s, line, file)
		if limits := readFile(t, fmt.Sprintf("/proc/%d/limits", p.cmd.Process.Pid)); !noCore.MatchString(limits) {
			t.Errorf("it may write core files:\n%s", limits)
		}

		conn, err := net.Dial("tcp", strings.TrimPrefix(line.URL, "http://"))
		must(t, err)
		defer conn.Close()
		beginRequest(t, conn, bearer(line.Verifier))
		f.base = line.URL
		busy := f.keepVerifying(line.Verifier, line.Tenants[0].Key.Value)
		must(t, p.cmd.Process.Signal(syscall.SIGQUIT))
		p.exit(waitTimeout)
		busy.Wait()

		if ended := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ended.Signal() != syscall.SIGABRT ||
			ended.CoreDump() {
			t.Errorf("it ended by %s, with a core file: %t", ended.Signal(), ended.CoreDump())
		}
		if left, err := os.ReadDir(s.dir); err != nil || len(left) > 0 {
			t.Errorf("it leaves %v %v", left, err)
		}
		crash := p.stderr.String()
		f.search("after the crash", map[string][]byte{"what it says": []byte(crash)})
		if !strings.Contains(crash, "SIGQUIT: quit") || !strings.Contains(crash, "dataplane.") {
			t.Errorf("the crash does not tell of a verification:\n%s", crash)
		}
	})
}

// keepVerifying verifies a key repeatedly, with several clients at once, until the server has
// ended. It returns after the first answers.
func (f *traffic) keepVerifying(verifier, value string) (busy *sync.WaitGroup) {
	busy = &sync.WaitGroup{}
	const atOnce = 4
	answered := make(chan bool, atOnce)
	for range atOnce {
		busy.Go(func() {
			for first := true; ; first = false {
				resp, _, err := f.try(verify(verifier, `{"credential":"`+value+`"}`))
				if first {
					answered <- err == nil && resp.StatusCode == 200
				}
				if err != nil {
					return
				}
			}
		})
	}
	for range atOnce {
		if !<-answered {
			f.t.Error("a verification failed")
		}
	}
	return busy
}
