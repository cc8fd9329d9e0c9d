package store

import (
	"cmp"
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
)

// statements keeps the prepared statements of a pool: parsing SQL anew was two fifths of the cost of a write on SQLite. There are as many as there
// are queries, and for each list parameter one more for each power of two.
type statements struct {
	db   *sql.DB
	kept sync.Map // query → *sql.Stmt
	// again reports whether a read that failed is tried once more.
	again func(error) bool
	// gate admits queries to the pool; nil for all at any time.
	gate *admission.Gate
	// within bounds one query; 0 for as long as the caller waits.
	within time.Duration
}

// prepared gives the statement of a query, nil where it cannot be prepared: running the query then says why.
func (s *statements) prepared(ctx context.Context, q query) *sql.Stmt {
	if kept, ok := s.kept.Load(q); ok {
		return kept.(*sql.Stmt)
	}
	fresh, err := s.db.PrepareContext(ctx, string(q))
	if err != nil {
		return nil
	}
	kept, raced := s.kept.LoadOrStore(q, fresh)
	if raced {
		_ = fresh.Close() // another got there first
	}
	return kept.(*sql.Stmt)
}

// begin admits a query on behalf of the caller in the context. What it gives is called once the query is over.
func (s *statements) begin(ctx context.Context) (context.Context, func(), error) {
	if s.within == 0 && s.gate == nil {
		return ctx, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.within, readDeadline))
	if s.gate == nil {
		return ctx, cancel, nil
	}
	pass, err := s.gate.Enter(ctx, admission.From(ctx))
	if err != nil {
		cancel()
		return ctx, nil, err
	}
	return ctx, func() {
		cancel()
		pass.Leave()
	}, nil
}

func (s *statements) rows(ctx context.Context, q query, args ...any) (*sql.Rows, func(), error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.query(ctx, q, args)
	if err != nil && s.again(err) {
		rows, err = s.query(ctx, q, args)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return rows, done, nil
}

func (s *statements) query(ctx context.Context, q query, args []any) (*sql.Rows, error) {
	if statement := s.prepared(ctx, q); statement != nil {
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
	if err := row.Err(); err != nil && s.again(err) {
		row = s.queryRow(ctx, q, args)
	}
	return admittedRow{row, done}
}

func (s *statements) queryRow(ctx context.Context, q query, args []any) *sql.Row {
	if statement := s.prepared(ctx, q); statement != nil {
		return statement.QueryRowContext(ctx, args...)
	}
	return s.db.QueryRowContext(ctx, string(q), args...)
}

// admittedRow is over once it is scanned.
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

// kept gives the statement of a query for this transaction. A query that is new cannot be prepared now, since the transaction may hold the pool's only
// connection; it is remembered and prepared once the transaction is over.
func (t *Tx) kept(ctx context.Context, q query) *sql.Stmt {
	if kept, ok := t.statements.kept.Load(q); ok {
		return t.tx.StmtContext(ctx, kept.(*sql.Stmt))
	}
	t.unprepared = append(t.unprepared, q)
	return nil
}

func (t *Tx) rows(ctx context.Context, q query, args ...any) (rows *sql.Rows, done func(), err error) {
	if statement := t.kept(ctx, q); statement != nil {
		rows, err = statement.QueryContext(ctx, args...)
	} else {
		rows, err = t.tx.QueryContext(ctx, string(q), args...)
	}
	return rows, func() {}, err
}

func (t *Tx) row(ctx context.Context, q query, args ...any) scanner {
	if statement := t.kept(ctx, q); statement != nil {
		return statement.QueryRowContext(ctx, args...)
	}
	return t.tx.QueryRowContext(ctx, string(q), args...)
}

func (t *Tx) run(ctx context.Context, q query, args ...any) (sql.Result, error) {
	if statement := t.kept(ctx, q); statement != nil {
		return statement.ExecContext(ctx, args...)
	}
	return t.tx.ExecContext(ctx, string(q), args...)
}

// prepareRest prepares what the transaction met for the first time.
func (t *Tx) prepareRest(ctx context.Context) {
	for _, q := range t.unprepared {
		t.statements.prepared(ctx, q)
	}
}
