package testkit

import (
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/identity"
)

// HasSession reports whether the client has a valid session.
func HasSession(t testing.TB, c *client.Client) bool {
	t.Helper()
	_, err := c.Whoami(t.Context())
	code := Code(t, err)
	// the client forgets a cookie that was taken away
	if code != "" && code != api.SessionEnded && code != api.APIKeyInvalid {
		t.Errorf("whoami: %s", code)
	}
	return code == ""
}

// WrongPassword is a good password that nobody has.
const WrongPassword = "wrong horse battery staple"

// SignInCode signs in and returns the code of the refusal; "" for success.
func SignInCode(t testing.TB, h *Server, email, password string) api.Code {
	t.Helper()
	_, _, err := h.Anyone().SignIn(t.Context(), email, password)
	return Code(t, err)
}

// SetSignInFailures records so many failed sign-ins for the address, the last of them now.
func SetSignInFailures(t testing.TB, h *Server, email string, count int) {
	t.Helper()
	canonical := identity.CanonicalEmail(email)
	if err := h.Store.DeleteFailures(t.Context(), canonical); err != nil {
		t.Fatal(err)
	}
	claimed, err := h.Store.ReserveAttempt(t.Context(), canonical, identity.Failures{},
		identity.Failures{Count: count, LastAt: h.Clock.Now()})
	if err != nil || !claimed {
		t.Fatalf("%t, %v", claimed, err)
	}
}
