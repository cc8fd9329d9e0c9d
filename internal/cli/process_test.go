package cli_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/sample"
)

const (
	// waitTimeout is the maximum time to wait for an event that must happen.
	waitTimeout = 5 * time.Minute
	// stopWithin is the maximum duration of a graceful stop.
	stopWithin = 10 * time.Second
)

// process is a started claviger. It ends with its test at the latest.
type process struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr outputBuffer
	ended          chan struct{}
}

// launch starts the command and stores its output.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // the exit code has the result
	}()
	t.Cleanup(p.kill)
	return p
}

// kill kills the process like `kill -9`, and waits until it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// exit waits for the end and returns the exit code.
func (p *process) exit(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		p.t.Fatalf("claviger still runs after %s; on stderr:\n%s", within, p.stderr.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop stops the process with a signal, and requires exit code 0.
func (p *process) stop(by os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(by); err != nil {
		p.t.Fatal(err)
	}
	if code := p.exit(stopWithin); code != 0 {
		p.t.Fatalf("exit code %d after %s; on stderr:\n%s", code, by, p.stderr.String())
	}
}

// term stops the process like a supervisor, with SIGTERM.
func (p *process) term() {
	p.t.Helper()
	p.stop(syscall.SIGTERM)
}

// ready waits for the output of `claviger dev --output json` and returns it.
func (p *process) ready() (s sample.Sample) {
	p.t.Helper()
	line := p.await("its line", func(out string) bool { return strings.Contains(out, "\n") })
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		p.t.Fatalf("stdout is no JSON: %v\n%s", err, line)
	}
	return s
}

// await waits until seen returns true for standard output, and returns the output.
func (p *process) await(what string, seen func(out string) bool) string {
	p.t.Helper()
	return p.awaitOn(&p.stdout, what, seen)
}

// logged waits until standard error matches the pattern, and returns its first group.
func (p *process) logged(pattern *regexp.Regexp) string {
	p.t.Helper()
	log := p.awaitOn(&p.stderr, pattern.String(), pattern.MatchString)
	return pattern.FindStringSubmatch(log)[1]
}

func (p *process) awaitOn(stream *outputBuffer, what string, seen func(out string) bool) string {
	p.t.Helper()
	deadline := time.After(waitTimeout)
	for over := false; ; {
		out, grown := stream.read()
		switch {
		case seen(out):
			return out
		case over:
			p.t.Fatalf("claviger ended with exit code %d before %s; it wrote:\n%s%s", p.cmd.ProcessState.ExitCode(),
				what, p.stdout.String(), p.stderr.String())
		}
		select {
		case <-grown:
		case <-p.ended:
			over = true // read the last output once more
		case <-deadline:
			p.t.Fatalf("no sign of %s within %s; it wrote:\n%s%s", what, waitTimeout, p.stdout.String(),
				p.stderr.String())
		}
	}
}

// outputBuffer stores the output of a process, to be read while it runs. The zero value is empty.
type outputBuffer struct {
	mu    sync.Mutex
	text  []byte
	grown chan struct{}
}

// Write implements io.Writer.
func (t *outputBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if t.grown != nil {
		close(t.grown)
		t.grown = nil
	}
	return len(p), nil
}

// read returns the output so far, and a channel that is closed when there is more.
func (t *outputBuffer) read() (text string, grown <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.grown == nil {
		t.grown = make(chan struct{})
	}
	return string(t.text), t.grown
}

func (t *outputBuffer) String() string {
	text, _ := t.read()
	return text
}
