package app_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAnUpgradeKeepsEveryRowAndEveryCredential(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		c := testkit.ReleasedConfig(t, e)
		before := testkit.ReleasedRows(t, c)
		demandSame := func(when string) {
			t.Helper()
			if diff := cmp.Diff(before, withoutAdded(testkit.ReleasedRows(t, c))); diff != "" {
				t.Errorf("%s: rows before (-) and after (+):\n%s", when, diff)
			}
		}
		m, err := app.Migrate(t.Context(), c)
		if err != nil || m.Before.Version != 15 || !m.After.Expanded || m.After.Finished() != (e == testkit.SQLite) {
			t.Fatalf("%+v, %v", m, err)
		}
		demandSame("after the start of a node")
		m, err = app.FinishMigration(t.Context(), c)
		if err != nil || !m.After.Finished() {
			t.Fatalf("%+v, %v", m, err)
		}
		demandSame("after the upgrade was finished")
		h := testkit.StartReleased(t, c)
		demandUpgraded(t, h, true)
		testkit.ExpectReleased(t, h, "upgraded")
		demandNumbers(t, h)
		h.Restart()
		testkit.ExpectReleased(t, h, "after a restart")
	})
}

func TestANodeOfThisVersionWorksBeforeAndAfterTheUpgradeIsFinished(t *testing.T) {
	t.Parallel()
	c := testkit.ReleasedConfig(t, testkit.Postgres)
	h := testkit.StartReleased(t, c)
	if !strings.Contains(h.Log.String(), "claviger migrate finish") {
		t.Error("the log does not say what the operator must do")
	}
	demandUpgraded(t, h, false)
	testkit.ExpectReleased(t, h, "before")
	if _, err := app.FinishMigration(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	demandUpgraded(t, h, true)
	testkit.ExpectReleased(t, h, "after")
	demandNumbers(t, h)
	h.Restart()
	testkit.ExpectReleased(t, h, "after a restart")
}

// withoutAdded removes the rows that the contraction adds.
func withoutAdded(rows []string) (kept []string) {
	for _, row := range rows {
		if !strings.HasPrefix(row, "server_keys [management_") {
			kept = append(kept, row)
		}
	}
	return kept
}

func demandUpgraded(t *testing.T, h *testkit.Server, want bool) {
	t.Helper()
	got, err := h.Store.Upgraded(t.Context())
	if err != nil || got != want {
		t.Errorf("upgraded: %t, want %t (%v)", got, want, err)
	}
	if err := h.Store.Current(t.Context()); err != nil {
		t.Errorf("the schema is not current: %v", err)
	}
}

// demandNumbers fails the test unless the keys are numbered in the order in which they were made.
func demandNumbers(t *testing.T, h *testkit.Server) {
	t.Helper()
	rows, err := h.Beside().QueryContext(t.Context(), `SELECT number FROM keys ORDER BY created_at, id`)
	testkit.NoError(t, err)
	defer rows.Close()
	n := 0
	for rows.Next() {
		var number sql.NullInt64
		testkit.NoError(t, rows.Scan(&number))
		n++
		if number.Int64 != int64(n) {
			t.Fatalf("key %d has the number %+v", n, number)
		}
	}
	testkit.NoError(t, rows.Err())
	if next := testkit.QueryInt(t, h, `SELECT value FROM counters WHERE name = 'key'`); n == 0 || next != n {
		t.Errorf("%d keys, and the counter is at %d", n, next)
	}
}

func TestAnOlderNodeThatIsAliveKeepsTheUpgradeFromBeingFinished(t *testing.T) {
	t.Parallel()
	c := testkit.ReleasedConfig(t, testkit.Postgres)
	h := testkit.StartReleased(t, c)
	// as a version with schema 15 does
	testkit.Exec(t, h, `INSERT INTO leases (name, holder, until) VALUES ('node/aabb', 'old-host', $1)`, int64(9e15))
	_, err := app.FinishMigration(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "old-host (node aabb)") ||
		!strings.Contains(err.Error(), "5 minutes") {
		t.Fatalf("%v", err)
	}
	demandUpgraded(t, h, false)
	// a new version on the same data directory, and the old one again
	for _, step := range []struct {
		schemaUntil int64
		alive       bool
	}{{9e15, false}, {9e15 - 1, true}} {
		testkit.Exec(t, h, `DELETE FROM leases WHERE name = 'schema/aabb'`)
		testkit.Exec(t, h, fmt.Sprintf(`INSERT INTO leases (name, holder, until) VALUES ('schema/aabb', '%d', $1)`,
			h.Store.Known()), step.schemaUntil)
		older, err := h.Store.OlderNodes(t.Context(), h.Clock.Now())
		if err != nil || (len(older) > 0) != step.alive {
			t.Errorf("%+v: %+v, %v", step, older, err)
		}
	}
	testkit.Exec(t, h, `DELETE FROM leases WHERE name = 'node/aabb'`)
	if m, err := app.FinishMigration(t.Context(), c); err != nil || !m.After.Finished() {
		t.Fatalf("%+v, %v", m, err)
	}
	demandUpgraded(t, h, true)
}

func TestADatabaseThatIsNotFinishedTakesNoBackup(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	b := testkit.Backup(t, h)
	c := testkit.RestoreTarget(t, h, testkit.Postgres)
	db := testkit.Database(t, c.Database.URL.Reveal(), "")
	_, err := db.ExecContext(t.Context(), `DELETE FROM goose_db_version WHERE version_id = 17`)
	testkit.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `INSERT INTO server_settings (name, value) VALUES ('root_check', 'another')`)
	testkit.NoError(t, err)
	if _, err := testkit.Restore(t, h, c, b, app.Restoring{WithoutJournal: true}); err == nil ||
		!strings.Contains(err.Error(), "claviger migrate finish") {
		t.Errorf("%v", err)
	}
}
