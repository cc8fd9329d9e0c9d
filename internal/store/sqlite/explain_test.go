package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/store/sqlite"
)

func TestAFileThatCannotBeTheDatabaseIsRefusedWithItsCause(t *testing.T) {
	t.Parallel()
	whole := filepath.Join(t.TempDir(), "whole.db")
	closeBackend(t, open(t, whole))
	good, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(good)
	for i := 100; i < len(damaged)/2; i++ { // after the header of the file
		damaged[i] = 0xff
	}
	for name, c := range map[string]struct {
		arrange func(t *testing.T, file string)
		says    string
	}{
		"a text": {
			func(t *testing.T, file string) { insert(t, file, strings.Repeat("some text\n", 100)) },
			"not an SQLite database",
		},
		"a damaged file": {func(t *testing.T, file string) { insert(t, file, string(damaged)) }, "it is damaged"},
		"a directory": {func(t *testing.T, file string) {
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "it is a directory"},
		"a link": {func(t *testing.T, file string) {
			if err := os.Symlink(whole, file); err != nil {
				t.Fatal(err)
			}
		}, "it is a symbolic link"},
		"locked by somebody else": {func(t *testing.T, file string) {
			insert(t, file, string(good))
			other := raw(t, file)
			exec(t, other, `PRAGMA locking_mode = EXCLUSIVE`)
			exec(t, other, `BEGIN EXCLUSIVE`)
			exec(t, other, `CREATE TABLE of_somebody_else (a)`)
		}, "another process holds its lock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "claviger.db")
			c.arrange(t, file)
			b, err := sqlite.Open(t.Context(), file)
			if err == nil {
				closeBackend(t, b)
				t.Fatal("it opened")
			}
			if text := err.Error(); !strings.Contains(text, c.says) || !strings.Contains(text, file) {
				t.Errorf("Open says %q, want %q and the name of the file in it", text, c.says)
			}
		})
	}
}

func insert(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
