package app_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/dataplane"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// What a decision costs without HTTP and JSON: parse, find, compare, judge.
func BenchmarkDecision(b *testing.B) {
	h := testkit.Start(b, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	value := *h.Key(owner, tenant, "applications:read", "keys:verify").Credential.Value
	verifier := verifierOf(b, h, value)
	b.ReportAllocs()
	for b.Loop() {
		q := verify.Request{Way: policy.Way{Transport: policy.Bearer}, Requirement: verify.Requirement{Scopes: []scope.Scope{scope.ApplicationsRead}}}
		if v, err := h.Engine.DecideFor(b.Context(), verifier, web.Value(value), q); err != nil || v.Code != "" {
			b.Fatal(v.Code, err)
		}
	}
}

// What the whole of verify costs without the network: the caller's key, the JSON body, the decision, the answer.
func BenchmarkVerify(b *testing.B) {
	h := testkit.Start(b, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	value := *h.Key(owner, tenant, "applications:read", "keys:verify").Credential.Value
	door := web.NewDoor(&verify.Authenticator{Engine: h.Engine, Sessions: h.Sessions}, slog.New(slog.DiscardHandler))
	door.KeyHeaders.Set(web.KeyHeader{Tenant: tenant.ID, Name: "X-API-Key"})
	plane := dataplane.New(door)
	body := `{"credential":"` + value + `","scopes":["applications:read"]}`
	req, err := http.NewRequest(http.MethodPost, h.URL+"/api/v1/verify", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + value}, "Content-Type": {"application/json"}}
	req.RemoteAddr = "127.0.0.1:1"
	sent := strings.NewReader(body)
	req.Body = io.NopCloser(sent)
	w := &nowhere{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		sent.Reset(body)
		clear(w.header)
		if !plane.Serve(w, req) || w.status != 0 {
			b.Fatalf("status %d", w.status)
		}
	}
}

// verifierOf lets a key in as web does.
func verifierOf(b *testing.B, h *testkit.House, value string) verify.Verifier {
	b.Helper()
	v, err := h.Engine.Authenticate(b.Context(), web.Value(value), "")
	if err != nil || v.Code != "" {
		b.Fatal(v.Code, err)
	}
	verifier, err := verify.Caller{Principal: v.Principal(), Transport: policy.Bearer, Facts: v.Facts}.Verifier()
	if err != nil {
		b.Fatal(err)
	}
	return verifier
}

// nowhere is an answer that is thrown away.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
