package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
)

// Operation is the transport by which a command reaches the API of operators for a data directory:
// the socket of the running server, or else an app within this process. Both serve the same API.
type Operation struct {
	http.Transport
	app *App // nil where a server runs
}

// ErrBusy says that the data directory is in use and nothing answers there.
var ErrBusy = errors.New("another claviger has the data directory and does not answer")

const (
	// busyTimeout bounds how long an operation waits for a process that starts, stops or is another
	// operation.
	busyTimeout = 10 * time.Second
	busyRetry   = 50 * time.Millisecond
)

// Operate opens an operation on the data directory of the settings, which must exist.
func Operate(ctx context.Context, c config.Config, o Options) (*Operation, error) {
	if err := CheckData(c.Data); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(c.Data, lockFile)); err != nil {
		return nil, fmt.Errorf("there is no data of Claviger in %s: name its directory with --data", c.Data)
	}
	path, noSocket := socketPath(c.Data)
	waited, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	retry := time.NewTicker(busyRetry)
	defer retry.Stop()
	for {
		op, err := operate(ctx, path, c, o)
		if !errors.Is(err, errLocked) {
			return op, err
		}
		select {
		case <-waited.Done():
			return nil, errors.Join(ctx.Err(), fmt.Errorf("%w: %s", ErrBusy, c.Data), noSocket)
		case <-retry.C:
		}
	}
}

// operate connects to the running server, or else builds an app within this process. It returns
// errLocked where a process has the directory and does not answer.
func operate(ctx context.Context, path string, c config.Config, o Options) (*Operation, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	conn, err := dial(ctx, "", "")
	switch {
	case err == nil:
		return &Operation{Transport: http.Transport{DialContext: dial}}, conn.Close()
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: run this as the user that the server runs as", err)
	}
	listener := newInProcessListener()
	a, err := open(ctx, c, o, func(a *App, ctx context.Context, c config.Config) error {
		return a.serveInProcess(ctx, c, listener)
	})
	if err != nil {
		return nil, err
	}
	return &Operation{Transport: http.Transport{DialContext: listener.dial}, app: a}, nil
}

// Close ends the operation, and the app within this process if there is one.
func (op *Operation) Close(ctx context.Context) error {
	op.CloseIdleConnections()
	if op.app == nil {
		return nil
	}
	return op.app.Stop(ctx)
}

// serveInProcess builds the services without a sender of notices and without jobs, and serves the
// API of operators to this process alone.
func (a *App) serveInProcess(ctx context.Context, c config.Config, l *inProcessListener) error {
	at, err := net.ResolveTCPAddr("tcp", string(c.Server.Listen)) // where the server would listen
	if err != nil {
		return err
	}
	a.URL = string(cmp.Or(c.Server.BaseURL, a.listeners.baseURL(at)))
	if err := a.buildServices(ctx, c, nil); err != nil {
		return err
	}
	a.serveOperators(l)
	return nil
}

// inProcessListener is a listener whose connections are pipes within the process.
type inProcessListener struct {
	dialed chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newInProcessListener() *inProcessListener {
	return &inProcessListener{dialed: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *inProcessListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.dialed:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *inProcessListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *inProcessListener) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// dial opens a connection.
func (l *inProcessListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.dialed <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
