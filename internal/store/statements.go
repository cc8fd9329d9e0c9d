package store

import (
	"cmp"
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
)

// statements keeps the prepared statements of a pool: parsing SQL each time was two fifths of the
// cost of a write on SQLite. The number of statements is bounded by the number of queries; a list
// parameter adds one for each power of two.
type statements struct {
	db *sql.DB
	// driverPrepares is set if the driver keeps statements prepared. A second layer would prepare
	// and close each statement around every use, because database/sql keeps no connection of such a
	// pool.
	driverPrepares bool
	prepared       sync.Map // query → *sql.Stmt
	// shouldRetry reports whether a failed read runs once more.
	shouldRetry func(error) bool
	// gate admits queries to the pool; nil admits all.
	gate *admission.Gate
	// limit bounds one query; 0 means no bound but the caller's.
	limit time.Duration
}

// prepare returns the prepared statement of a query. It returns nil if the driver prepares
// statements itself, or if the query cannot be prepared; running the query then returns the reason.
func (s *statements) prepare(ctx context.Context, q query) *sql.Stmt {
	if s.driverPrepares {
		return nil
	}
	if kept, ok := s.prepared.Load(q); ok {
		return kept.(*sql.Stmt)
	}
	fresh, err := s.db.PrepareContext(ctx, string(q))
	if err != nil {
		return nil
	}
	kept, raced := s.prepared.LoadOrStore(q, fresh)
	if raced {
		_ = fresh.Close() // another goroutine was first
	}
	return kept.(*sql.Stmt)
}

// begin admits a query on behalf of the caller in the context. Call the returned function when the
// query has ended.
func (s *statements) begin(ctx context.Context) (context.Context, func(), error) {
	if s.limit == 0 && s.gate == nil {
		return ctx, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.limit, readDeadline))
	if s.gate == nil {
		return ctx, cancel, nil
	}
	pass, err := s.gate.Acquire(ctx, admission.CallerFrom(ctx))
	if err != nil {
		cancel()
		return ctx, nil, err
	}
	return ctx, func() {
		cancel()
		pass.Release()
	}, nil
}

func (s *statements) rows(ctx context.Context, q query, args ...any) (*sql.Rows, func(), error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.query(ctx, q, args)
	if err != nil && s.shouldRetry(err) {
		rows, err = s.query(ctx, q, args)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return rows, done, nil
}

func (s *statements) query(ctx context.Context, q query, args []any) (*sql.Rows, error) {
	if statement := s.prepare(ctx, q); statement != nil {
		return statement.QueryContext(ctx, args...)
	}
	return s.db.QueryContext(ctx, string(q), args...)
}

func (s *statements) row(ctx context.Context, q query, args ...any) scanner {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return failedRow{err}
	}
	row := s.queryRow(ctx, q, args)
	if err := row.Err(); err != nil && s.shouldRetry(err) {
		row = s.queryRow(ctx, q, args)
	}
	return admittedRow{row, done}
}

func (s *statements) queryRow(ctx context.Context, q query, args []any) *sql.Row {
	if statement := s.prepare(ctx, q); statement != nil {
		return statement.QueryRowContext(ctx, args...)
	}
	return s.db.QueryRowContext(ctx, string(q), args...)
}

// admittedRow leaves its gate once it is scanned.
type admittedRow struct {
	row  *sql.Row
	done func()
}

// Scan implements scanner.
func (r admittedRow) Scan(into ...any) error {
	defer r.done()
	return r.row.Scan(into...)
}

// failedRow is the row of a query that did not run.
type failedRow struct{ err error }

// Scan implements scanner.
func (r failedRow) Scan(...any) error { return r.err }

// statement returns the prepared statement of a query for this transaction. A new query cannot be
// prepared now, because the transaction may hold the only connection of the pool; it is prepared
// after the transaction has ended.
func (t *Tx) statement(ctx context.Context, q query) *sql.Stmt {
	if kept, ok := t.statements.prepared.Load(q); ok {
		return t.tx.StmtContext(ctx, kept.(*sql.Stmt))
	}
	if !t.statements.driverPrepares {
		t.unprepared = append(t.unprepared, q)
	}
	return nil
}

func (t *Tx) rows(ctx context.Context, q query, args ...any) (rows *sql.Rows, done func(), err error) {
	if statement := t.statement(ctx, q); statement != nil {
		rows, err = statement.QueryContext(ctx, args...)
	} else {
		rows, err = t.tx.QueryContext(ctx, string(q), args...)
	}
	return rows, func() {}, err
}

func (t *Tx) row(ctx context.Context, q query, args ...any) scanner {
	if statement := t.statement(ctx, q); statement != nil {
		return statement.QueryRowContext(ctx, args...)
	}
	return t.tx.QueryRowContext(ctx, string(q), args...)
}

func (t *Tx) run(ctx context.Context, q query, args ...any) (sql.Result, error) {
	if statement := t.statement(ctx, q); statement != nil {
		return statement.ExecContext(ctx, args...)
	}
	return t.tx.ExecContext(ctx, string(q), args...)
}

// prepareNew prepares the queries that the transaction used for the first time.
func (t *Tx) prepareNew(ctx context.Context) {
	for _, q := range t.unprepared {
		t.statements.prepare(ctx, q)
	}
}
