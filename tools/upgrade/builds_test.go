package upgrade_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	root = "../.."
	// contraction is the migration that the version before does not know.
	contraction = "internal/store/postgres/migrations/00017_owners.sql"
)

// build builds claviger from a directory with the sources.
func build(t testing.TB, sources, name string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./cmd/claviger")
	cmd.Dir = sources
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	run(t, cmd)
	return binary
}

// versionBefore returns the sources of the version before: the parent of the commit that added the
// contraction.
func versionBefore(t testing.TB) (sources string) {
	t.Helper()
	const fetch = "the version before is built from the history of the repository: fetch all of it " +
		"(git fetch --unshallow)"
	added := git(t, "log", "--diff-filter=A", "--format=%H", "--", contraction)
	if added == "" {
		t.Fatalf("no commit adds %s: %s", contraction, fetch)
	}
	commits := strings.Fields(added)
	parent := commits[len(commits)-1] + "^1"
	exists := exec.CommandContext(t.Context(), "git", "-C", root, "cat-file", "-e", parent+"^{commit}")
	if err := exists.Run(); err != nil {
		t.Fatalf("there is no commit %s: %s", parent, fetch)
	}
	sources = t.TempDir()
	archive := filepath.Join(t.TempDir(), "sources.tar")
	git(t, "archive", "--output", archive, parent)
	run(t, exec.CommandContext(t.Context(), "tar", "-x", "-f", archive, "-C", sources))
	if _, err := os.Stat(filepath.Join(sources, contraction)); err == nil {
		t.Fatalf("the commit %s has %s already", parent, contraction)
	}
	return sources
}

func git(t testing.TB, args ...string) string {
	t.Helper()
	return strings.TrimSpace(run(t, exec.CommandContext(t.Context(), "git", append([]string{"-C", root}, args...)...)))
}

// run runs a command and returns its standard output. The test fails if the command does.
func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out.String(), problems.String())
	}
	return out.String()
}
