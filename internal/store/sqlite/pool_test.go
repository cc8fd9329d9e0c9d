package sqlite_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// connections opens all connections that the pool may have, at the same time.
func connections(t *testing.T, db *sql.DB) []*sql.Conn {
	t.Helper()
	most := db.Stats().MaxOpenConnections
	if most == 0 {
		t.Fatal("the pool has no bound")
	}
	all := make([]*sql.Conn, most)
	for i := range all {
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		all[i] = c
	}
	return all
}

func TestEveryConnectionHasThePragmas(t *testing.T) {
	b := open(t, testkit.MigratedFile(t))
	t.Cleanup(func() { closeBackend(t, b) })
	for _, pool := range []struct {
		name      string
		db        *sql.DB
		queryOnly string
	}{{"read", b.Read, "1"}, {"write", b.Write, "0"}} {
		all := connections(t, pool.db)
		for i, c := range all {
			for pragma, want := range map[string]string{
				"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
				"query_only": pool.queryOnly,
			} {
				var got string
				if err := c.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
					t.Errorf("connection %d of %d to %s: %s = %s, want %s (%v)", i+1, len(all), pool.name, pragma, got,
						want, err)
				}
			}
		}
		if pool.name == "write" != (len(all) == 1) {
			t.Errorf("the pool to %s has %d connections", pool.name, len(all))
		}
	}
}

func TestReadersReadWhileTheWriterWrites(t *testing.T) {
	b := open(t, testkit.MigratedFile(t))
	t.Cleanup(func() { closeBackend(t, b) })
	tx, err := b.Write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), `UPDATE counters SET value = 7`); err != nil {
		t.Fatal(err)
	}
	for _, c := range connections(t, b.Read) {
		var got int
		if err := c.QueryRowContext(t.Context(),
			`SELECT value FROM counters WHERE name = 'user'`).Scan(&got); err != nil || got != 0 {
			t.Errorf("a reader sees %d, want what was committed (%v)", got, err)
		}
		if _, err := c.ExecContext(t.Context(), `UPDATE counters SET value = 8`); err == nil {
			t.Error("a reader writes")
		}
	}
}

// newStore returns a store on the backend, and collects the errors that it calls fatal.
func newStore(t *testing.T, b store.Backend) (s *store.Store, fatal func() int) {
	t.Helper()
	told := 0
	s = store.New(b, store.Options{Now: time.Now, Rand: rand.Reader, Fatal: func(error) { told++ }})
	s.SetRoot(credential.NewRoot(rand.Reader))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, func() int { return told }
}

// write records an event and counts how often the change ran.
func write(t *testing.T, s *store.Store) (runs int, err error) {
	t.Helper()
	ledger := store.NewLedger(s, func(tx *store.Tx) *store.Tx { return tx })
	err = ledger.Write(t.Context(), principal.Operator(), func(context.Context, *store.Tx) (audit.Event, error) {
		runs++
		return audit.By(principal.Operator(), audit.ActionNoticeRetry, audit.Target{}), nil
	})
	return runs, err
}

func TestAWriteWaitsForAnotherProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "claviger.db")
	b := open(t, file)
	exec(t, b.Write, `PRAGMA busy_timeout = 0`) // with one connection; so that the test does not wait for seconds
	other := raw(t, file)
	exec(t, other, `BEGIN IMMEDIATE`)
	busy, classify := 0, b.Classify
	b.Classify = func(err error) store.Failure {
		f := classify(err)
		if f == store.Contention {
			busy++
			exec(t, other, `ROLLBACK`)
		}
		return f
	}
	s, _ := newStore(t, b)
	if runs, err := write(t, s); err != nil || runs != 1 || busy != 1 {
		t.Errorf("busy %d times, ran %d times and ended with %v, want each once and success", busy, runs, err)
	}
}

func TestAnotherProcessThatNeverEndsMakesUnavailable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "claviger.db")
	b := open(t, file)
	exec(t, b.Write, `PRAGMA busy_timeout = 0`)
	exec(t, raw(t, file), `BEGIN IMMEDIATE`)
	s, _ := newStore(t, b)
	if runs, err := write(t, s); fault.KindOf(err) != fault.Unavailable || runs != 0 {
		t.Errorf("ran %d times and ended with %v, want unavailable", runs, err)
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	b := open(t, testkit.MigratedFile(t))
	t.Cleanup(func() { closeBackend(t, b) })
	exec(t, b.Write, `INSERT INTO users (id, number, created_at, updated_at) VALUES ('usr_1', 1, 0, 0)`)
	for _, c := range []struct {
		text string
		want store.Failure
	}{
		{`INSERT INTO users (id, number, created_at, updated_at) VALUES ('usr_1', 2, 0, 0)`, store.Duplicate},
		{`INSERT INTO users (id, number, created_at, updated_at) VALUES ('usr_2', 1, 0, 0)`, store.Duplicate},
		{`INSERT INTO key_uses (key_id, last_used_at) VALUES ('key_1', 0), ('key_1', 0)`, store.Duplicate},
		{`INSERT INTO users (id, number, created_at) VALUES ('usr_2', 2, 0)`, store.Rejected},
		{`INSERT INTO members (tenant_id, user_id, role, created_at, updated_at)
			VALUES ('ten_1', 'usr_1', 'admin', 0, 0)`, store.Other},
		{`INSERT INTO nowhere (a) VALUES (1)`, store.Rejected},
		{`INSERT INTO users (id, number, created_at, updated_at) VALUES ('usr_3', 'many', 0, 0)`, store.Rejected},
	} {
		_, err := b.Write.ExecContext(t.Context(), c.text)
		if err == nil {
			t.Errorf("%s: succeeded", c.text)
		}
		for _, err := range []error{err, errors.Join(errors.New("around it"), err)} {
			if got := b.Classify(err); got != c.want {
				t.Errorf("%v is failure %d, want %d", err, got, c.want)
			}
		}
	}
	for _, err := range []error{nil, sql.ErrNoRows, context.Canceled} {
		if got := b.Classify(err); got != store.Other {
			t.Errorf("%v is failure %d, want %d", err, got, store.Other)
		}
	}
}

func TestADamagedFileEndsTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "claviger.db")
	b := open(t, file)
	pages := pagesOf(t, b, "users")
	closeClean(t, b, file)
	for _, page := range pages {
		damage(t, file, (page-1)*4096, 4096)
	}
	s, fatal := newStore(t, open(t, file))
	if _, _, err := s.UserByEmail(t.Context(), "ada@claviger.example"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a damaged table says %v, want unavailable", err)
	}
	if fatal() != 1 {
		t.Errorf("told %d times that the file is damaged, want once", fatal())
	}
}

func TestAFileThatIsADatabaseNoMoreEndsTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "claviger.db")
	closeClean(t, open(t, file), file)
	damage(t, file, 0, 100)
	_, err := raw(t, file).ExecContext(t.Context(), `SELECT COUNT(*) FROM users`)
	other := open(t, testkit.MigratedFile(t))
	defer closeBackend(t, other)
	if got := other.Classify(err); got != store.Fatal {
		t.Errorf("%v is failure %d, want %d", err, got, store.Fatal)
	}
}

// pagesOf returns the numbers of the first pages of a table and its indexes.
func pagesOf(t *testing.T, b store.Backend, table string) (pages []int64) {
	t.Helper()
	rows, err := b.Read.QueryContext(t.Context(), `SELECT rootpage FROM sqlite_master WHERE tbl_name = $1`, table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var page int64
		if err := rows.Scan(&page); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	if err := rows.Err(); err != nil || len(pages) == 0 {
		t.Fatalf("%s has pages %v (%v)", table, pages, err)
	}
	return pages
}

// closeClean closes the database with all of its data in the file. What is left in the WAL would
// hide damaged pages.
func closeClean(t *testing.T, b store.Backend, file string) {
	t.Helper()
	if _, err := b.Write.ExecContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	closeBackend(t, b)
	if err := os.Remove(file + "-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func damage(t *testing.T, file string, at, size int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xEE}, int(size)), at)
	err = errors.Join(err, f.Close())
	if err != nil {
		t.Fatal(err)
	}
}
