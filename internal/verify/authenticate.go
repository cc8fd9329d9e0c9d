package verify

import (
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Sessions resumes sign-ins; a dead or unknown token is fault.NotFound.
type Sessions interface {
	Resume(ctx context.Context, token string) (principal.Principal, error)
	// Issued reports whether this server made the token, whatever became of it since. It reads nothing.
	Issued(token string) bool
}

// Authenticator turns what a request carried into a caller. It is the only one: every way in comes through it.
type Authenticator struct {
	Engine   *Engine
	Sessions Sessions
}

// IssuedSession reports whether a session was presented that this server began. Whether it goes on, only Authenticate tells.
func (a *Authenticator) IssuedSession(p Presentation) bool {
	return p.kind == SessionToken && a.Sessions.Issued(p.token)
}

// Authenticate runs steps 2 to 4 for the caller of a request on Claviger's own routes. API keys and sessions are accepted
// there; every other kind is refused.
func (a *Authenticator) Authenticate(ctx context.Context, p Presentation, from principal.Origin) (Caller, error) {
	if p.kind == SessionToken {
		return a.bySession(ctx, p, from)
	}
	if code := p.refusal(); code != "" {
		return Caller{}, code
	}
	d, err := a.Engine.Authenticate(ctx, p, from.IP)
	if err != nil {
		return Caller{}, err
	}
	if d.Code != "" {
		return Caller{}, d.Code
	}
	return Caller{Principal: d.Principal().From(from), Transport: p.way.Transport, Facts: d.Facts, entry: d.entry, credential: d.credential}, nil
}

func (a *Authenticator) bySession(ctx context.Context, p Presentation, from principal.Origin) (Caller, error) {
	who, err := a.Sessions.Resume(ctx, p.token)
	if errors.Is(err, fault.NotFound) {
		return Caller{}, fault.KeyInvalid
	}
	if err != nil {
		return Caller{}, unavailable(err)
	}
	return Caller{Principal: who.From(from), Transport: policy.Session}, nil
}
