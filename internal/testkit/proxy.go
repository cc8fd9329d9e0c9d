package testkit

import (
	"bytes"
	"net"
	"net/url"
	"testing"
)

// DatabaseProxy starts a proxy in front of the PostgreSQL server of a URL, and returns the URL
// through it. It calls forward with both ends of every connection; forward closes them when it is
// done.
func DatabaseProxy(t testing.TB, databaseURL string, forward func(near, far net.Conn)) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal("the database URL cannot be read")
	}
	server := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				near.Close()
				continue
			}
			go forward(near, far)
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

// CommitWatch finds the COMMIT of a change in what a client sends on a connection. Transactions
// without an audit event, such as those of last uses, are not changes.
type CommitWatch struct{ recorded bool }

// Commits reports whether the request commits a transaction with an audit event.
func (w *CommitWatch) Commits(request []byte) bool {
	w.recorded = w.recorded || bytes.Contains(request, []byte("evt_"))
	ends := bytes.Contains(bytes.ToLower(request), []byte("commit"))
	commits := w.recorded && ends
	w.recorded = w.recorded && !ends
	return commits
}
