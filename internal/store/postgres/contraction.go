package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// A contraction needs all locks of some tables for a moment. It waits two seconds for them
	// (see the file), because requests wait behind it, and then lets these through.
	contractionTries = 20
	contractionPause = 500 * time.Millisecond
	// numberedAtOnce is the number of keys that are numbered in one transaction.
	numberedAtOnce = 2000
)

// contract calls apply, which applies a contraction, until it gets its locks. What takes long for
// many rows is done before, while nodes work.
func contract(ctx context.Context, db *sql.DB, apply func() error) error {
	if err := numberKeys(ctx, db); err != nil {
		return fmt.Errorf("numbers of the keys: %w", err)
	}
	err := repeatBusy(ctx, apply)
	if err != nil && isBusy(err) {
		return fmt.Errorf("the tables were in use for too long: nothing was changed. End long transactions, such as "+
			"backups, and try again: %w", err)
	}
	return err
}

// repeatBusy calls do again while it fails because something else has its locks.
func repeatBusy(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || !isBusy(err) || attempt == contractionTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(contractionPause):
		}
	}
}

// isBusy reports whether a statement failed because another transaction has a lock.
func isBusy(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "55P03" || e.Code == "40P01") // lock_not_available, deadlock_detected
}

// numberKeys numbers the keys that have no number in the order in which they were made, a part at a
// time, so that no change of a key waits long. Afterwards only keys that were made meanwhile have
// none.
func numberKeys(ctx context.Context, db *sql.DB) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, `DECLARE unnumbered CURSOR WITH HOLD FOR
		SELECT id FROM keys WHERE number IS NULL ORDER BY created_at, id`); err != nil {
		return err
	}
	defer func() {
		_, closed := conn.ExecContext(context.WithoutCancel(ctx), `CLOSE unnumbered`)
		err = errors.Join(err, closed)
	}()
	for {
		ids, err := fetch(ctx, conn)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := repeatBusy(ctx, func() error { return numberPart(ctx, conn, ids) }); err != nil {
			return err
		}
	}
}

func fetch(ctx context.Context, conn *sql.Conn) (ids []string, err error) {
	rows, err := conn.QueryContext(ctx, fmt.Sprintf("FETCH %d FROM unnumbered", numberedAtOnce))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// numberPart numbers some keys in their order. It takes its locks in the order of all transactions:
// keys by their ids, then the counter.
func numberPart(ctx context.Context, conn *sql.Conn, ids []string) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after a COMMIT
	var last int64
	if _, err := tx.ExecContext(ctx, `SELECT 1 FROM keys WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`,
		ids); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `UPDATE counters SET value = value + $1 WHERE name = 'key' RETURNING value`,
		len(ids)).Scan(&last); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE keys SET number = $1 + n.place
		FROM UNNEST($2::text[]) WITH ORDINALITY n (id, place) WHERE keys.id = n.id AND keys.number IS NULL`,
		last-int64(len(ids)), ids); err != nil {
		return err
	}
	return tx.Commit()
}
