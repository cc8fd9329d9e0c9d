package verify

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/token"
)

// maxSkew is how far the clock of the node that issued a token may be ahead.
const maxSkew = time.Minute

// Tokens reads access tokens.
type Tokens interface {
	// ReadToken returns what an access token says if this server issued it. It returns
	// fault.TokenInvalid for everything else, and does not check the expiry.
	ReadToken(ctx context.Context, value string) (credential.AccessToken, error)
}

// Token is an access token that this server issued.
type Token struct {
	credential.AccessToken
	// scopes are those that the key has now, of those that the token has. They are used only if the
	// token has not all scopes of its key.
	scopes scope.Set
}

// grantedScopes returns the effective scopes of a key or, if a token was sent, of that.
func grantedScopes(f *Facts, t *Token) scope.Set {
	if t == nil || !t.Narrowed {
		return f.Key.Scopes
	}
	return t.scopes
}

// narrow computes the scopes of the token from those that the key has now.
func (t *Token) narrow(effective scope.Set) {
	if !t.Narrowed {
		return
	}
	for _, name := range effective {
		if slices.Contains(t.Scopes, string(name)) {
			t.scopes = append(t.scopes, name)
		}
	}
}

// Limit returns the key with the scopes of the token, and with its expiry where it is earlier.
func (t *Token) Limit(k principal.Key) principal.Key {
	if t.Narrowed {
		k.Scopes = t.scopes
	}
	if k.Expires.IsZero() || t.Expires.Before(k.Expires) {
		k.Expires = t.Expires
	}
	return k
}

// principal returns the key as a principal with the rights of the token.
func (t *Token) principal(k principal.Key, serial int) principal.Principal {
	k = t.Limit(k)
	k.Serial = serial
	k.Token = &principal.Token{ID: t.ID.String(), Expires: t.Expires, Narrowed: t.Narrowed}
	return principal.OfKey(&k)
}

// evaluateToken runs steps 2 to 4 for an access token. It is valid while the secret that it was
// issued for is, so it gets the answer that the key would get by that secret.
func (e *Engine) evaluateToken(ctx context.Context, p Presentation) (Decision, error) {
	at, err := e.begin()
	if err != nil {
		return Decision{}, err
	}
	said, err := e.tokens.ReadToken(ctx, p.token)
	if err != nil {
		if code := fault.KindOf(err); code == fault.TokenInvalid {
			return Decision{Code: code}, nil
		}
		return Decision{}, unavailable(err)
	}
	entry, found := e.cached(said.Lookup)
	e.counts.countLookup(found)
	entry, at, err = e.complete(ctx, entry, found, said.Lookup, at)
	if err != nil {
		return Decision{}, err
	}
	if said.IssuedAt.After(at.Add(maxSkew)) { // by a clock that was wrong
		return Decision{Code: fault.TokenInvalid}, nil
	}
	issuer := entry.issuer(said)
	if issuer == nil || issuer.facts.revokedTokens[said.ID] {
		return Decision{Code: fault.TokenInvalid}, nil
	}
	d := Decision{
		Facts: issuer.facts, entry: entry, credential: issuer, at: at, token: &Token{AccessToken: said},
	}
	d.token.narrow(d.Facts.Key.Scopes)
	status := policy.KeyStatus(d.Facts.life, issuer.life, d.Facts.dependencies, at)
	switch {
	case status == policy.Unknown:
		return Decision{Code: fault.TokenInvalid}, nil
	case !at.Before(said.Expires):
		d.Code = fault.TokenExpired
	default:
		d.Code = status.Refusal()
	}
	if d.Code == "" && !d.Facts.tenant.Settings.Allows(p.location) {
		d.Code = fault.TransportForbidden
	}
	return d, nil
}

// issuer returns the credential that a token was issued for; nil if it is gone.
func (e *Entry) issuer(t credential.AccessToken) *credentialFacts {
	for i := range e.credentials {
		c := &e.credentials[i]
		if c.facts.Key.ID == t.Key && c.serial == t.Serial {
			return c
		}
	}
	return nil
}

// Grant authenticates a client of the token endpoint: steps 2 to 4b with the transport oauth, from
// the address, and step 8. The credential must be a key. Refusals are Codes of the decision.
func (e *Engine) Grant(ctx context.Context, p Presentation, ip string) (g token.Grant, d Decision, err error) {
	if _, isKey := p.Key(); !isKey {
		d.Code = fault.KeyInvalid
		if p.Kind() == AmbiguousCredential {
			d.Code = fault.CredentialAmbiguous
		}
	} else {
		d, err = e.Authenticate(ctx, p, ip)
	}
	if err != nil {
		e.counts.Callers.Count(Outcome(ctx, err), policy.OAuth)
		return g, d, err
	}
	if d.Code == "" {
		d.RetryAfter = e.consume(d.Facts)
		if d.RetryAfter > 0 {
			d.Code = fault.RateLimited
		}
	}
	e.counts.Callers.Count(d.Code, policy.OAuth)
	if d.Code == "" || d.Code == fault.RateLimited { // what Authenticate refuses, it has told the watch
		e.sight(&d, &noRequirement, policy.OAuth, ip)
		d.count("", policy.OAuth)
	}
	if d.Code != "" {
		return g, d, nil
	}
	g = token.Grant{
		Key:        d.Facts.Key,
		Lookup:     strings.Clone(p.key.Lookup()),
		Ends:       d.Facts.Key.Expires,
		Restricted: d.Facts.addresses.Restricted(),
		Settings:   d.Facts.tenant.Settings,
	}
	g.Key.Serial = d.credential.serial
	if previous := d.credential.life; previous.Previous && (g.Ends.IsZero() || previous.Ends.Before(g.Ends)) {
		g.Ends = previous.Ends
	}
	return g, d, nil
}

// ReadToken returns what an access token says if this server issued it, as [Tokens.ReadToken] does.
func (e *Engine) ReadToken(ctx context.Context, value string) (credential.AccessToken, error) {
	if _, err := e.begin(); err != nil {
		return credential.AccessToken{}, err
	}
	t, err := e.tokens.ReadToken(ctx, value)
	if err != nil && fault.KindOf(err) != fault.TokenInvalid {
		err = unavailable(err)
	}
	return t, err
}

// Introspect makes the decision about an access token for a caller. A caller without the scope
// keys:verify learns only about tokens of its own key. The error is about the caller, or says that
// no decision could be made.
func (e *Engine) Introspect(ctx context.Context, c Caller, p Presentation, ip string) (Decision, error) {
	d, err := e.Evaluate(ctx, p)
	if err != nil {
		return Decision{}, err
	}
	if d.Facts == nil || d.Facts.Key.ID != c.Facts.Key.ID {
		v, err := e.Verifier(c)
		if err != nil {
			return Decision{}, err
		}
		return e.inspect(ctx, v, p, ip)
	}
	if wait := e.consume(c.Facts); wait > 0 {
		c.count(e.now(), fault.RateLimited, "")
		return Decision{}, errRateLimited(c.Facts, wait)
	}
	c.count(e.now(), "", "")
	d.checkAddress(ip)
	e.counts.Callers.Count("", c.Transport)
	return d, nil
}

// inspect makes the decision about a token of another key.
func (e *Engine) inspect(ctx context.Context, v Verifier, p Presentation, ip string) (Decision, error) {
	return e.DecideFor(ctx, v, p, Request{IP: ip})
}
