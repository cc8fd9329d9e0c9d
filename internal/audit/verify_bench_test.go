package audit_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// benchRecords is how many records the benchmark adds to one chain.
const benchRecords = 100_000

// BenchmarkVerify measures how long the verification of a record takes, in a long chain on SQLite.
func BenchmarkVerify(b *testing.B) {
	h := testkit.Start(b, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	h.Key(h.As(h.Member(tenant, "Key Owner", scope.Admin)), tenant, "applications:read", "scopes:read")
	extendChain(b, h, string(tenant.ID), benchRecords)
	var records int64
	before := cpuTime(b)
	for b.Loop() {
		f := testkit.Must[audit.Finding](b)(audit.Verify(b.Context(), h.Store, audit.State{}))
		if f.Damage != nil {
			b.Fatal(f.Damage)
		}
		records += f.Records
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(records), "cpu-ns/record")
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

// cpuTime returns the processor time that this process has used.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	testkit.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// extendChain adds records to the chain of a tenant, like the last one, in one transaction by bare
// SQL: each would otherwise be a change of its own.
func extendChain(t testing.TB, h *testkit.Server, chain string, n int) {
	t.Helper()
	heads := testkit.Must[map[string]audit.Head](t)(h.Store.Chains(t.Context()))
	head := heads[chain]
	var last audit.Record
	testkit.NoError(t, h.Store.Chain(t.Context(), chain, func(r audit.Record) error {
		last = r
		return nil
	}))
	count := testkit.Must[audit.RecordCount](t)(h.Store.RecordCount(t.Context()))
	db := h.Beside()
	tx := testkit.Must[*sql.Tx](t)(db.BeginTx(t.Context(), nil))
	for i := range n {
		e := last.Event
		e.ID = ident.EventID(fmt.Sprintf("evt_%020d", i))
		r := head.Append(e)
		r.Change = count.Changes + int64(i) + 1
		head = h.Store.AuditKey().NextHead(head, r)
		testkit.NoError(t, insertRecord(t.Context(), tx, chain, r))
	}
	_, err := tx.ExecContext(t.Context(), `UPDATE audit_heads SET seq = $1, hash = $2, change_number = $3, mac = $4
		WHERE chain = $5`, head.Seq, head.Hash[:], head.Change, head.MAC.Sum[:], chain)
	testkit.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), `UPDATE counters SET value = $1 WHERE name = 'change'`, head.Change)
	testkit.NoError(t, err)
	testkit.NoError(t, tx.Commit())
	testkit.NoError(t, db.Close())
}

func insertRecord(ctx context.Context, tx *sql.Tx, chain string, r audit.Record) error {
	details, err := json.Marshal(r.Details)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale,
		effects, at, actor_type, actor_id, actor_email, action, target_type, target_id, target_name, ip, request_id,
		details, account_id, tenant_id)
		VALUES ($1, $2, $3, $4, $5, $6, '{}', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
		chain, r.Seq, r.PrevHash[:], r.Hash[:], r.ID, r.Change, string(audit.EncodeEffects(r.Effects)),
		r.At.UnixMicro(), r.Actor.Type, r.Actor.ID, r.Actor.Email, r.Action, r.Target.Type, r.Target.ID, r.Target.Name,
		r.IP, r.RequestID, string(details), r.Account, r.Tenant)
	return err
}
