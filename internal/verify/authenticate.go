package verify

import (
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Sessions finds the sessions of cookies.
type Sessions interface {
	// Resume returns the principal of the session with a token of this kind. It returns
	// fault.NotFound for a token that is unknown, and fault.SessionEnded for one that is no longer
	// valid.
	Resume(ctx context.Context, kind credential.TokenKind, token string) (principal.Principal, error)
	// Check is Resume without a use of the session.
	Check(ctx context.Context, kind credential.TokenKind, token string) (principal.Principal, error)
	// WasLive reports whether the token belonged to a live session a few seconds ago. It reads
	// nothing from the database.
	WasLive(kind credential.TokenKind, token string) bool
}

// Authenticator turns the credential of a request into a caller. Every entry point uses it; there
// is no other.
type Authenticator struct {
	Engine   *Engine
	Sessions Sessions
	// ManagementKeys is nil where there are none.
	ManagementKeys ManagementKeys
}

// ManagementKeys authenticates management keys.
type ManagementKeys interface {
	// Authenticate returns the principal of a management key, or the code of the refusal.
	Authenticate(ctx context.Context, key credential.Parsed, from principal.Origin) (principal.Principal, error)
}

// SessionWasLive reports whether the request carried the cookie of a session that was live a few
// seconds ago. Only Authenticate tells whether it still is.
func (a *Authenticator) SessionWasLive(p Presentation) bool {
	return p.kind == SessionToken && a.Sessions.WasLive(p.session, p.token)
}

// Issued reports whether the value of a cookie is a token that this server issued. It says nothing
// about the session.
func (e *Engine) Issued(kind credential.TokenKind, value string) bool {
	return e.keyring.TokenTagged(kind, value)
}

// ForManagement returns how a route of the management API reads the credential: a bearer token with
// the form and the tag of a management key is one. Every other route takes it for an API key, and
// refuses it as one that nobody issued.
func (a *Authenticator) ForManagement(p Presentation) Presentation {
	if p.kind == APIKey && p.location.Transport == policy.Bearer && a.Engine.keyring.ManagementTagged(p.key) {
		return PresentManagementKey(p.key)
	}
	return p
}

// Authenticate runs steps 2 to 4b for the caller of one of Claviger's own routes. It accepts API
// keys, access tokens, sessions and what ForManagement took for a management key, and refuses
// everything else.
func (a *Authenticator) Authenticate(ctx context.Context, p Presentation, from principal.Origin) (Caller, error) {
	if p.kind == SessionToken {
		return a.authenticateSession(ctx, p, from, p.passive)
	}
	if p.kind == ManagementKey && a.ManagementKeys != nil {
		return a.authenticateManagementKey(ctx, p, from)
	}
	if p.kind == AmbiguousCredential {
		return Caller{}, fault.New(fault.CredentialAmbiguous, p.Detail())
	}
	d, err := a.Engine.Authenticate(ctx, p, from.IP)
	if err != nil {
		return Caller{}, err
	}
	if d.Code != "" {
		return Caller{}, d.Code
	}
	return Caller{
		Principal: d.Principal().WithOrigin(from), Transport: p.location.Transport, Facts: d.Facts, entry: d.entry,
		credential: d.credential, token: d.token,
	}, nil
}

func (a *Authenticator) authenticateManagementKey(ctx context.Context, p Presentation,
	from principal.Origin,
) (Caller, error) {
	if a.Engine.Halted() {
		return Caller{}, errHalted
	}
	who, err := a.ManagementKeys.Authenticate(ctx, p.key, from)
	if err != nil {
		if fault.KindOf(err) == fault.Internal {
			err = unavailable(err)
		}
		return Caller{}, err
	}
	return Caller{Principal: who, Transport: policy.Bearer}, nil
}

// authenticateSession finds the session of a token. passive is set for a request that is no use of
// the session: it was decided before, or no person made it.
func (a *Authenticator) authenticateSession(ctx context.Context, p Presentation, from principal.Origin,
	passive bool,
) (Caller, error) {
	ctx = admission.WithCaller(ctx, admission.ForAddress(from.IP)) // until the person is known
	find := a.Sessions.Resume
	if passive {
		find = a.Sessions.Check
	}
	who, err := find(ctx, p.session, p.token)
	switch {
	case errors.Is(err, fault.NotFound):
		return Caller{}, fault.KeyInvalid
	case errors.Is(err, fault.SessionEnded):
		return Caller{}, fault.SessionEnded
	case errors.Is(err, fault.SecondFactorRequired):
		return Caller{}, err
	}
	if err != nil {
		return Caller{}, unavailable(err)
	}
	return Caller{Principal: who.WithOrigin(from), Transport: policy.Session}, nil
}
