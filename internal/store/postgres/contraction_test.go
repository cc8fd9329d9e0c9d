package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAContractionThatFailsLeavesEverythingAsItWas(t *testing.T) {
	settings := testkit.ReleasedConfig(t, testkit.Postgres)
	url := settings.Database.URL
	closeBackend(t, open(t, url.Reveal())) // with all expansions, as when a node of this version runs
	before := testkit.ReleasedRows(t, settings)
	conn := raw(t, url.Reveal())
	exec(t, conn, `ALTER TABLE key_secrets RENAME CONSTRAINT key_secrets_set_by_fkey TO another`)
	if _, err := postgres.Finish(t.Context(), url); err == nil || !strings.Contains(err.Error(), "version 17") ||
		!strings.Contains(err.Error(), "key_secrets_set_by_fkey") {
		t.Errorf("Finish says %v", err)
	}
	s, err := postgres.Schema(t.Context(), url)
	if err != nil || s.Version != 15 || !s.Expanded {
		t.Errorf("%+v, %v", s, err)
	}
	var constraints int
	if err := conn.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_constraint
		WHERE conname IN ('keys_owner_id_fkey', 'keys_created_by_fkey', 'another')`).Scan(&constraints); err != nil ||
		constraints != 3 {
		t.Errorf("%d constraints are left: %v", constraints, err)
	}
	if diff := cmp.Diff(before, testkit.ReleasedRows(t, settings)); diff != "" {
		t.Errorf("rows before (-) and after (+):\n%s", diff)
	}
	exec(t, conn, `ALTER TABLE key_secrets RENAME CONSTRAINT another TO key_secrets_set_by_fkey`)
	if s, err := postgres.Finish(t.Context(), url); err != nil || !s.Finished() {
		t.Errorf("%+v, %v", s, err)
	}
}

// Every change takes its locks in the order users, keys. The contraction waits its turn.
func TestAContractionWaitsForWhatUsesTheTables(t *testing.T) {
	settings := testkit.ReleasedConfig(t, testkit.Postgres)
	url := settings.Database.URL
	closeBackend(t, open(t, url.Reveal()))
	busy, watch := raw(t, url.Reveal()), raw(t, url.Reveal())
	tx, err := busy.Begin(t.Context())
	testkit.NoError(t, err)
	if _, err := tx.Exec(t.Context(), `SELECT 1 FROM key_secrets`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		s, err := postgres.Finish(t.Context(), url)
		if err == nil && !s.Finished() {
			err = fmt.Errorf("%+v", s)
		}
		done <- err
	}()
	waiting := func() string {
		var pid string
		_ = watch.QueryRow(t.Context(), `SELECT CAST(pid AS TEXT) FROM pg_locks
			WHERE NOT granted AND mode = 'AccessExclusiveLock'
			AND relation IN ('users'::regclass, 'keys'::regclass, 'key_secrets'::regclass)`).Scan(&pid)
		return pid
	}
	testkit.Await(t, waiting)
	testkit.Await(t, func() string { // it gave up once, and let others through
		if waiting() == "" {
			return "gave up"
		}
		return ""
	})
	testkit.NoError(t, tx.Rollback(t.Context()))
	testkit.NoError(t, <-done)
}

func TestManyKeysAreNumberedInTheirOrder(t *testing.T) {
	settings := testkit.ReleasedConfig(t, testkit.Postgres)
	url := settings.Database.URL
	conn := raw(t, url.Reveal())
	exec(t, conn, `INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications, delivery,
		created_at, updated_at)
		SELECT 'key_many_' || i, t.id, u.id, u.id, 'Key', '', TRUE, 'direct', 9000 - i, 1
		FROM generate_series(1, 5000) i, (SELECT MIN(id) AS id FROM tenants) t, (SELECT MIN(id) AS id FROM users) u`)
	closeBackend(t, open(t, url.Reveal()))
	// a node of this version numbers its own keys already
	exec(t, conn, `UPDATE counters SET value = 3 WHERE name = 'key'`)
	exec(t, conn, `UPDATE keys SET number = 3 WHERE id = 'key_many_7'`)
	if s, err := postgres.Finish(t.Context(), url); err != nil || !s.Finished() {
		t.Fatalf("%+v, %v", s, err)
	}
	var unordered, distinct, count, highest, counter int
	row := conn.QueryRow(t.Context(), `SELECT
		(SELECT COUNT(*) FROM (SELECT number, LAG(number) OVER (ORDER BY created_at, id) AS before FROM keys
			WHERE id <> 'key_many_7') k WHERE number <= before),
		COUNT(DISTINCT number), COUNT(*), MAX(number), (SELECT value FROM counters WHERE name = 'key') FROM keys`)
	if err := row.Scan(&unordered, &distinct, &count, &highest, &counter); err != nil {
		t.Fatal(err)
	}
	if unordered != 0 || distinct != count || count < 5000 || highest != counter || highest != count+2 {
		t.Errorf("%d out of order, %d numbers of %d keys, the highest %d, the counter at %d", unordered, distinct,
			count, highest, counter)
	}
}

func TestADatabaseThatNobodyUsedIsMigratedCompletely(t *testing.T) {
	url := testkit.NewDatabase(t)
	b := open(t, url)
	closeBackend(t, b)
	if b.Version != b.Known || b.Version != 17 {
		t.Errorf("a new database has version %d of %d", b.Version, b.Known)
	}
	// as a start leaves it that ended in between
	conn := raw(t, url)
	exec(t, conn, `DELETE FROM goose_db_version WHERE version_id = 17`)
	exec(t, conn, `ALTER TABLE keys ADD CONSTRAINT keys_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users (id)`)
	exec(t, conn, `ALTER TABLE keys ADD CONSTRAINT keys_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id)`)
	exec(t, conn, `ALTER TABLE key_secrets ADD CONSTRAINT key_secrets_set_by_fkey
		FOREIGN KEY (set_by) REFERENCES users (id)`)
	s, err := postgres.Schema(t.Context(), credential.NewSecret(url))
	if err != nil || s.Version != 15 || s.Finished() {
		t.Errorf("%+v, %v", s, err)
	}
	b = open(t, url)
	closeBackend(t, b)
	if b.Version != 17 {
		t.Errorf("after the next start it has version %d", b.Version)
	}
}
