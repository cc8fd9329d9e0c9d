package testkit

import (
	"net/http"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/serverkey"
)

// RepairClock repairs the clock by the API of operators.
func RepairClock(t testing.TB, h *Server, in api.RepairClockRequest) (r api.RepairClockResponse, err error) {
	t.Helper()
	err = h.Operator().Do(t.Context(), http.MethodPost, "/operator/v1/clock/repair", in, &r)
	return r, err
}

// RotateServerKey adds a version of a server key, and moves the clock until it is used.
func RotateServerKey(t testing.TB, h *Server, set serverkey.Set) credential.Version {
	t.Helper()
	v, err := h.ServerKeys.Rotate(t.Context(), principal.Operator(), set)
	if err != nil {
		t.Fatal(err)
	}
	if wait := v.From.Sub(h.Clock.Now()); wait > 0 {
		h.Clock.Move(wait)
	}
	return v
}
