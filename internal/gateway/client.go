package gateway

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// client is the client's side of a request that is forwarded. It implements http.ResponseWriter.
// Each part of a body must arrive, and each part of the response be taken, within the stall time; a
// deadline is set only while a part is on its way, since the API may take longer.
type client struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	// header collects the headers of the response until it begins. httputil clears it after each
	// informational response of the API, none of which is passed on.
	header http.Header
	body   *clientBody

	mu    sync.Mutex
	conn  net.Conn // of a WebSocket
	ended bool
}

func newClient(w http.ResponseWriter, stall time.Duration) *client {
	return &client{
		ResponseWriter: w, control: http.NewResponseController(w), stall: stall, header: http.Header{},
	}
}

// Header implements http.ResponseWriter.
func (c *client) Header() http.Header { return c.header }

// WriteHeader implements http.ResponseWriter.
func (c *client) WriteHeader(status int) {
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		return
	}
	delete(c.header, "Trailer") // trailers are not passed on
	maps.Copy(c.ResponseWriter.Header(), c.header)
	c.beforeRefusal()
	c.timed(func() error {
		c.ResponseWriter.WriteHeader(status)
		return nil
	})
}

// beforeRefusal ends the connection with a response that begins before the body has arrived. What
// follows of the body could otherwise be taken for the next request.
func (c *client) beforeRefusal() {
	if c.body != nil && !c.body.whole.Load() {
		c.ResponseWriter.Header().Set("Connection", "close")
	}
}

// Write implements http.ResponseWriter.
func (c *client) Write(p []byte) (n int, err error) {
	c.timed(func() error {
		n, err = c.ResponseWriter.Write(p)
		return err
	})
	return n, err
}

// FlushError is for http.ResponseController.
func (c *client) FlushError() (err error) {
	c.timed(func() error {
		err = c.control.Flush()
		return err
	})
	return err
}

// timed writes a part of the response.
func (c *client) timed(write func() error) {
	_ = c.control.SetWriteDeadline(time.Now().Add(c.stall))
	if write() == nil {
		_ = c.control.SetWriteDeadline(time.Time{})
	}
}

// Hijack is for http.ResponseController. It begins a WebSocket.
func (c *client) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, stream, err := c.control.Hijack()
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	if c.ended {
		_ = conn.Close()
	}
	return &clientConn{Conn: conn, stall: c.stall}, stream, nil
}

// end ends what waits for the client: the body of the request, and a WebSocket whose client takes
// nothing.
func (c *client) end() {
	if c.body != nil {
		_ = c.body.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

// clientConn is the connection of a WebSocket to the client.
type clientConn struct {
	net.Conn
	stall time.Duration
}

// Write implements net.Conn.
func (c *clientConn) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.stall))
	return c.Conn.Write(p)
}

// CloseWrite tells the client that the API has ended its side. The client must then end its own.
func (c *clientConn) CloseWrite() error {
	_ = c.SetReadDeadline(time.Now().Add(c.stall))
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// readBody returns the body of the request. The API may answer while it still arrives.
func (c *client) readBody(r *http.Request, most int64) io.ReadCloser {
	c.body = &clientBody{body: http.MaxBytesReader(c.ResponseWriter, r.Body, most), client: c}
	if r.ProtoMajor == 1 {
		_ = c.control.EnableFullDuplex()
	}
	return c.body
}

// clientBody is the body of a client's request.
type clientBody struct {
	body   io.ReadCloser
	client *client
	// whole is set when the body was read to its end.
	whole atomic.Bool

	mu        sync.Mutex // held while a part is read
	abandoned atomic.Bool
	failure   error
}

// bodyError is why the body of a client could not be read.
type bodyError struct{ error }

// Unwrap is for package errors.
func (e *bodyError) Unwrap() error { return e.error }

// errAbandoned is the error of a body that is read after its request has ended.
var errAbandoned = errors.New("the request has ended")

// Read implements io.Reader.
func (b *clientBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.abandoned.Load() {
		return 0, errAbandoned
	}
	_ = b.client.control.SetReadDeadline(time.Now().Add(b.client.stall))
	n, err := b.body.Read(p)
	if !b.abandoned.Load() {
		_ = b.client.control.SetReadDeadline(time.Time{})
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		b.whole.Store(true)
		return n, io.EOF
	}
	b.failure = &bodyError{err}
	return n, b.failure
}

// Close implements io.Closer. It ends a read that is still waiting for the client. The server
// closes the body itself.
func (b *clientBody) Close() error {
	if !b.whole.Load() {
		b.abandoned.Store(true)
		_ = b.client.control.SetReadDeadline(time.Now())
	}
	return nil
}

// bodyFailure returns why the body could not be read; nil if it could. After a failure of the body,
// the server cancels the request, so that the API seems to have failed.
func (c *client) bodyFailure() error {
	if c.body == nil {
		return nil
	}
	c.body.mu.Lock()
	defer c.body.mu.Unlock()
	return c.body.failure
}

// abandonTime is how long the rest of a body may take that the API does not want.
const abandonTime = 50 * time.Millisecond

// abandonBody keeps the server from waiting for a body that was not read to its end. It ends a read
// that is still waiting for the client.
func (c *client) abandonBody() {
	b := c.body
	if b.whole.Load() {
		return
	}
	_ = b.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = c.control.SetReadDeadline(time.Now().Add(abandonTime))
}
