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

// Errors that the tests inject, with the failure that Classify calls them.
var (
	errInjected   = errors.New("injected failure")
	errContention = errors.New("injected contention")
	errFatal      = errors.New("injected failure of the disk")
	errLost       = errors.New("injected loss of a connection of the pool")
	// errInDoubt leaves the COMMIT to the one who injected it, who may let it land later. Its connection serves nobody else meanwhile.
	errInDoubt = errors.New("injected loss of the connection")
)

// faults stand between database/sql and the driver of the writing pool. What is nil does nothing. A hook is set while nobody writes.
type faults struct {
	// pool is the engine's own, for writing.
	pool *sql.DB
	// begin is asked before a transaction begins.
	begin func() error
	// statement is asked before a statement runs, prepared or not, on the goroutine that wants it.
	statement func(text string) error
	// commit runs in place of the COMMIT that it is given, and can run statements in the transaction before.
	commit func(commit func() error, run func(text string) error) error
	// row is given each row that a query delivers, and may change it.
	row func(row []driver.Value)
}

// damaged puts the hook for rows into what a query delivers.
func (f *faults) damaged(rows driver.Rows, err error) (driver.Rows, error) {
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

// inject puts faults into a backend.
func inject(b store.Backend) (store.Backend, *faults) {
	f, inner := &faults{pool: b.Write}, b
	b.Write = sql.OpenDB(&connector{inner: inner.Write, faults: f})
	b.Write.SetMaxOpenConns(inner.Write.Stats().MaxOpenConnections)
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

// connector lends the connections of a pool, one to one.
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
	w := &conn{lent: lent, faults: c.faults}
	// The connection is ours until it is given back, so it may be used beyond Raw.
	return w, lent.Raw(func(own any) error {
		var ok bool
		if w.engineConn, ok = own.(engineConn); !ok {
			return fmt.Errorf("%T lacks a method that database/sql uses", own)
		}
		return nil
	})
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return c.inner.Driver() }

// engineConn is what both engines' connections can do.
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
	lent    *sql.Conn
	faults  *faults
	inDoubt atomic.Bool
}

// Close gives the connection back. One that is in doubt is given back when its COMMIT lands.
func (c *conn) Close() error {
	if c.inDoubt.Load() {
		return nil
	}
	return c.lent.Close()
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if own, ok := c.engineConn.(driver.NamedValueChecker); ok {
		return own.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (f *faults) ask(text string) error {
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

// engineStmt is what both engines' prepared statements can do.
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
	if err := s.conn.faults.ask(s.text); err != nil {
		return nil, err
	}
	return s.engineStmt.ExecContext(ctx, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s *statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.conn.faults.ask(s.text); err != nil {
		return nil, err
	}
	return s.conn.faults.damaged(s.engineStmt.QueryContext(ctx, args))
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.faults.ask(text); err != nil {
		return nil, err
	}
	return c.engineConn.ExecContext(ctx, text, args)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.faults.ask(text); err != nil {
		return nil, err
	}
	return c.faults.damaged(c.engineConn.QueryContext(ctx, text, args))
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

// Commit implements driver.Tx. Where the fault leaves the COMMIT out, the transaction is rolled back.
func (t *transaction) Commit() error {
	if t.conn.faults.commit == nil {
		return t.Tx.Commit()
	}
	ended := false
	commit := func() error {
		ended = true
		err := t.Tx.Commit()
		if t.conn.inDoubt.Load() {
			err = errors.Join(err, t.conn.lent.Close())
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
