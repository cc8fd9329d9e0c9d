package store

import (
	"context"
	"database/sql"
	"sync"
)

// statements keeps the prepared statements of a pool: parsing SQL anew was two fifths of the cost of a write on SQLite. There are as many as there
// are queries, and for each list parameter one more for each power of two.
type statements struct {
	db   *sql.DB
	kept sync.Map // query → *sql.Stmt
	// again reports whether a read that failed is tried once more.
	again func(error) bool
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

func (s *statements) rows(ctx context.Context, q query, args ...any) (*sql.Rows, error) {
	rows, err := s.query(ctx, q, args)
	if err != nil && s.again(err) {
		return s.query(ctx, q, args)
	}
	return rows, err
}

func (s *statements) query(ctx context.Context, q query, args []any) (*sql.Rows, error) {
	if statement := s.prepared(ctx, q); statement != nil {
		return statement.QueryContext(ctx, args...)
	}
	return s.db.QueryContext(ctx, string(q), args...)
}

func (s *statements) row(ctx context.Context, q query, args ...any) *sql.Row {
	row := s.queryRow(ctx, q, args)
	if err := row.Err(); err != nil && s.again(err) {
		return s.queryRow(ctx, q, args)
	}
	return row
}

func (s *statements) queryRow(ctx context.Context, q query, args []any) *sql.Row {
	if statement := s.prepared(ctx, q); statement != nil {
		return statement.QueryRowContext(ctx, args...)
	}
	return s.db.QueryRowContext(ctx, string(q), args...)
}

// kept gives the statement of a query for this transaction. A query that is new cannot be prepared now, since the transaction may hold the pool's only
// connection; it is remembered and prepared once the transaction is over.
func (t *Tx) kept(ctx context.Context, q query) *sql.Stmt {
	if kept, ok := t.store.writing.kept.Load(q); ok {
		return t.tx.StmtContext(ctx, kept.(*sql.Stmt))
	}
	t.unprepared = append(t.unprepared, q)
	return nil
}

func (t *Tx) rows(ctx context.Context, q query, args ...any) (*sql.Rows, error) {
	if statement := t.kept(ctx, q); statement != nil {
		return statement.QueryContext(ctx, args...)
	}
	return t.tx.QueryContext(ctx, string(q), args...)
}

func (t *Tx) row(ctx context.Context, q query, args ...any) *sql.Row {
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
		t.store.writing.prepared(ctx, q)
	}
}
