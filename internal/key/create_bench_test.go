package key_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// BenchmarkCreate creates keys, one after the other, and compares with one durable
// transaction that inserts copies of the same rows by bare SQL.
func BenchmarkCreate(b *testing.B) {
	for _, engine := range testkit.Engines() {
		b.Run(string(engine), func(b *testing.B) {
			h := testkit.Start(b, engine)
			tenant := h.Tenant("Main", testkit.UnlimitedKeys)
			owner := h.Member(tenant, "Key Owner", scope.Admin)
			who := principal.OfSession(&principal.Session{
				User: owner, SignedInAt: h.Clock.Now(),
				Memberships: []principal.Membership{{Tenant: tenant.ID, Account: h.Account.ID, Role: scope.Admin}},
			})
			create := func() key.Issued {
				return testkit.Must[key.Issued](b)(h.Keys.Create(b.Context(), who, tenant.ID, key.Spec{
					Name: "Test key", Scopes: []scope.Scope{scope.ApplicationsRead}, AllApplications: true,
				}))
			}
			f := newBareInserts(b, h, create())
			var bare time.Duration
			rounds := 0
			for b.Loop() {
				create()
				b.StopTimer()
				began := time.Now()
				f.insert()
				bare += time.Since(began)
				rounds++
				b.StartTimer()
			}
			created := b.Elapsed().Seconds() / float64(rounds)
			b.ReportMetric(1/created, "creates/s")
			b.ReportMetric(float64(rounds)/bare.Seconds(), "bare-SQL/s")
			b.ReportMetric(bare.Seconds()/float64(rounds)/created, "of-bare-SQL")
		})
	}
}

// bareInserts inserts copies of the rows of one key.
type bareInserts struct {
	t    testing.TB
	db   *sql.Conn
	rows []copied
	// updates change the rows that every change changes.
	updates []*sql.Stmt
	id      string
	made    int
}

// copied is a row and the statement that inserts it.
type copied struct {
	insert *sql.Stmt
	// fresh are the columns whose values are unique: they get a number of their own.
	fresh  []bool
	values []any
}

// uniqueColumns are columns of which each row needs another value.
var uniqueColumns = map[string]bool{
	"number": true, "lookup": true, "public_id": true, "id": true, "seq": true, "change_number": true, "key_id": true,
	"object_id": true,
}

func newBareInserts(t testing.TB, h *testkit.Server, k key.Issued) *bareInserts {
	t.Helper()
	f := &bareInserts{t: t, id: string(k.Key.ID)}
	f.db = testkit.Must[*sql.Conn](t)(h.Beside().Conn(t.Context()))
	for table, where := range map[string]string{
		"keys": "id = $1", "key_secrets": "key_id = $1", "key_grants": "key_id = $1", "search_words": "object_id = $1",
		"audit_events": "target_id = $1",
	} {
		f.copyRows(table, where)
	}
	for _, update := range []string{
		"UPDATE counters SET value = value WHERE name = 'change'",
		"UPDATE audit_heads SET seq = seq WHERE chain = (SELECT MAX(chain) FROM audit_heads)",
	} {
		f.updates = append(f.updates, f.prepare(update))
	}
	return f
}

func (f *bareInserts) copyRows(table, where string) {
	f.t.Helper()
	rows := testkit.Must[*sql.Rows](f.t)(f.db.QueryContext(f.t.Context(),
		"SELECT * FROM "+table+" WHERE "+where, f.id))
	var found []copied
	var statements []string
	names := testkit.Must[[]string](f.t)(rows.Columns())
	for rows.Next() {
		c := copied{values: make([]any, len(names)), fresh: make([]bool, len(names))}
		into, marks := make([]any, len(names)), make([]string, len(names))
		for i := range names {
			into[i], marks[i] = &c.values[i], fmt.Sprintf("$%d", i+1)
			c.fresh[i] = uniqueColumns[names[i]]
		}
		testkit.NoError(f.t, rows.Scan(into...))
		if slot := slices.Index(names, "slot"); slot >= 0 {
			c.values[slot] = nil // the copies are no keys of the owner's cap
		}
		statements = append(statements, "INSERT INTO "+table+" ("+strings.Join(names, ", ")+") VALUES ("+
			strings.Join(marks, ", ")+")")
		found = append(found, c)
	}
	testkit.NoError(f.t, rows.Err())
	testkit.NoError(f.t, rows.Close())
	for i, c := range found {
		c.insert = f.prepare(statements[i])
		f.rows = append(f.rows, c)
	}
}

func (f *bareInserts) prepare(statement string) *sql.Stmt {
	f.t.Helper()
	return testkit.Must[*sql.Stmt](f.t)(f.db.PrepareContext(f.t.Context(), statement))
}

// insert inserts one more copy of all rows, and moves the counter and the head of a chain.
func (f *bareInserts) insert() {
	f.t.Helper()
	f.made++
	ctx := context.WithoutCancel(f.t.Context())
	tx := testkit.Must[*sql.Tx](f.t)(f.db.BeginTx(ctx, nil))
	for _, c := range f.rows {
		values := make([]any, len(c.values))
		for i, v := range c.values {
			values[i] = v
			if !c.fresh[i] {
				continue
			}
			switch v := v.(type) {
			case string:
				values[i] = fmt.Sprint(v, f.made)
			case []byte:
				values[i] = fmt.Appendf(nil, "%s%d", v, f.made)
			case int64:
				values[i] = v + 1_000_000_000 + int64(f.made)
			}
		}
		_, err := tx.StmtContext(ctx, c.insert).ExecContext(ctx, values...)
		testkit.NoError(f.t, err)
	}
	for _, update := range f.updates {
		_, err := tx.StmtContext(ctx, update).ExecContext(ctx)
		testkit.NoError(f.t, err)
	}
	testkit.NoError(f.t, tx.Commit())
}
