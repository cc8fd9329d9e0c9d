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

// The cost of a decision without HTTP and JSON: parse, look up, compare, decide.
func BenchmarkDecision(b *testing.B) {
	h := testkit.Start(b, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	value := h.Key(owner, tenant, "applications:read", "keys:verify").Credential.Value
	verifier := verifierOf(b, h, value)
	q := verify.Request{
		Location:    policy.Location{Transport: policy.Bearer},
		Requirement: verify.Requirement{Scopes: []scope.Scope{scope.ApplicationsRead}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := h.Engine.DecideFor(b.Context(), verifier, web.ParseCredential(value), q); err != nil ||
			v.Code != "" {
			b.Fatal(v.Code, err)
		}
	}
}

// The cost of verify without the network: the caller's key, the JSON body, the decision, the
// answer.
func BenchmarkVerify(b *testing.B) {
	h := testkit.Start(b, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	value := h.Key(owner, tenant, "applications:read", "keys:verify").Credential.Value
	auth := &web.Authenticator{
		Verify:     &verify.Authenticator{Engine: h.Engine, Sessions: h.Sessions},
		KeyHeaders: new(web.KeyHeaders),
	}
	auth.KeyHeaders.Set(web.KeyHeader{Tenant: tenant.ID, Name: "X-API-Key"})
	log := slog.New(slog.DiscardHandler)
	router := web.NewRouter(web.NewMiddleware(auth, log, web.Options{}))
	(&dataplane.API{Authenticator: auth, Errors: web.ProblemWriter{Authenticator: auth}, Log: log}).Mount(router)
	handler := router.Handler()
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
		handler.ServeHTTP(w, req)
		if w.status != 0 {
			b.Fatalf("status %d", w.status)
		}
	}
}

// verifierOf authenticates a key as web does.
func verifierOf(b *testing.B, h *testkit.Server, value string) verify.Verifier {
	b.Helper()
	v, err := h.Engine.Authenticate(b.Context(), web.ParseCredential(value), "")
	if err != nil || v.Code != "" {
		b.Fatal(v.Code, err)
	}
	verifier, err := verify.Caller{Principal: v.Principal(), Transport: policy.Bearer, Facts: v.Facts}.Verifier()
	if err != nil {
		b.Fatal(err)
	}
	return verifier
}

// nowhere is a response that is discarded.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
