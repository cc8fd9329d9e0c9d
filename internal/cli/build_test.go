// The tests of this package run the real binary as a process. No other tests see the effects of
// signals, of several processes, of file modes and of lines on standard error.
package cli_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binary is the path of claviger as it is released, except for the cost of password hashes. It is
// built once for all tests.
var binary string

// released builds claviger as it is released, once, for the tests that need the production cost of
// password hashes. It returns the path.
var released = sync.OnceValues(func() (string, error) {
	path := binary + "-released"
	return path, build(path)
})

func TestMain(m *testing.M) { os.Exit(withBinary(m.Run)) }

func withBinary(run func() int) int {
	dir, err := os.MkdirTemp("", "claviger-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "claviger")
	if err := build(binary, "-tags", "testcost"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Keep a connection for each writer of a load, not only two.
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 16
	return run()
}

// build builds claviger, without debugging information like a release, which takes half as long.
func build(path string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", path}, flags...)
	cmd := exec.Command("go", append(args, "../../cmd/claviger")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// lookAtSources makes the sources of the binary inputs of the test that calls it. Otherwise, the go
// command could reuse a cached result after a change of a package that is not linked into the
// tests.
var lookAtSources = sync.OnceValue(func() (err error) {
	for _, dir := range []string{"../../api", "../../client", "../../cmd", "../../internal"} {
		err = errors.Join(err, filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error { return err }))
	}
	_, noModule := os.Stat("../../go.mod")
	return errors.Join(err, noModule)
})
