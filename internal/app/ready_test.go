package app_test

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestANodeIsReadyUntilSomethingWithoutWhichItMustNotDecideFailsAndNamesIt(t *testing.T) {
	both := []testkit.Engine{testkit.SQLite, testkit.Postgres}
	for _, c := range []struct {
		check string
		on    []testkit.Engine
		fail  func(*testing.T, *testkit.House)
	}{
		{"node", both, func(_ *testing.T, h *testkit.House) { h.Engine.Halt() }},
		{"database", both, loseDatabase},
		{"writes", both, holdWrites},
		{"schema", both, func(t *testing.T, h *testkit.House) { execute(t, h, setVersion, 999) }},
		{"changes", []testkit.Engine{testkit.Postgres}, loseChanges}, // SQLite's file is one process's alone
		{"clock", both, func(_ *testing.T, h *testkit.House) { h.Clock.Move(-2 * time.Minute) }},
		{"jobs", both, loseServerKeys},
	} {
		for _, e := range c.on {
			t.Run(c.check+" on "+string(e), func(t *testing.T) {
				t.Parallel()
				h := testkit.StartWith(t, e, func(o *app.Options) { o.Patience = 3 * time.Second })
				if detail := notReady(t, h); detail != "" {
					t.Fatalf("before: %s", detail)
				}
				c.fail(t, h)
				detail := await(t, func() string { return notReady(t, h) })
				if !strings.Contains(detail, " "+c.check+" (") {
					t.Errorf("%q does not name %s", detail, c.check)
				}
				if got := scrape(t, h)[`claviger_ready{check="`+c.check+`"}`]; got != 0 {
					t.Errorf("the metrics say %v", got)
				}
			})
		}
	}
}

func TestANodeIsReadyAgainWhenWhatFailedIsMended(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	execute(t, h, setVersion, 999)
	await(t, func() string { return notReady(t, h) })
	execute(t, h, `DELETE FROM goose_db_version WHERE version_id = 999`)
	await(t, func() string {
		if notReady(t, h) == "" {
			return "ready"
		}
		return ""
	})
}

// notReady gives what readyz says is wrong; "" where it says that nothing is.
func notReady(t *testing.T, h *testkit.House) string {
	t.Helper()
	err := h.Anyone().Do(t.Context(), http.MethodGet, "/readyz", nil, nil)
	if code := testkit.Code(t, err); code != "" && code != api.Unavailable {
		t.Fatalf("%s", code)
	}
	if err == nil {
		return ""
	}
	return err.(*api.Problem).Detail
}

// await asks until there is an answer.
func await(t *testing.T, ask func() string) string {
	t.Helper()
	deadline, turn := time.After(5*time.Minute), time.NewTicker(50*time.Millisecond)
	defer turn.Stop()
	for {
		if answer := ask(); answer != "" {
			return answer
		}
		select {
		case <-turn.C:
		case <-deadline:
			t.Fatal("nothing changed within five minutes")
		}
	}
}

const setVersion = `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, TRUE)`

// execute runs a statement beside the House, on a connection of its own.
func execute(t *testing.T, h *testkit.House, statement string, args ...any) {
	t.Helper()
	if _, err := h.Beside().ExecContext(context.WithoutCancel(t.Context()), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// counted gives the one number of a query beside the House.
func counted(t *testing.T, h *testkit.House, query string, args ...any) (n int) {
	t.Helper()
	if err := h.Beside().QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// loseDatabase makes the database answer nobody any more.
func loseDatabase(t *testing.T, h *testkit.House) {
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

// holdWrites begins a change beside the House and leaves it as it is.
func holdWrites(t *testing.T, h *testkit.House) {
	t.Helper()
	tx := must[*sql.Tx](t)(h.Beside().BeginTx(context.WithoutCancel(t.Context()), nil))
	t.Cleanup(func() { _ = tx.Rollback() })
	_, err := tx.ExecContext(t.Context(), `UPDATE counters SET value = value WHERE name = 'change'`)
	succeed(t, err)
}

// loseUses takes away the table of last uses, while one waits to be written.
func loseUses(t *testing.T, h *testkit.House) {
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
	execute(t, h, `ALTER TABLE key_uses RENAME TO key_uses_away`)
	h.Clock.Move(time.Minute)
	use()
}

// loseServerKeys takes away the table that each node learns from which keys of the server there are.
func loseServerKeys(t *testing.T, h *testkit.House) {
	t.Helper()
	execute(t, h, `ALTER TABLE server_keys RENAME TO server_keys_away`)
}

// A job that nothing is decided by may be late: last uses, sweeps of what is dead, notices.
func TestANodeStaysReadyWhereOnlyWorkFailsThatNoDecisionNeeds(t *testing.T) {
	t.Parallel()
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.Patience = time.Nanosecond })
	loseUses(t, h)
	const failures = `claviger_job_failures_total{task="last_uses"}`
	await(t, func() string {
		if scrape(t, h)[failures] >= 3 { // it fails for more than one turn
			return "fails"
		}
		return ""
	})
	if detail := notReady(t, h); strings.Contains(detail, "jobs") {
		t.Errorf("readyz says %q", detail)
	}
}

// loseChanges makes the table unreadable in which nodes see what others changed. In the end the journal of revocations reads it.
func loseChanges(t *testing.T, h *testkit.House) {
	t.Helper()
	execute(t, h, `ALTER TABLE audit_events RENAME TO lost`)
	t.Cleanup(func() { execute(t, h, `ALTER TABLE lost RENAME TO audit_events`) })
}
