// Package token issues, reads and revokes OAuth 2.0 access tokens.
//
// A token stands for the secret of a key that it was issued for, and is valid while that secret is:
//
//	opaque  clv_at_…    everything that finds the key is encrypted in the token; nothing is stored
//	JWT     ey….….…     a signed JWT (RFC 9068); the same is encrypted in its claim "clv"
//
// Claviger makes the decision about a token anew on every request, from the same facts as about the
// key, whatever the format. Others who verify a JWT by its signature alone learn of a change only
// at the next token. So JWTs are short, and are not issued to keys that are restricted to
// addresses.
//
// Signing keys are stored, encrypted. Each is published some time before it signs
// (signingkey.go). A revocation is stored until the token would have expired (revoke.go).
package token

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// MaxJWTLifetime is how long a JWT is valid at most.
const MaxJWTLifetime = policy.MaxJWTSeconds * time.Second

// Grant is what a token is issued for: a key that was accepted a moment ago.
type Grant struct {
	Key principal.Key
	// Lookup finds the key by the secret that was sent.
	Lookup string
	// Ends is when the secret, and so every token of it, ends at the latest; zero for never.
	Ends time.Time
	// Restricted is set if the key may be used from some addresses only.
	Restricted bool
	Settings   policy.Settings
}

// Issued is a new token.
type Issued struct {
	Value   credential.Secret
	Expires time.Time
	// Lifetime is how long the token is valid.
	Lifetime time.Duration
	// Scopes are those that the token has now.
	Scopes scope.Set
}

// Counts are how many tokens were issued and revoked.
type Counts struct{ Opaque, JWT, Revoked atomic.Uint64 }

// Service issues, reads and revokes tokens. Its fields are required.
type Service struct {
	Ledger  audit.Ledger[Tx]
	Store   Store
	Keyring *credential.Keyring
	Now     func() time.Time
	// Horizon is the time up to which irreversible work may go.
	Horizon func() time.Time
	// Rand is the source of randomness for signing keys of Ed25519. Those of the other algorithms
	// always use the system's.
	Rand io.Reader
	// Issuer is the base URL, the `iss` of every JWT.
	Issuer string
	// PropagationDelay is how long a new signing key is on record before it signs, so that every
	// node knows it.
	PropagationDelay time.Duration
	// SignGate admits those for whom a JWT is signed, which takes a thousand times as long as an
	// opaque token; nil admits everyone.
	SignGate *admission.Gate

	counts  Counts
	signing signingKeys
	// since is when the database was last restored, in Unix microseconds. Older tokens are invalid.
	since atomic.Int64
}

// Counts returns what the service has done.
func (s *Service) Counts() *Counts { return &s.counts }

// Load reads when the database was restored. It must be called before the first token is read.
func (s *Service) Load(ctx context.Context) error {
	since, err := s.Store.TokensSince(ctx)
	if err == nil && !since.IsZero() {
		s.since.Store(since.UnixMicro())
	}
	return err
}

// ErrScope says that a requested scope is not one that the key has.
var ErrScope = fault.New(fault.InsufficientScope,
	"A requested scope is none of the key's effective scopes. Ask for scopes that the key has, or leave `scope` out.")

// Issue returns a token for the grant. requested are the scopes that it is limited to; none for all
// that the key has, now and later. It returns ErrScope if the key lacks one of them.
func (s *Service) Issue(ctx context.Context, g Grant, requested []scope.Scope) (Issued, error) {
	narrowed := len(requested) > 0
	granted := g.Key.Scopes
	if narrowed {
		granted = scope.NewSet(requested...)
	}
	for _, name := range granted {
		if !g.Key.Scopes.Has(name) {
			return Issued{}, ErrScope
		}
	}
	now := s.Now()
	t := credential.AccessToken{
		ID: s.Keyring.NewAccessTokenID(), Key: g.Key.ID, Lookup: g.Lookup, Serial: g.Key.Serial, Narrowed: narrowed,
		IssuedAt: now, Expires: g.expiry(now),
	}
	if narrowed {
		t.Scopes = granted.Strings()
	}
	issued := Issued{Expires: t.Expires, Lifetime: t.Expires.Sub(now), Scopes: granted}
	if !g.jwt() {
		issued.Value = s.Keyring.IssueAccessToken(t)
		s.counts.Opaque.Add(1)
		return issued, nil
	}
	var err error
	issued.Value, err = s.sign(ctx, g, t, granted)
	if err == nil {
		s.counts.JWT.Add(1)
	}
	return issued, err
}

// jwt reports whether the grant gets a JWT.
func (g Grant) jwt() bool { return g.Settings.TokenFormat == policy.JWT && !g.Restricted }

// expiry returns when a token that is issued now expires.
func (g Grant) expiry(now time.Time) time.Time {
	lifetime := time.Duration(g.Settings.TokenSeconds) * time.Second
	if g.jwt() {
		lifetime = min(lifetime, MaxJWTLifetime)
	}
	at := now.Add(lifetime)
	if !g.Ends.IsZero() && g.Ends.Before(at) {
		return g.Ends
	}
	return at
}

// ReadToken returns what an access token says if this server issued it. It returns
// fault.TokenInvalid for everything else, and fault.Unavailable if that cannot be known. It does
// not check the expiry. It implements verify.Tokens.
func (s *Service) ReadToken(ctx context.Context, value string) (t credential.AccessToken, err error) {
	if credential.HasAccessTokenForm(value) {
		var ok bool
		t, ok = s.Keyring.ParseAccessToken(value)
		if !ok {
			return t, fault.TokenInvalid
		}
	} else {
		t, err = s.readJWT(ctx, value)
		if err != nil {
			return t, err
		}
	}
	if t.IssuedAt.UnixMicro() < s.since.Load() {
		return t, fault.TokenInvalid
	}
	return t, nil
}

// ScopeText returns scopes as the `scope` of RFC 6749 section 3.3.
func ScopeText(scopes scope.Set) string { return strings.Join(scopes.Strings(), " ") }

// maxRequestedScopes bounds how many scopes a token can be limited to. They are part of the token,
// which a client sends in a header.
const maxRequestedScopes = 100

// ParseScopes parses a `scope` of RFC 6749 section 3.3. "" requests none in particular.
func ParseScopes(text string) (requested []scope.Scope, err error) {
	if text == "" {
		return nil, nil
	}
	for name := range strings.SplitSeq(text, " ") {
		one := scope.Scope(name)
		if !one.Valid() {
			return nil, ErrScope
		}
		if !slices.Contains(requested, one) {
			requested = append(requested, one)
		}
	}
	if len(requested) > maxRequestedScopes {
		return nil, fault.New(fault.InsufficientScope,
			"A token can be limited to at most 100 scopes. Ask for fewer, or leave `scope` out.")
	}
	return requested, nil
}
