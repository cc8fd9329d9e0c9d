package storetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/store"
)

// Errors that the tests inject, with their class from Classify.
var (
	errInjected   = errors.New("injected failure")
	errContention = errors.New("injected contention")
	errFatal      = errors.New("injected failure of the disk")
	errLost       = errors.New("injected loss of a connection of the pool")
	// errInDoubt leaves the COMMIT to the test, which may run it later. Nobody else uses its
	// connection meanwhile.
	errInDoubt = errors.New("injected loss of the connection")
)

// faults are between database/sql and the driver of the writing pool. A nil hook does nothing. Set
// hooks only while nobody writes.
type faults struct {
	// pool is the engine's own writing pool.
	pool *sql.DB
	// begin is called before a transaction begins.
	begin func() error
	// statement is called before a statement runs, prepared or not, on the goroutine that runs it.
	statement func(text string) error
	// commit runs instead of the COMMIT that it gets as a parameter. It can run statements in the
	// transaction first.
	commit func(commit func() error, run func(text string) error) error
	// row is called with each row that a query returns, and may change it.
	row func(row []driver.Value)
}

// observe installs the hook for rows in the result of a query.
func (f *faults) observe(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil || f.row == nil {
		return rows, err
	}
	return &observedRows{rows, f.row}, nil
}

type observedRows struct {
	driver.Rows
	row func(row []driver.Value)
}

// Next implements driver.Rows.
func (r *observedRows) Next(into []driver.Value) error {
	err := r.Rows.Next(into)
	if err == nil {
		r.row(into)
	}
	return err
}

// inject installs faults in a backend.
func inject(b store.Backend) (store.Backend, *faults) {
	f, inner := &faults{pool: b.Write}, b
	b.Write = sql.OpenDB(&connector{inner: inner.Write, faults: f})
	b.Write.SetMaxOpenConns(inner.Write.Stats().MaxOpenConnections)
	if inner.Restore == inner.Write { // which has a single connection
		b.Restore = b.Write
	}
	b.Classify = func(err error) store.Failure {
		switch {
		case errors.Is(err, errContention):
			return store.Contention
		case errors.Is(err, errFatal):
			return store.Fatal
		case errors.Is(err, errLost):
			return store.Disconnected
		}
		return inner.Classify(err)
	}
	b.Close = sync.OnceValue(func() error { return errors.Join(b.Write.Close(), inner.Close()) })
	return b, f
}

// connector passes on the connections of a pool, one to one.
type connector struct {
	inner  *sql.DB
	faults *faults
}

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	lent, err := c.inner.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &conn{borrowed: lent, faults: c.faults}
	// The connection belongs to this test until it is returned, so it may be used after Raw.
	return w, lent.Raw(func(own any) error {
		var ok bool
		w.engineConn, ok = own.(engineConn)
		if !ok {
			return fmt.Errorf("%T lacks a method that database/sql uses", own)
		}
		return nil
	})
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return c.inner.Driver() }

// engineConn is the interface of both engines' connections.
type engineConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
}

type conn struct {
	engineConn
	borrowed *sql.Conn
	faults   *faults
	inDoubt  atomic.Bool
}

// Close returns the connection. One that is in doubt is returned when its COMMIT runs.
func (c *conn) Close() error {
	if c.inDoubt.Load() {
		return nil
	}
	return c.borrowed.Close()
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if own, ok := c.engineConn.(driver.NamedValueChecker); ok {
		return own.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (f *faults) onStatement(text string) error {
	if f.statement == nil {
		return nil
	}
	return f.statement(text)
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	genuine, err := c.engineConn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	w, ok := genuine.(engineStmt)
	if !ok {
		return nil, fmt.Errorf("%T lacks a method that database/sql uses", genuine)
	}
	return &statement{engineStmt: w, conn: c, text: text}, nil
}

// engineStmt is the interface of both engines' prepared statements.
type engineStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type statement struct {
	engineStmt
	conn *conn
	text string
}

// ExecContext implements driver.StmtExecContext.
func (s *statement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.conn.faults.onStatement(s.text); err != nil {
		return nil, err
	}
	return s.engineStmt.ExecContext(ctx, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s *statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.conn.faults.onStatement(s.text); err != nil {
		return nil, err
	}
	return s.conn.faults.observe(s.engineStmt.QueryContext(ctx, args))
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.faults.onStatement(text); err != nil {
		return nil, err
	}
	return c.engineConn.ExecContext(ctx, text, args)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.faults.onStatement(text); err != nil {
		return nil, err
	}
	return c.faults.observe(c.engineConn.QueryContext(ctx, text, args))
}

// IsValid implements driver.Validator.
func (c *conn) IsValid() bool {
	own, ok := c.engineConn.(driver.Validator)
	return !c.inDoubt.Load() && (!ok || own.IsValid())
}

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if c.faults.begin != nil {
		if err := c.faults.begin(); err != nil {
			return nil, err
		}
	}
	genuine, err := c.engineConn.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	return &transaction{Tx: genuine, conn: c}, nil
}

type transaction struct {
	driver.Tx
	conn *conn
}

// Commit implements driver.Tx. If the fault does not run the COMMIT, the transaction is rolled
// back.
func (t *transaction) Commit() error {
	if t.conn.faults.commit == nil {
		return t.Tx.Commit()
	}
	ended := false
	commit := func() error {
		ended = true
		err := t.Tx.Commit()
		if t.conn.inDoubt.Load() {
			err = errors.Join(err, t.conn.borrowed.Close())
		}
		return err
	}
	run := func(text string) error {
		_, err := t.conn.engineConn.ExecContext(context.Background(), text, nil)
		return err
	}
	err := t.conn.faults.commit(commit, run)
	t.conn.inDoubt.Store(errors.Is(err, errInDoubt))
	if !ended && !t.conn.inDoubt.Load() {
		err = errors.Join(err, t.Rollback())
	}
	return err
}
