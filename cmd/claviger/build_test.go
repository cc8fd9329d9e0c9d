// The tests of this package run the real binary as a process of its own: what a signal, a second process, a mode of a file
// or a line on standard error does, no other test sees.
package main_test

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

// binary is claviger as it is released but for the cost of password hashes, built once for all tests.
var binary string

// released builds claviger as it is released, once, for the tests that hash at the production cost.
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
	// A connection kept for each writer of a load, rather than two for all of them.
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 16
	return run()
}

func build(path string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath"}, flags...), "-o", path, ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// lookAtSources makes the sources of the binary inputs of the test that calls it. Without, the go command could give an old result
// again when they have changed: nothing of them needs to be linked into the tests.
var lookAtSources = sync.OnceValue(func() (err error) {
	for _, dir := range []string{"../../api", "../../client", "../../cmd", "../../internal"} {
		err = errors.Join(err, filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error { return err }))
	}
	_, noModule := os.Stat("../../go.mod")
	return errors.Join(err, noModule)
})
