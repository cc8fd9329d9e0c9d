package dataplane_test

import (
	"net/http"
	"testing"

	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// discarded is a response of which only the status is kept.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(status int)      { d.status = status }

// checkOf returns a function that makes one check request, without the network.
func checkOf(t testing.TB) func() {
	g := newGate(t, proxy.Nginx)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.address+"/api/v1/authz", nil)
	testkit.NoError(t, err)
	req.Header = nginx(http.MethodGet, "/orders/17", bearer(g.key("applications:read")))
	req.RequestURI, req.RemoteAddr = "/api/v1/authz", "127.0.0.1:1"
	w := &discarded{header: http.Header{}}
	return func() {
		clear(w.header)
		g.handler.ServeHTTP(w, req)
		if w.status != 0 {
			t.Fatalf("status %d", w.status)
		}
	}
}

// A check allocates its request id and the state of the check. The identity headers are made when
// the key is read.
func TestACheckAllocatesNextToNothing(t *testing.T) {
	check := checkOf(t)
	const most = 8
	if n := testing.AllocsPerRun(200, check); n > most {
		t.Errorf("%v allocations, not at most %d", n, most)
	}
}

func BenchmarkCheck(b *testing.B) {
	check := checkOf(b)
	b.ReportAllocs()
	for b.Loop() {
		check()
	}
}
