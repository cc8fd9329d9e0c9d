package verify

import (
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Requirement is what a route demands of its caller. The zero value demands only a valid
// credential.
type Requirement struct {
	// SessionOnly refuses every key.
	SessionOnly bool
	// Tenant is the tenant in the path; "" for none.
	Tenant ident.TenantID
	Scopes []scope.Scope
	// AnyScope is set if one of Scopes is enough.
	AnyScope bool
	// Application is the application in the path; "" for none.
	Application string
	// EveryApplication demands access to all applications. Creating one needs it.
	EveryApplication bool
	// Management is set for routes of the management API, the only ones that management keys may
	// call. Elsewhere they are credentials that nobody issued.
	Management bool
	// Permission is the one that a management key needs; "" for a route that no management key may
	// call, unless AnyManagementKey is set.
	Permission policy.Permission
	// AnyManagementKey lets every valid management key pass.
	AnyManagementKey bool
}

// Caller is the sender of a request, authenticated by steps 1 to 4b.
type Caller struct {
	principal.Principal
	Transport policy.Transport
	// Facts are those of a key; nil for a session.
	Facts *Facts

	entry      *Entry
	credential *credentialFacts
	// token is the access token that was sent; nil for anything else.
	token *Token
}

// Scopes returns the effective scopes of a key or of its access token.
func (c *Caller) Scopes() scope.Set { return grantedScopes(c.Facts, c.token) }

// Token returns the access token that was sent; nil for anything else.
func (c *Caller) Token() *Token { return c.token }

// Allow runs steps 5 to 8 for a caller of one of Claviger's own routes. It returns nil if the
// caller meets the requirement. For a session it does not check the application: the domain
// packages do.
func (e *Engine) Allow(ctx context.Context, c Caller, r Requirement) error {
	if c.Facts != nil {
		at := e.now()
		code, wait := e.authorize(c.Facts, c.Scopes(), r, at)
		e.sightCaller(&c, code, &r)
		c.count(at, code, r.Application)
		if code == fault.RateLimited {
			return errRateLimited(c.Facts, wait)
		}
		if code != "" {
			return code
		}
		return nil
	}
	if m, ok := c.ManagementKey(); ok {
		return allowManagementKey(m, r)
	}
	if r.Tenant == "" {
		return nil
	}
	role, tenant, err := e.roleIn(ctx, c.Principal, r.Tenant)
	if err != nil {
		return err
	}
	for _, name := range r.Scopes {
		if !tenant.Catalogue.Holds(role, name) {
			return fault.New(fault.Forbidden, "Your role in this tenant does not allow this.")
		}
	}
	return nil
}

// allowManagementKey decides about a management key. The change decides again, in its transaction,
// about what the management key is then.
func allowManagementKey(m principal.ManagementKey, r Requirement) error {
	switch {
	case r.AnyManagementKey:
		return nil
	case r.Permission == "":
		return fault.SessionRequired
	case r.Tenant != m.Tenant:
		return fault.NotFound
	case !m.Rights.Has(r.Permission):
		return fault.New(fault.Forbidden,
			"This management key has no permission `"+string(r.Permission)+"`. Use one that has it.")
	}
	return nil
}

// roleIn returns a signed-in person's role in a tenant, and the facts of the tenant. It returns
// fault.NotFound if the person has no role, as if the tenant did not exist.
func (e *Engine) roleIn(ctx context.Context, who principal.Principal,
	id ident.TenantID,
) (scope.Role, *tenantFacts, error) {
	if _, err := ident.Parse[ident.TenantID](string(id)); err != nil {
		return "", nil, fault.NotFound
	}
	t, err := e.tenantFacts(ctx, id)
	if errors.Is(err, fault.NotFound) {
		return "", nil, fault.NotFound
	}
	if err != nil {
		return "", nil, unavailable(err)
	}
	if err := who.RequireSessionIn(t.Account); err != nil {
		return "", nil, err
	}
	role := who.RoleIn(id, t.Account)
	if role == "" || !t.Active && !who.AccountRole(t.Account).Valid() {
		return "", nil, fault.NotFound // only those who may enable a disabled tenant see it
	}
	return role, t, nil
}

// refusal runs steps 5 to 7 for the key with the scopes. It returns the code of the refusal, or "".
func (f *Facts) refusal(granted scope.Set, r Requirement) fault.Kind {
	switch {
	case r.SessionOnly:
		return fault.SessionRequired
	case r.Tenant != "" && r.Tenant != f.Key.Tenant:
		return fault.NotFound
	}
	if code := r.requireScopes(granted); code != "" {
		return code
	}
	if code := policy.RequireApplicationAccess(f.Key.Applications, r.Application, r.EveryApplication); code != "" ||
		r.Application == "" {
		return code
	}
	enabled, exists := f.tenant.Applications[r.Application]
	return policy.RequireActiveApplication(exists, !enabled)
}

// requireScopes runs step 6 for a caller with the scopes.
func (r Requirement) requireScopes(has scope.Set) fault.Kind {
	if r.AnyScope {
		return policy.RequireAnyScope(has, r.Scopes...)
	}
	return policy.RequireScopes(has, r.Scopes...)
}

// authorize runs steps 5 to 8 for the key with the scopes. It returns the code of the refusal, or
// ""; with fault.RateLimited also how long to wait. After steps 5 to 7 it records that the scopes
// were used.
func (e *Engine) authorize(f *Facts, granted scope.Set, r Requirement,
	at time.Time,
) (code fault.Kind, wait time.Duration) {
	if code := f.refusal(granted, r); code != "" {
		return code, 0
	}
	e.recordScopes(f, r.Scopes, at)
	if wait := e.consume(f); wait > 0 {
		return fault.RateLimited, wait
	}
	return "", 0
}

// foresee returns what authorize would return, and neither counts nor records anything.
func (e *Engine) foresee(f *Facts, granted scope.Set, r Requirement) (code fault.Kind, wait time.Duration) {
	if code := f.refusal(granted, r); code != "" {
		return code, 0
	}
	perMinute := f.tenant.Settings.RequestsPerMinute
	if perMinute == 0 {
		return "", 0
	}
	if wait := e.limiter.Wait(&f.requests, e.now().UnixNano(), int64(perMinute)); wait > 0 {
		return fault.RateLimited, wait
	}
	return "", 0
}
