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

// Requirement is what a route asks of a caller. The zero value asks only for a good credential.
type Requirement struct {
	// SessionOnly refuses every key.
	SessionOnly bool
	// Tenant in the path; "" for none.
	Tenant ident.TenantID
	Scopes []scope.Scope
	// Application in the path; "" for none.
	Application string
	// EveryApplication asks for access to all applications, as creating one does.
	EveryApplication bool
}

// Caller is who made a request, accepted by steps 1 to 4.
type Caller struct {
	principal.Principal
	Transport policy.Transport
	// Facts of a key; nil for a session.
	Facts *Facts

	entry      *Entry
	credential *credentialFacts
}

// Allow runs steps 5 to 8 for a caller on Claviger's own routes. Whether an application exists is, for a session, the domain's to say.
func (e *Engine) Allow(ctx context.Context, c Caller, r Requirement) error {
	if c.Facts != nil {
		code, wait := e.authorize(c.Facts, r)
		if code == fault.RateLimited {
			return errRate(wait)
		}
		if code != "" {
			return code
		}
		return nil
	}
	if r.Tenant == "" {
		return nil
	}
	role, err := e.roleIn(ctx, c.Principal, r.Tenant)
	if err != nil {
		return err
	}
	for _, name := range r.Scopes {
		if !ownCatalogue.Holds(role, name) {
			return fault.New(fault.Forbidden, "Your role in this tenant does not allow this.")
		}
	}
	return nil
}

// ownCatalogue holds the scopes of Claviger's own routes.
var ownCatalogue = scope.NewCatalogue(nil)

// roleIn gives a signed-in person's role in a tenant; where there is none, the tenant does not exist.
func (e *Engine) roleIn(ctx context.Context, who principal.Principal, id ident.TenantID) (scope.Role, error) {
	if _, err := ident.Parse[ident.TenantID](string(id)); err != nil {
		return "", fault.NotFound
	}
	t, err := e.tenantFacts(ctx, id)
	if errors.Is(err, fault.NotFound) {
		return "", fault.NotFound
	}
	if err != nil {
		return "", unavailable(err)
	}
	role := who.RoleIn(id, t.Account)
	if role == "" || !t.Open && !who.RoleOver(t.Account).Valid() {
		return "", fault.NotFound // a disabled tenant is there for those alone who may enable it
	}
	return role, nil
}

// meets runs steps 5 to 7 for the key.
func (f *Facts) meets(r Requirement) fault.Kind {
	switch {
	case r.SessionOnly:
		return fault.SessionRequired
	case r.Tenant != "" && r.Tenant != f.Key.Tenant:
		return fault.NotFound
	}
	if code := policy.RequireScopes(f.Key.Scopes, r.Scopes...); code != "" {
		return code
	}
	if code := policy.RequireReach(f.Key.Applications, r.Application, r.EveryApplication); code != "" || r.Application == "" {
		return code
	}
	enabled, exists := f.tenant.Applications[r.Application]
	return policy.RequireApplication(exists, !enabled)
}

// authorize runs steps 5 to 8 for the key, and notes the scopes as used once 5 to 7 have passed. It returns how long to wait
// with fault.RateLimited.
func (e *Engine) authorize(f *Facts, r Requirement) (code fault.Kind, wait time.Duration) {
	if code := f.meets(r); code != "" {
		return code, 0
	}
	e.uses.noteScopes(f, r.Scopes)
	if wait := e.spend(f); wait > 0 {
		return fault.RateLimited, wait
	}
	return "", 0
}
