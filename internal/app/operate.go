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

// Operation is the way of a command to the operators' API of a data directory: the socket of the process that has it, or else an app of its own that
// listens nowhere. Both serve the same.
type Operation struct {
	http.Transport
	app *App
}

// ErrBusy says that the data directory is in use and nothing answers there.
var ErrBusy = errors.New("another claviger has the data directory and does not answer")

const (
	// busyFor bounds how long an operation waits for a process that starts, stops or is another operation.
	busyFor    = 10 * time.Second
	askedEvery = 50 * time.Millisecond
)

// Operate reaches the data directory of the settings. It makes none.
func Operate(ctx context.Context, c config.Config, o Options) (*Operation, error) {
	if _, err := os.Stat(filepath.Join(c.Data, lockFile)); err != nil {
		return nil, fmt.Errorf("there is no data of Claviger in %s: name its directory with --data", c.Data)
	}
	path, noSocket := socketPath(c.Data)
	waited, cancel := context.WithTimeout(ctx, busyFor)
	defer cancel()
	turn := time.NewTicker(askedEvery)
	defer turn.Stop()
	for {
		op, err := operate(ctx, path, c, o)
		if !errors.Is(err, errLocked) {
			return op, err
		}
		select {
		case <-waited.Done():
			return nil, errors.Join(ctx.Err(), fmt.Errorf("%w: %s", ErrBusy, c.Data), noSocket)
		case <-turn.C:
		}
	}
}

// operate goes to the process that answers, or does without one; errLocked where there is one that does not answer.
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
	a, err := open(ctx, c, o, (*App).answerWithin)
	if err != nil {
		return nil, err
	}
	return &Operation{Transport: http.Transport{DialContext: a.within.dial}, app: a}, nil
}

// Close ends the operation, and the app if it was one of its own.
func (op *Operation) Close(ctx context.Context) error {
	op.CloseIdleConnections()
	if op.app == nil {
		return nil
	}
	return op.app.Stop(ctx)
}

// answerWithin opens the way in of operators for this process alone, and no other.
func (a *App) answerWithin(ctx context.Context, c config.Config) error {
	at, err := net.ResolveTCPAddr("tcp", string(c.Server.Listen)) // where the server would listen
	if err != nil {
		return err
	}
	a.URL = string(cmp.Or(c.Server.BaseURL, a.reachedBy(at)))
	if err := a.openDoor(ctx, c.Server, c.Limits); err != nil {
		return err
	}
	a.within = newPipes()
	a.serveOperators(a.within)
	return nil
}

// pipes is a listener for connections within the process.
type pipes struct {
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{calls: make(chan net.Conn), closed: make(chan struct{})} }

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// dial opens a connection.
func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.calls <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
