package testkit

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// TwoNodes are two nodes on one database, and a key that both have in their caches.
type TwoNodes struct {
	First, Second *Server
	Tenant        tenancy.Tenant
	Admin         *client.Client // of here
	Key           api.IssuedKey
	// VerifyCode verifies the key on Second.
	VerifyCode func() api.Code
}

// StartTwoNodes starts two nodes. reach returns the database URL of the second for that of the
// first.
func StartTwoNodes(t testing.TB, reach func(databaseURL string) string) *TwoNodes {
	t.Helper()
	p := &TwoNodes{First: Start(t, Postgres)}
	p.Second = p.First.Node(reach(p.First.Config.Database.URL.Reveal()))
	p.Tenant = p.First.Tenant("Main tenant", nil)
	p.First.Join(p.Tenant, p.First.Owner, scope.Admin)
	p.Admin = p.First.As(p.First.Owner)
	p.Key = p.First.Key(p.Admin, p.Tenant, "applications:read")
	verifier := p.First.Key(p.Admin, p.Tenant, "keys:verify").Credential.Value
	there := p.Second.Anyone().WithKey(verifier)
	p.VerifyCode = func() api.Code {
		d, err := there.Verify(context.WithoutCancel(t.Context()),
			api.VerifyRequest{Credential: p.Key.Credential.Value})
		if err != nil {
			return Code(t, err)
		}
		return d.Code
	}
	for range 2 { // read, then remembered
		if code := p.VerifyCode(); code != api.OK {
			t.Fatalf("a key that another node made is %s here", code)
		}
	}
	return p
}

// Direct returns the URL as it is: nothing is between a node and its database.
func Direct(databaseURL string) string { return databaseURL }

// ExpectRefusedOnSecond fails the test unless Second refuses the key within MaxStaleness, and ever
// after.
func (p *TwoNodes) ExpectRefusedOnSecond(t testing.TB, want api.Code) {
	t.Helper()
	answered := time.Now()
	for p.VerifyCode() == api.OK {
		if since := time.Since(answered); since > time.Duration(p.Second.Config.Database.MaxStaleness) {
			t.Fatalf("still accepted %s after the change was answered", since)
		}
	}
	for range 50 {
		if code := p.VerifyCode(); code != want {
			t.Fatalf("first refused, then %s, want %s", code, want)
		}
	}
}

// DatabaseLink is a network between a node and its database that can be cut.
type DatabaseLink struct{ gate sync.RWMutex }

// URL returns the URL of the database through the link.
func (l *DatabaseLink) URL(t testing.TB, databaseURL string) string {
	t.Helper()
	return DatabaseProxy(t, databaseURL, func(near, far net.Conn) {
		go l.forward(near, far)
		l.forward(far, near)
	})
}

func (l *DatabaseLink) forward(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		l.gate.RLock()
		_, lost := to.Write(buffer[:n])
		l.gate.RUnlock()
		if err != nil || lost != nil {
			return
		}
	}
}

// Cut holds back everything that is sent, as a network does that drops packets.
func (l *DatabaseLink) Cut() { l.gate.Lock() }

// Restore lets everything through again.
func (l *DatabaseLink) Restore() { l.gate.Unlock() }

// Node starts another node on the server's PostgreSQL database, which it reaches by the URL. It has
// a clock of its own that starts at the same time. It is stopped after the test.
func (h *Server) Node(databaseURL string) *Server {
	h.t.Helper()
	c := SQLite.Config(h.t)
	root, err := os.ReadFile(h.File("root.key"))
	h.check(err)
	c.RootSecret, c.Database = credential.NewSecret(string(root)), h.Config.Database
	c.Database.URL = credential.NewSecret(databaseURL)
	c.Server.TrustedProxies = h.Config.Server.TrustedProxies
	n := &Server{
		Config: c, Account: h.Account, Owner: h.Owner, Clock: NewClock(h.Clock.Now()), Log: &Log{}, t: h.t,
		change: h.change, people: 1000,
	}
	n.boot()
	h.t.Cleanup(func() { n.stop() })
	return n
}
