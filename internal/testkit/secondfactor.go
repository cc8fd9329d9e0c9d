package testkit

import (
	"time"

	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit/totp"
)

// App is a person's authenticator app.
type App struct {
	// Secret is what the person typed into it, in base32.
	Secret string
	clock  *Clock
}

// Code returns the code that the app shows now (RFC 6238).
func (a App) Code() string { return a.CodeAt(a.clock.Now()) }

// CodeAt returns the code that the app shows at a time.
func (a App) CodeAt(at time.Time) string { return totp.Code(a.Secret, at) }

// Next moves the clock until the app shows another code, and returns that.
func (a App) Next() string {
	a.clock.Move(30 * time.Second)
	return a.Code()
}

// Authenticator returns an authenticator app with the secret.
func (h *Server) Authenticator(secret string) App { return App{Secret: secret, clock: h.Clock} }

// SetUpFactor sets up the second factor of the person whose session the client has. It returns
// their app, whose present code is used up, and their recovery codes.
func (h *Server) SetUpFactor(c *client.Client) (App, []string) {
	h.t.Helper()
	started, err := c.StartTwoFactor(h.t.Context())
	h.check(err)
	a := h.Authenticator(*started.Secret)
	set, err := c.ConfirmTwoFactor(h.t.Context(), *started.Setup, a.Code())
	h.check(err)
	return a, set.RecoveryCodes
}
