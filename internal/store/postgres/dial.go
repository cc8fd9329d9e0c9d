package postgres

import (
	"context"
	"net"
	"strings"
	"syscall"
	"time"
)

const (
	// connectTimeout bounds a new connection, unless the URL sets another bound.
	connectTimeout = 5 * time.Second
	// unacknowledgedTimeout is how long sent data may stay unacknowledged before the server is
	// considered gone.
	unacknowledgedTimeout = 10 * time.Second
)

// dial opens a connection that notices a server which vanishes silently.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second,
		Count: 3,
	}}
	if strings.HasPrefix(network, "tcp") {
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			if failed := c.Control(func(fd uintptr) {
				err = setUserTimeout(fd, unacknowledgedTimeout)
			}); failed != nil {
				return failed
			}
			return err
		}
	}
	return d.DialContext(ctx, network, address)
}
