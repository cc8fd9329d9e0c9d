package app_test

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheQueryPlannerKnowsLargeTablesOnceTheServerAnswers(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	testkit.Exec(t, h, `INSERT INTO sign_in_failures (canonical_email, failures, last_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
		SELECT 'p' || i, 1, i + $1 FROM n`, h.Clock.Now().UnixMicro()) // old ones are removed
	h.Restart()
	db := h.Beside()
	testkit.Await(t, func() (table string) {
		// it exists once there is one
		_ = db.QueryRowContext(t.Context(), `SELECT tbl FROM sqlite_stat1 WHERE tbl = 'sign_in_failures'`).Scan(&table)
		return table
	})
	var small int
	if err := db.QueryRowContext(t.Context(),
		`SELECT COUNT(*) FROM sqlite_stat1 WHERE tbl = 'counters'`).Scan(&small); err != nil || small != 0 {
		t.Errorf("of a handful of rows there are %d statistics (%v)", small, err)
	}
}
