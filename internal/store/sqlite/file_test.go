package sqlite_test

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
)

// contents returns the content of every file in a directory, by name.
func contents(t *testing.T, directory string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(directory, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(text)
	}
	return all
}

func closeBackend(t *testing.T, b store.Backend) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// raw opens the file outside of the store, with one connection.
func raw(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestTheFilesAreTheirOwnersAlone(t *testing.T) {
	for found, mode := range map[string]os.FileMode{"a new file": 0, "a file of 0644": 0o644, "a file of 0600": 0o600} {
		directory := t.TempDir()
		file := filepath.Join(directory, "claviger.db")
		if mode != 0 {
			if err := os.WriteFile(file, nil, mode); err != nil {
				t.Fatal(err)
			}
		}
		b := open(t, file)
		exec(t, b.Write, `UPDATE counters SET value = 1`)
		names := slices.Sorted(maps.Keys(contents(t, directory)))
		if want := []string{"claviger.db", "claviger.db-shm", "claviger.db-wal"}; !slices.Equal(names, want) {
			t.Errorf("%s: an open database has files %q, want %q", found, names, want)
		}
		for _, name := range names {
			info, err := os.Stat(filepath.Join(directory, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got != 0o600 {
				t.Errorf("%s: %s has mode %v, want 0600", found, name, got)
			}
		}
		closeBackend(t, b)
	}
}

func TestAFileIsOpenedUnderTheNameThatIsWritten(t *testing.T) {
	for _, name := range []string{
		"with space.db", "what?.db", "a#b.db", "100%.db", "a%20b.db", "a&b=c;d.db", "quote'd \"name\".db", "plus+.db",
		"ünïcode.db", "back\\slash.db",
		"mode=memory?mode=memory.db", ":memory:", "colon:.db", "file:x", "@[x].db",
	} {
		directory := filepath.Join(t.TempDir(), "in "+strings.ReplaceAll(name, "/", ""))
		if err := os.Mkdir(directory, 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(directory, name)
		for want := range 2 { // created first, then found
			b := open(t, file)
			var got int
			if err := b.Read.QueryRowContext(t.Context(),
				`SELECT value FROM counters WHERE name = 'user'`).Scan(&got); err != nil || got != want {
				t.Errorf("%q: opened for the %d. time it holds %d (%v)", name, want+1, got, err)
			}
			exec(t, b.Write, `UPDATE counters SET value = value + 1`)
			closeBackend(t, b)
		}
		if got := slices.Collect(maps.Keys(contents(t, directory))); !slices.Equal(got, []string{name}) {
			t.Errorf("%q: made files %q", name, got)
		}
	}
}

func TestANewerDatabaseIsRefusedUntouched(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "claviger.db")
	closeBackend(t, open(t, file))
	newer := raw(t, file)
	exec(t, newer, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
	exec(t, newer, `CREATE TABLE of_the_future (a TEXT)`)
	if err := newer.Close(); err != nil {
		t.Fatal(err)
	}
	before := contents(t, directory)
	for range 2 {
		_, err := sqlite.Open(t.Context(), file)
		if err == nil || !strings.Contains(err.Error(), "has version 99999, newer than this program's") {
			t.Errorf("Open says %v", err)
		}
	}
	if !maps.Equal(contents(t, directory), before) {
		t.Error("the newer database was changed")
	}
}

func TestAFileThatIsNoDatabaseIsRefusedUntouched(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "claviger.db")
	if err := os.WriteFile(file, []byte(strings.Repeat("my thesis, the only copy\n", 400)), 0o600); err != nil {
		t.Fatal(err)
	}
	before := contents(t, directory)
	if _, err := sqlite.Open(t.Context(), file); err == nil {
		t.Error("opened a text as a database")
	}
	if !maps.Equal(contents(t, directory), before) {
		t.Error("the file was changed")
	}
}

func TestAFileThatCannotBeMadeIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "missing", "claviger.db")
	if _, err := sqlite.Open(t.Context(), file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Open says %v, which does not name the file", err)
	}
}

func TestADatabaseIsOpenedAgainAsItWasLeft(t *testing.T) {
	file := filepath.Join(t.TempDir(), "claviger.db")
	for i := range 3 {
		b := open(t, file)
		var got int
		if err := b.Read.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM users`).Scan(&got); err != nil || got != i {
			t.Fatalf("%d users are left, want %d (%v)", got, i, err)
		}
		exec(t, b.Write, `INSERT INTO users (id, number, created_at, updated_at) VALUES ($1, $2, 0, 0)`,
			fmt.Sprint("usr_", i), i)
		closeBackend(t, b)
	}
}

func TestTheSchemaIsToldAndNothingChanged(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "claviger.db")
	demandSchema := func(when string, version func(known int64) int64) {
		t.Helper()
		before := contents(t, directory)
		s, err := sqlite.Schema(t.Context(), file)
		if err != nil || s.Known < 2 || s.Version != version(s.Known) {
			t.Errorf("%s: %+v, %v", when, s, err)
		}
		// readers of a WAL store their positions in the index file
		if when != "while it is open" && !maps.Equal(contents(t, directory), before) {
			t.Errorf("%s: something was changed", when)
		}
	}
	none := func(int64) int64 { return 0 }
	all := func(known int64) int64 { return known }
	demandSchema("before there is a file", none)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	demandSchema("in an empty file", none)
	b := open(t, file)
	demandSchema("while it is open", all)
	exec(t, b.Write, `DELETE FROM goose_db_version WHERE version_id > 1`)
	closeBackend(t, b)
	demandSchema("at the first version", func(int64) int64 { return 1 })
}
