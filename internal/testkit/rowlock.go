package testkit

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// WhileWaiting locks the row of a table in the PostgreSQL database and starts act. When act waits
// for that row, it runs other to its end and unlocks the row. It returns the error of act.
func WhileWaiting(t testing.TB, databaseURL, table, id string, act func() error, other func()) error {
	t.Helper()
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	holder, err := pgx.Connect(ctx, databaseURL)
	check(err)
	defer holder.Close(ctx)
	observer, err := pgx.Connect(ctx, databaseURL)
	check(err)
	defer observer.Close(ctx)
	tx, err := holder.Begin(ctx)
	check(err)
	_, err = tx.Exec(ctx, lockRow(table), id)
	check(err)
	ended := make(chan error, 1)
	go func() { ended <- act() }()
	for waiting := 0; waiting == 0 && len(ended) == 0; {
		check(observer.QueryRow(ctx,
			`SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
	}
	other()
	check(tx.Rollback(ctx))
	return <-ended
}

// lockRow returns the statement that locks a row of a table as Claviger does.
func lockRow(table string) string {
	return `SELECT 1 FROM ` + table + ` WHERE id = $1 FOR NO KEY UPDATE`
}

// RowIsLocked reports whether a transaction has locked the row of a table in the PostgreSQL
// database.
func RowIsLocked(t testing.TB, databaseURL, table, id string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), lockRow(table)+` NOWAIT`, id)
	const lockNotAvailable = "55P03"
	if failed, ok := errors.AsType[*pgconn.PgError](err); ok && failed.Code == lockNotAvailable {
		return true
	}
	NoError(t, err)
	return false
}
