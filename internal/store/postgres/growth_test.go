package postgres_test

import (
	"database/sql"
	"strconv"
	"sync"
	"testing"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// BenchmarkCreateKey creates keys through the API, for eight members at once, and reports what a
// created key costs PostgreSQL: row versions that UPDATEs wrote, dead rows that are left, and bytes
// of all tables and indexes. Autovacuum is off. Run it with
//
//	scripts/with-postgres \
//		go test -run '^$' -bench CreateKey -benchtime 5000x ./internal/store/postgres
func BenchmarkCreateKey(b *testing.B) {
	const members = 8
	h := testkit.Start(b, testkit.Postgres)
	tenant := h.Tenant("Growing", func(s *policy.Settings) { s.KeysPerUser = 0 })
	create := make([]func(), members)
	for i := range create {
		c := h.As(h.Member(tenant, "Member "+strconv.Itoa(i), scope.Member))
		create[i] = func() { h.Key(c, tenant, "tenants:read") }
	}
	db := h.Beside()
	read := func(query string) (n float64) {
		if err := db.QueryRowContext(b.Context(), query).Scan(&n); err != nil {
			b.Fatal(err)
		}
		return n
	}
	// Sessions report what they did within ten seconds of being idle.
	statistics := func(keys int) (updated, dead, size float64) {
		for read(`SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'keys'`) < float64(keys) {
			read(`SELECT 1 FROM pg_sleep(0.2)`)
		}
		updated = read(`SELECT SUM(n_tup_upd) FROM pg_stat_user_tables`)
		dead = read(`SELECT SUM(n_dead_tup) FROM pg_stat_user_tables`)
		size = read(`SELECT SUM(pg_total_relation_size(relid)) FROM pg_stat_user_tables`)
		return updated, dead, size
	}
	for _, table := range userTables(b, db) {
		if _, err := db.ExecContext(b.Context(), `ALTER TABLE `+table+` SET (autovacuum_enabled = off)`); err != nil {
			b.Fatal(err)
		}
	}
	updated, dead, size := statistics(0)
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range create {
		all.Go(func() {
			for n := i; n < b.N; n += members {
				create[i]()
			}
		})
	}
	all.Wait()
	b.StopTimer()
	updatedNow, deadNow, sizeNow := statistics(b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
	b.ReportMetric((updatedNow-updated)/float64(b.N), "updates/key")
	b.ReportMetric((deadNow-dead)/float64(b.N), "dead-rows/key")
	b.ReportMetric((sizeNow-size)/float64(b.N), "bytes/key")
	b.ReportMetric(0, "ns/op")
}

func userTables(b *testing.B, db *sql.DB) (names []string) {
	rows, err := db.QueryContext(b.Context(), `SELECT relname FROM pg_stat_user_tables`)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			b.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return names
}
