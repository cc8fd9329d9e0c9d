package app_test

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestANodeIsReadyUntilSomethingWithoutWhichItMustNotDecideFailsAndNamesIt(t *testing.T) {
	t.Parallel()
	both := []testkit.Engine{testkit.SQLite, testkit.Postgres}
	for _, c := range []struct {
		check string
		on    []testkit.Engine
		fail  func(*testing.T, *testkit.Server)
	}{
		{"node", both, func(_ *testing.T, h *testkit.Server) { h.Engine.Halt() }},
		{"database", both, loseDatabase},
		{"writes", both, holdWrites},
		{"schema", both, func(t *testing.T, h *testkit.Server) { testkit.Exec(t, h, setVersion, 999) }},
		{"changes", []testkit.Engine{testkit.Postgres}, loseChanges}, // SQLite's file is one process's alone
		{"clock", both, func(_ *testing.T, h *testkit.Server) { h.Clock.Move(-2 * time.Minute) }},
		{"jobs", both, loseServerKeys},
	} {
		for _, e := range c.on {
			t.Run(c.check+" on "+string(e), func(t *testing.T) {
				t.Parallel()
				h := testkit.StartWith(t, e, func(o *app.Options) { o.JobGrace = 3 * time.Second })
				if detail := testkit.NotReady(t, h); detail != "" {
					t.Fatalf("before: %s", detail)
				}
				c.fail(t, h)
				detail := testkit.Await(t, func() string { return testkit.NotReady(t, h) })
				if !strings.Contains(detail, " "+c.check+" (") {
					t.Errorf("%q does not name %s", detail, c.check)
				}
				if got := testkit.Scrape(t, h)[`claviger_ready{check="`+c.check+`"}`]; got != 0 {
					t.Errorf("the metrics say %v", got)
				}
			})
		}
	}
}

func TestANodeIsReadyAgainWhenWhatFailedIsMended(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	testkit.Exec(t, h, setVersion, 999)
	testkit.Await(t, func() string { return testkit.NotReady(t, h) })
	testkit.Exec(t, h, `DELETE FROM goose_db_version WHERE version_id = 999`)
	testkit.Await(t, func() string {
		if testkit.NotReady(t, h) == "" {
			return "ready"
		}
		return ""
	})
}

const setVersion = `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, TRUE)`

// loseDatabase stops the database from answering.
func loseDatabase(t *testing.T, h *testkit.Server) {
	t.Helper()
	h.ExpectStopToFail()
	if h.Config.Database.URL.IsZero() {
		if err := h.Store.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	u, err := url.Parse(h.Config.Database.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	testkit.OnServer(t, `ALTER DATABASE `+name+` ALLOW_CONNECTIONS false`)
	testkit.OnServer(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name)
}

// holdWrites begins a transaction that writes, and leaves it open.
func holdWrites(t *testing.T, h *testkit.Server) {
	t.Helper()
	tx := testkit.Must[*sql.Tx](t)(h.Beside().BeginTx(context.WithoutCancel(t.Context()), nil))
	t.Cleanup(func() { _ = tx.Rollback() })
	_, err := tx.ExecContext(t.Context(), `UPDATE counters SET value = value WHERE name = 'change'`)
	testkit.NoError(t, err)
}

// loseUses removes the table of last uses while a use waits to be written.
func loseUses(t *testing.T, h *testkit.Server) {
	t.Helper()
	h.ExpectStopToFail()
	tenant := h.Tenant("Main", nil)
	k := h.With(h.Key(h.As(h.Member(tenant, "Key Owner", scope.Member)), tenant, "applications:read"))
	use := func() {
		if _, err := k.Whoami(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	use() // its facts, which hold the last use, are read
	testkit.Exec(t, h, `ALTER TABLE key_uses RENAME TO key_uses_away`)
	h.Clock.Move(time.Minute)
	use()
}

// loseServerKeys removes the table of server keys.
func loseServerKeys(t *testing.T, h *testkit.Server) {
	t.Helper()
	testkit.Exec(t, h, `ALTER TABLE server_keys RENAME TO server_keys_away`)
}

// Optional jobs may be late: last uses, sweeps, notices.
func TestANodeStaysReadyWhereOnlyWorkFailsThatNoDecisionNeeds(t *testing.T) {
	t.Parallel()
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.JobGrace = time.Nanosecond })
	loseUses(t, h)
	const failures = `claviger_job_failures_total{task="last_uses"}`
	testkit.Await(t, func() string {
		if testkit.Scrape(t, h)[failures] >= 3 { // it fails for more than one turn
			return "fails"
		}
		return ""
	})
	if detail := testkit.NotReady(t, h); strings.Contains(detail, "jobs") {
		t.Errorf("readyz says %q", detail)
	}
}

// loseChanges makes the change feed unreadable. The journal of revocations reads it, too.
func loseChanges(t *testing.T, h *testkit.Server) {
	t.Helper()
	testkit.Exec(t, h, `ALTER TABLE audit_events RENAME TO lost`)
	t.Cleanup(func() { testkit.Exec(t, h, `ALTER TABLE lost RENAME TO audit_events`) })
}
