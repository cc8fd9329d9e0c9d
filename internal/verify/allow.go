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

// Allow runs steps 5 to 8 for a caller on Claviger's own routes. Whether an application exists is, for a session, the domain's to say.
func (e *Engine) Allow(ctx context.Context, c Caller, n Need) error {
	if c.Facts != nil {
		if code := c.Facts.allows(n); code != "" {
			return code
		}
		e.uses.noteScopes(c.Facts, n.Scopes)
		return e.limit(c.Facts)
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

// reaches is step 7. A restricted key gets one answer for every id outside its list, existing or not; to others an unknown one is not found.
func (f *Facts) reaches(n Need) fault.Kind {
	if n.EveryApplication && !f.Key.Applications.All {
		return fault.ApplicationForbidden
	}
	if n.Application == "" {
		return ""
	}
	enabled, exists := f.tenant.Applications[n.Application]
	switch {
	case !f.Key.Applications.Reach(n.Application), exists && !enabled:
		return fault.ApplicationForbidden
	case !exists:
		return fault.NotFound
	}
	return ""
}

// Verifier is a caller who may ask about other credentials, accepted by steps 1 to 6. Its steps 7 and 8 depend on what it asks, so they are Judge's.
type Verifier struct{ caller Caller }

// keysVerify is what a key needs to ask about others.
var keysVerify = Need{Scopes: []scope.Scope{scope.KeysVerify}}

// Verifier runs steps 5 and 6 for a caller who wants to ask about another credential.
func (c Caller) Verifier() (Verifier, error) {
	if c.Facts == nil {
		if !mayVerify(c.Principal) {
			return Verifier{}, fault.New(fault.Forbidden, "Your roles do not let you verify keys.")
		}
	} else if code := c.Facts.allows(keysVerify); code != "" {
		return Verifier{}, code
	}
	return Verifier{c}, nil
}

// Question is what a protected API asks about a credential.
type Question struct {
	Need
	// Way to judge; its zero value for none.
	Way policy.Way
	// IP of the protected API's client; "" where it is not known.
	IP string
}

// mayAsk runs steps 7 and 8 for a verifier: one restricted to applications must name one of them.
func (e *Engine) mayAsk(v Verifier, q Question) error {
	f := v.caller.Facts
	if f == nil {
		return nil
	}
	if !f.Key.Applications.All && !f.Key.Applications.Reach(q.Application) {
		return fault.New(fault.ApplicationForbidden, "A key restricted to applications must name one of them as application_id.")
	}
	e.uses.noteScopes(f, keysVerify.Scopes)
	return e.limit(f)
}

// Judge runs the whole decision about somebody else's credential. Of a key that is not the verifier's to judge the verifier learns, and leaves, nothing.
// An error is about the verifier, or says that nothing could be decided.
func (e *Engine) Judge(ctx context.Context, verifier Verifier, p Presentation, q Question) (Verdict, error) {
	via := verifier.caller.Transport
	if err := e.mayAsk(verifier, q); err != nil {
		e.counts.Callers.Count(fault.KindOf(err), via)
		return Verdict{}, err
	}
	e.counts.Callers.Count("", via)
	v, err := e.decide(ctx, verifier, p, q)
	if err != nil {
		e.counts.Decisions.Count(Outcome(ctx, err), q.Way.Transport)
		return Verdict{}, err
	}
	e.counts.Decisions.Count(v.Code, q.Way.Transport)
	return v, nil
}

func (e *Engine) decide(ctx context.Context, verifier Verifier, p Presentation, q Question) (Verdict, error) {
	if p.Unreadable != "" {
		return Verdict{Code: p.Unreadable}, nil
	}
	if !p.Formed {
		return Verdict{Code: fault.KeyInvalid}, nil
	}
	v, err := e.Examine(ctx, p.Credential, q.Way)
	if err != nil || v.Facts == nil {
		return v, err
	}
	if !judges(verifier.caller, v.Facts) || q.Tenant != "" && q.Tenant != v.Facts.Key.Tenant {
		return Verdict{Code: fault.KeyInvalid}, nil
	}
	if v.Code != "" {
		return v, nil
	}
	e.noteUse(v, q.IP)
	switch v.Code = v.Facts.allows(q.Need); v.Code {
	case fault.NotFound: // the application: the tenant is the key's
		v.Code = fault.ApplicationForbidden
	case "":
		e.uses.noteScopes(v.Facts, q.Scopes)
		if e.spend(v.Facts) > 0 {
			v.Code = fault.RateLimited
		}
	}
	return v, nil
}

// mayVerify reports whether a signed-in person's roles let them ask about any key at all.
func mayVerify(who principal.Principal) bool {
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
