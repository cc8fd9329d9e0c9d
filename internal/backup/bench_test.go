package backup_test

import (
	"database/sql"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/backup"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// benchRows is how many rows of the audit trail, which has the most columns, the benchmark adds.
const benchRows = 100_000

// BenchmarkWrite measures how long it takes to write a row of a backup on SQLite, encrypted. age
// encrypts to a recipient, since a passphrase costs a second by intention.
func BenchmarkWrite(b *testing.B) {
	h := testkit.Start(b, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	h.Key(h.As(h.Member(tenant, "Key Owner", scope.Admin)), tenant, "applications:read", "scopes:read")
	db := h.Beside()
	_, err := db.ExecContext(b.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, effects, at, actor_type,
			actor_id, actor_email, action, target_type, target_id, target_name, ip, request_id, details, account_id,
			tenant_id)
		SELECT chain, 1000000 + i, prev_hash, hash, id || i, 1000000 + i, stale, effects, at, actor_type, actor_id,
			actor_email, action, target_type, target_id, target_name, ip, request_id, details, account_id, tenant_id
		FROM (SELECT * FROM audit_events ORDER BY change_number DESC LIMIT 1) CROSS JOIN n`, benchRows)
	testkit.NoError(b, err)
	var rows int64
	before := cpuTime(b)
	for b.Loop() {
		to := testkit.Must[io.WriteCloser](b)(backup.Encrypt(io.Discard, backup.Recipient{
			Recipients: []string{"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"},
		}))
		testkit.NoError(b, h.Store.Snapshot(b.Context(), func(tx *sql.Tx, _ store.Moment) error {
			return backup.Write(b.Context(), to, tx, backup.Header{Version: "test"})
		}))
		testkit.NoError(b, to.Close())
		rows += benchRows
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(rows), "cpu-ns/row")
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// cpuTime returns the processor time that this process has used.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	testkit.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
