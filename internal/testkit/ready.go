package testkit

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
)

// ClockTrusted returns "trusted" if the node is ready. Otherwise it lets a second pass and returns
// "", for Await.
func ClockTrusted(t testing.TB, h *Server) string {
	t.Helper()
	if NotReady(t, h) == "" {
		return "trusted"
	}
	h.Clock.Move(time.Second)
	return ""
}

// AwaitClockDoubt waits until the node is not ready because of its clock, and demands that readyz
// says why.
func AwaitClockDoubt(t testing.TB, h *Server, reason string) {
	t.Helper()
	detail := Await(t, func() string { return NotReady(t, h) })
	if !strings.Contains(detail, "clock (it is in doubt: ") || !strings.Contains(detail, reason) {
		t.Errorf("readyz says %q, want the clock and %q", detail, reason)
	}
}

// NotReady returns what readyz says is wrong; "" if the node is ready.
func NotReady(t testing.TB, h *Server) string {
	t.Helper()
	err := h.Anyone().Do(t.Context(), http.MethodGet, "/readyz", nil, nil)
	if code := Code(t, err); code != "" && code != api.Unavailable {
		t.Fatalf("%s", code)
	}
	if err == nil {
		return ""
	}
	return err.(*api.Problem).Detail
}
