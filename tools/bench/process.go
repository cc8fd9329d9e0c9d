package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyTimeout = 3 * time.Minute  // the first start creates 10,000 keys
	stopTimeout  = 15 * time.Second // after that, the process is killed
	mainPackage  = "github.com/claviger-dev/claviger/cmd/claviger"
)

// readyOutput is the part that the first line on stdout of every server here has in common.
type readyOutput struct {
	URL string `json:"url"`
}

// process is a server that was started. Its stderr goes to a file, which errors quote.
type process struct {
	name   string
	pid    int
	log    string
	cancel context.CancelFunc
	stdin  io.Closer
	ready  chan error // receives the result of decoding the first JSON value on stdout
	done   chan error // receives the result of the process when it has ended
}

// start starts a command, with env added to its environment, and decodes the first JSON value of
// its stdout into `into`. The caller must not read `into` before awaitReady has returned nil.
func start(ctx context.Context, dir string, into any, env []string, command string, args ...string) (*process, error) {
	log, err := os.CreateTemp(dir, filepath.Base(command)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = append(cmd.Environ(), env...)
	cmd.Stderr = log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	p := &process{
		name: filepath.Base(command) + " " + args[0], log: log.Name(), cancel: cancel,
		ready: make(chan error, 1), done: make(chan error, 1),
	}
	if err := p.launch(cmd, into); err != nil {
		cancel()
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return p, nil
}

func (p *process) launch(cmd *exec.Cmd, into any) error {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.pid, p.stdin = cmd.Process.Pid, stdin
	go func() {
		p.ready <- json.NewDecoder(stdout).Decode(into)
		io.Copy(io.Discard, stdout)
		p.done <- cmd.Wait()
	}()
	return nil
}

func (p *process) awaitReady(ctx context.Context) error {
	timer := time.NewTimer(readyTimeout)
	defer timer.Stop()
	select {
	case err := <-p.ready:
		if err != nil {
			return p.withStderr(fmt.Errorf("no JSON on stdout: %w", err))
		}
		return nil
	case <-timer.C:
		return p.withStderr(fmt.Errorf("not ready after %v", readyTimeout))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop asks the process to end and waits for it. It does nothing if p is nil.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.cancel()
	<-p.done
	p.stdin.Close()
}

// withStderr adds the end of the stderr of the process to an error.
func (p *process) withStderr(err error) error {
	const keep = 2000
	text, _ := os.ReadFile(p.log)
	if len(text) > keep {
		text = text[len(text)-keep:]
	}
	if len(text) == 0 {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return fmt.Errorf("%s: %w; the end of its stderr:\n%s", p.name, err, text)
}

// build builds the binary with the flags of a release.
func build(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "claviger")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, mainPackage)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text)
	}
	return out, nil
}

func hostOf(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" || u.Port() == "" {
		return "", errors.New("not an http URL with a port: " + base)
	}
	return u.Host, nil
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
