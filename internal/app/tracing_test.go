package app_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// collector keeps the traces that it receives.
type collector struct {
	*httptest.Server
	mu   sync.Mutex
	sent []byte
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sent = append(c.sent, body...)
	}))
	t.Cleanup(c.Close)
	return c
}

// span is the part of a span that the test needs.
type span struct{ trace, id, parent, name string }

// spans finds them by their wire form: trace_id, span_id, parent_span_id where there is one, and
// name are fields 1, 2, 4 and 5 of opentelemetry.proto.trace.v1.Span.
func (c *collector) spans() (all []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for rest := c.sent; ; {
		at := bytes.Index(rest, []byte("\x0a\x10"))
		if at < 0 || at+2 > len(rest) {
			return all
		}
		rest = rest[at+2:]
		if len(rest) < 40 || string(rest[16:18]) != "\x12\x08" {
			continue
		}
		s, more := span{trace: string(rest[:16]), id: string(rest[18:26])}, rest[26:]
		if string(more[:2]) == "\x22\x08" {
			s.parent, more = string(more[2:10]), more[10:]
		}
		if more[0] == '\x2a' {
			s.name = string(more[2 : 2+more[1]])
			all = append(all, s)
		}
	}
}

func TestManagementRequestsAndTheirWritesAreTracedAndNothingElseIs(t *testing.T) {
	to := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", to.URL)
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.Tracing = true })
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	const theirs, canary = "0af7651916cd43dd8448eb211c80319c", "c4n4ryc4n4ryc4n4ry"
	k := h.Key(owner.WithHeader("Traceparent", "00-"+theirs+"-b7ad6b7169203331-01"), tenant, "applications:read")
	verifier := h.Verifier()
	_, _ = verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
	_, _ = h.With(k).Whoami(t.Context())
	_ = testkit.SignInCode(t, h, h.Owner.Email, testkit.Password)
	_ = owner.Do(t.Context(), http.MethodGet, "/api/v1/"+canary+"?"+canary, nil, nil)
	testkit.NotReady(t, h)
	h.Restart() // which sends what was traced

	spans, names := to.spans(), map[string]int{}
	for _, s := range spans {
		names[s.name]++
	}
	const create = "POST /api/v1/tenants/{tenant}/keys"
	for name, want := range map[string]int{create: 2, "POST /api/v1/session": 1, "GET none": 1} {
		if names[name] != want {
			t.Errorf("%d spans %s, want %d of %v", names[name], name, want, names)
		}
		delete(names, name)
	}
	delete(names, "store.write")
	if len(names) > 0 {
		t.Errorf("spans besides: %v", names)
	}
	for _, parent := range spans {
		if parent.name == create && !writesBelow(spans, parent) {
			t.Error("the write of a new key is not part of its request")
		}
	}
	for _, secret := range []string{
		k.Credential.Value, k.Credential.Secret, canary, string(tenant.ID), h.Owner.Email,
		testkit.Password,
	} {
		if bytes.Contains(to.sent, []byte(secret)) {
			t.Errorf("%q was sent", secret)
		}
	}
	if text := h.Log.String(); strings.Contains(text, "tracing") {
		t.Errorf("something could not be sent:\n%s", text)
	}
}

func writesBelow(spans []span, parent span) bool {
	for _, s := range spans {
		if s.name == "store.write" && s.trace == parent.trace && s.parent == parent.id && parent.parent == "" {
			return true
		}
	}
	return false
}

func TestNothingIsTracedUnlessItIsWanted(t *testing.T) {
	to := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", to.URL)
	h := testkit.Start(t, testkit.SQLite)
	h.As(h.Owner)
	h.Restart()
	if to.sent != nil {
		t.Errorf("%q was sent", to.sent)
	}
}

func TestACollectorThatDoesNotAnswerHoldsNothingUp(t *testing.T) {
	over := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	t.Cleanup(func() {
		close(over)
		silent.Close()
	})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", silent.URL)
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.Tracing = true })
	h.As(h.Owner)
	h.Restart()
	if text := h.Log.String(); !strings.Contains(text, "the last traces were not sent") {
		t.Errorf("the log does not say so:\n%s", text)
	}
}
