package verify

import (
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Need is what a route asks of a caller. The zero value asks only for a good credential.
type Need struct {
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
}

// Allow runs steps 5 to 7 for a caller on Claviger's own routes. Whether an application exists is the domain's to say.
func (e *Engine) Allow(ctx context.Context, c Caller, n Need) error {
	if c.Facts != nil {
		if code := c.Facts.allows(n); code != "" {
			return code
		}
		return nil
	}
	if n.Tenant == "" {
		return nil
	}
	role, err := e.roleIn(ctx, c.Principal, n.Tenant)
	if err != nil {
		return err
	}
	for _, name := range n.Scopes {
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

// allows runs steps 5 to 7 for the key.
func (f *Facts) allows(n Need) fault.Kind {
	switch {
	case n.SessionOnly:
		return fault.SessionRequired
	case n.Tenant != "" && n.Tenant != f.Key.Tenant:
		return fault.NotFound
	}
	for _, name := range n.Scopes {
		if !f.Key.Scopes.Has(name) {
			return fault.InsufficientScope
		}
	}
	return f.reaches(n)
}

// reaches is step 7. A restricted key gets one answer for every id outside its list, existing or not.
func (f *Facts) reaches(n Need) fault.Kind {
	if n.EveryApplication && !f.Key.Applications.All {
		return fault.ApplicationForbidden
	}
	if n.Application == "" {
		return ""
	}
	enabled, exists := f.tenant.Applications[n.Application]
	if !f.Key.Applications.Reach(n.Application) || exists && !enabled {
		return fault.ApplicationForbidden
	}
	return ""
}

// Question is what a protected API asks about a credential.
type Question struct {
	Need
	// Way to judge; its zero value for none.
	Way policy.Way
	// IP of the protected API's client; "" where it is not known.
	IP string
}

// MayAsk reports whether the verifier may ask the question at all: one restricted to applications must name one of them.
func MayAsk(verifier Caller, q Question) error {
	if f := verifier.Facts; f != nil && !f.Key.Applications.All && !f.Key.Applications.Reach(q.Application) {
		return fault.New(fault.ApplicationForbidden, "A key restricted to applications must name one of them as application_id.")
	}
	return nil
}

// Judge runs the whole decision about somebody else's credential, for a verifier that may ask. Of a key that is not the verifier's to judge it learns,
// and leaves, nothing.
func (e *Engine) Judge(ctx context.Context, verifier Caller, p Presentation, q Question) (Verdict, error) {
	if !p.Formed {
		return Verdict{Code: fault.KeyInvalid}, nil
	}
	v, err := e.Examine(ctx, p.Credential, q.Way)
	if err != nil || v.Facts == nil {
		return v, err
	}
	if !judges(verifier, v.Facts) || q.Tenant != "" && q.Tenant != v.Facts.Key.Tenant {
		return Verdict{Code: fault.KeyInvalid}, nil
	}
	if v.Code != "" {
		return v, nil
	}
	e.noteUse(v, q.IP)
	if v.Code = v.Facts.allows(q.Need); v.Code == "" && q.Application != "" {
		if _, exists := v.Facts.tenant.Applications[q.Application]; !exists {
			v.Code = fault.ApplicationForbidden
		}
	}
	return v, nil
}

// MayVerify reports whether a signed-in person's roles let them ask about any key at all.
func MayVerify(who principal.Principal) bool {
	s, _ := who.Session()
	for _, m := range s.Memberships {
		if ownCatalogue.Holds(m.Role, scope.KeysVerify) {
			return true
		}
	}
	return len(s.Standings) > 0
}

// judges reports whether the verifier may learn about the key: one of its own tenant, or of every tenant of an account its owner runs.
func judges(verifier Caller, f *Facts) bool {
	if k, ok := verifier.Key(); ok {
		return k.Tenant == f.Key.Tenant || k.AccountRole.Valid() && k.Account == f.Key.Account
	}
	return ownCatalogue.Holds(verifier.RoleIn(f.Key.Tenant, f.Key.Account), scope.KeysVerify)
}
