package testkit

import (
	"testing"

	"github.com/jackc/pgx/v5"
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
	_, err = tx.Exec(ctx, `UPDATE `+table+` SET updated_at = updated_at WHERE id = $1`, id)
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
