package postgres

import (
	"context"
	"net"
	"strings"
	"syscall"
	"time"
)

const (
	// connectTimeout bounds how long a new connection may take, where the URL does not say.
	connectTimeout = 5 * time.Second
	// unacknowledged is how long we wait for the server to acknowledge what was sent. A server that vanished is then known to be gone.
	unacknowledged = 10 * time.Second
)

// dial connects so that a server which vanishes without a word is noticed.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	if strings.HasPrefix(network, "tcp") {
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			if failed := c.Control(func(fd uintptr) { err = setUserTimeout(fd, unacknowledged) }); failed != nil {
				return failed
			}
			return err
		}
	}
	return d.DialContext(ctx, network, address)
}
