package store

import (
	"context"
	"database/sql"

	"github.com/claviger-dev/claviger/internal/fault"
)

// A transaction locks a row with a SELECT; the lock lasts until the transaction ends. In PostgreSQL
// the SELECT ends with FOR NO KEY UPDATE: other transactions that lock or change the row wait,
// those that read the row or refer to it do not. In SQLite a writing transaction has the database
// to itself and needs no row locks.
//
// Every transaction takes its locks in the same order, so that two transactions never wait for each
// other: set-up, account, tenant, person, account role, membership, service account, subject, ended
// owner, plan, management key, key, application, session. Several rows of one kind are locked in
// the order of their ids. The row of the change counter comes last (Tx.record, and Tx.LockLinks in
// a transaction that mails a link).

// lockRows locks all rows of a query.
func (t *Tx) lockRows(ctx context.Context, q query, args ...any) error {
	_, err := t.countLocked(ctx, q, args)
	return err
}

// lockRow locks the row of a query. It returns fault.NotFound if there is none.
func (t *Tx) lockRow(ctx context.Context, q query, args ...any) error {
	n, err := t.countLocked(ctx, q, args)
	if err == nil && n == 0 {
		return fault.NotFound
	}
	return err
}

func (t *Tx) countLocked(ctx context.Context, q query, args []any) (n int, err error) {
	err = forEachRow(ctx, t, withRowLock(q, t.store.backend.RowLock), func(*sql.Rows) error {
		n++
		return nil
	}, args...)
	return n, err
}

// withRowLock returns a query that also locks its rows.
func withRowLock(q query, lock string) query {
	if lock == "" {
		return q
	}
	return query(string(q) + " " + lock)
}
