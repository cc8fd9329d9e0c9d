package cli_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestDataIsPrivateWhateverTheUmask(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"made anew": false, "found open to all": true} {
		t.Run(name, func(t *testing.T) {
			testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
				s := newInstallation(t, e)
				s.before = []string{"sh", "-c", `umask 0; exec "$0" "$@"`}
				file := filepath.Join(t.TempDir(), "keys")
				if old {
					must(t, os.Mkdir(s.data, 0o755))
					must(t, os.WriteFile(file, nil, 0o644))
				}
				p := s.dev(t, "--sample-keys", "1", "--sample-file", file)
				p.ready()
				running := requirePrivate(t, s.data)
				requireMode(t, file, 0o600)
				p.term()
				stopped := requirePrivate(t, s.data)
				// root.key, dev.json, lock, journal, reserve; the socket; claviger.db, its WAL and
				// index
				want := map[testkit.Engine][2]int{testkit.SQLite: {9, 6}, testkit.Postgres: {6, 5}}[e]
				if got := [2]int{running, stopped}; got != want {
					t.Errorf("files while it ran and after: %v, not %v", got, want)
				}
			})
		})
	}
}

// requirePrivate requires mode 0700 for the directory and 0600 for its files, and counts the files.
func requirePrivate(t testing.TB, dir string) (files int) {
	t.Helper()
	requireMode(t, dir, fs.ModeDir|0o700)
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		requireMode(t, filepath.Join(dir, e.Name()), e.Type()&fs.ModeSocket|0o600)
	}
	return len(entries)
}

func requireMode(t testing.TB, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode() != want {
		t.Errorf("%s has mode %s, not %s", filepath.Base(path), info.Mode(), want)
	}
}
