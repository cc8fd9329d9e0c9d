package verify

import (
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Presentation is the one credential a request carried (step 1).
type Presentation struct {
	// Sent is set where the request carried a credential at all, good or bad. Then the cookie does not count.
	Sent bool
	// Unreadable says why no one credential could be made out in what is to be judged; "" where one could.
	Unreadable fault.Kind
	// Formed is set where what was sent has the form of a credential.
	Formed     bool
	Credential credential.Presented
	Way        policy.Way
	// Cookie is the session's token; "" for none.
	Cookie string
}

// Sessions resumes sign-ins; a dead or unknown token is fault.NotFound.
type Sessions interface {
	Resume(ctx context.Context, token string) (principal.Principal, error)
}

// Authenticator turns what a request carried into a caller. It is the only one: every way in comes through it.
type Authenticator struct {
	Engine   *Engine
	Sessions Sessions
}

// Authenticate runs steps 2 to 4 for the caller of a request.
func (a *Authenticator) Authenticate(ctx context.Context, p Presentation, from principal.Origin) (Caller, error) {
	if p.Sent {
		return a.byKey(ctx, p, from)
	}
	if p.Cookie != "" {
		who, err := a.Sessions.Resume(ctx, p.Cookie)
		if err == nil {
			return Caller{Principal: who.From(from), Transport: policy.Session}, nil
		}
		if !errors.Is(err, fault.NotFound) {
			return Caller{}, unavailable(err)
		}
	}
	return Caller{}, fault.KeyInvalid
}

func (a *Authenticator) byKey(ctx context.Context, p Presentation, from principal.Origin) (Caller, error) {
	if !p.Formed {
		return Caller{}, fault.KeyInvalid
	}
	v, err := a.Engine.Identify(ctx, p.Credential, p.Way, from.IP)
	if err != nil {
		return Caller{}, err
	}
	if v.Code != "" {
		return Caller{}, v.Code
	}
	return Caller{Principal: v.Principal().From(from), Transport: p.Way.Transport, Facts: v.Facts}, nil
}
