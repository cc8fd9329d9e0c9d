package verify

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Request is the request that carried the credential, as far as a decision needs it.
type Request struct {
	Requirement
	// Location is where the request carried the credential, if the presentation does not know it.
	// The zero value means that the transport is not checked.
	Location policy.Location
	// IP is the address of the client that sent the credential; "" if it is not known.
	IP string
	// Bound is the tenant whose credentials alone are accepted; "" for any. A key of another tenant
	// is refused like a key that nobody issued, and its use is not recorded.
	Bound ident.TenantID
	// Named is the tenant that the request names, by id or number; "" if it names none. It has the
	// same effect as Bound.
	Named string
	// Repeated is set for a decision about a request that was decided before. It neither counts
	// against the rate limit nor is it recorded or counted in any other way.
	Repeated bool
}

// Decide makes the whole decision about a credential, for the receiver of the request that carried
// it. The error is not nil only if no decision could be made; every other outcome is a Decision.
func (e *Engine) Decide(ctx context.Context, p Presentation, r Request) (Decision, error) {
	return e.decide(ctx, nil, p, r)
}

// Verifier is a caller that may verify other credentials, accepted by steps 1 to 6. Its steps 7 and
// 8 depend on the verify request: DecideFor runs them.
type Verifier struct {
	caller Caller
	// consumed is set if step 8 has counted the requests that follow.
	consumed bool
}

// verifyRequirement is what a key needs in order to verify others.
var verifyRequirement = Requirement{Scopes: []scope.Scope{scope.KeysVerify}}

// Verifier runs steps 5 and 6 for a caller that wants to verify another credential.
func (c Caller) Verifier() (Verifier, error) {
	if c.Facts == nil {
		if !mayVerify(c.Principal) {
			return Verifier{}, fault.New(fault.Forbidden, "Your roles do not let you verify keys.")
		}
	} else if code := c.Facts.refusal(c.Scopes(), verifyRequirement); code != "" {
		return Verifier{}, code
	}
	return Verifier{caller: c}, nil
}

// DecideFor makes the decision about another caller's credential for a verifier. A verifier that
// may not inspect the key gets the answer for an unknown key, and no use of the key is recorded. A
// request without the fields that the tenant of the verifier or of the key requires is refused. The
// error is about the verifier, or says that no decision could be made.
func (e *Engine) DecideFor(ctx context.Context, verifier Verifier, p Presentation, r Request) (Decision, error) {
	via, at := verifier.caller.Transport, e.now()
	if err := e.checkVerifier(verifier, r, at); err != nil {
		e.countRefusedVerifier(&verifier, err, &r.Requirement)
		return Decision{}, err
	}
	e.sightCaller(&verifier.caller, "", &r.Requirement)
	verifier.caller.countAsking(at)
	e.counts.Callers.Count("", via)
	return e.decide(ctx, &verifier, p, r)
}

// Verifier is [Caller.Verifier] for a caller of one of Claviger's own routes.
func (e *Engine) Verifier(c Caller) (Verifier, error) {
	v, err := c.Verifier()
	if err != nil {
		e.sightCaller(&c, fault.KindOf(err), &verifyRequirement)
		c.count(e.now(), fault.KindOf(err), "")
	}
	return v, err
}

// Consume runs step 8 for the verifier and n requests at once. It counts all of them or, if they
// are more than the limit allows now, none. The Verifier that it returns is for these n requests
// alone.
func (e *Engine) Consume(v Verifier, n int) (Verifier, error) {
	if f := v.caller.Facts; f != nil {
		if err := e.consumeVerify(f, n); err != nil {
			e.countRefusedVerifier(&v, err, &verifyRequirement)
			return Verifier{}, err
		}
	}
	v.consumed = true
	return v, nil
}

// countRefusedVerifier counts a request to verify that was refused because of the verifier.
func (e *Engine) countRefusedVerifier(v *Verifier, err error, r *Requirement) {
	code := fault.KindOf(err)
	e.sightCaller(&v.caller, code, r)
	v.caller.count(e.now(), code, "")
	e.counts.Callers.Count(code, v.caller.Transport)
}

// fields returns which of the fields that a tenant can require the request has.
func (r *Request) fields() policy.VerifyFields {
	return policy.VerifyFields{
		Application: r.Application != "", Tenant: r.Tenant != "", Scopes: len(r.Scopes) > 0, IP: r.IP != "",
	}
}

// checkVerifier runs steps 7 and 8 for a verifier. A key that is restricted to applications must
// name one of them. Verify requests have a rate limit of their own.
func (e *Engine) checkVerifier(v Verifier, r Request, at time.Time) error {
	f := v.caller.Facts
	if f == nil {
		return nil
	}
	if err := policy.RequireVerifyFields(f.tenant.Settings.VerifyRequires, r.fields()); err != nil {
		return err
	}
	if policy.RequireApplicationAccess(f.Key.Applications, r.Application, r.Application == "") != "" {
		return fault.New(fault.ApplicationForbidden,
			"This key is restricted to applications. Send one of them as `application_id`.")
	}
	e.recordScopes(f, verifyRequirement.Scopes, at)
	if v.consumed {
		return nil
	}
	return e.consumeVerify(f, 1)
}

// decide makes and counts a decision, for a verifier or, if it is nil, for the receiver of the
// request.
func (e *Engine) decide(ctx context.Context, verifier *Verifier, p Presentation, r Request) (Decision, error) {
	location := p.location
	if location.Transport == "" {
		location = r.Location
	}
	d, err := e.runSteps(ctx, verifier, p, location, r)
	if err != nil {
		e.countDecision(r, Outcome(ctx, err), location.Transport)
		return Decision{}, err
	}
	e.countDecision(r, d.Code, location.Transport)
	if !r.Repeated {
		e.sight(&d, &r.Requirement, location.Transport, r.IP)
		d.count(r.Application, location.Transport)
	}
	return d, nil
}

func (e *Engine) countDecision(r Request, code fault.Kind, via policy.Transport) {
	if !r.Repeated {
		e.counts.Decisions.Count(code, via)
	}
}

// runSteps runs steps 2 to 8 of a decision.
func (e *Engine) runSteps(ctx context.Context, verifier *Verifier, p Presentation, location policy.Location,
	r Request,
) (Decision, error) {
	d, err := e.evaluate(ctx, p, location)
	if err != nil {
		return d, err
	}
	if d.Facts == nil {
		if d.entry != nil && !d.entry.isAbout(verifier, &r) {
			d.entry = nil
		}
		return d, nil
	}
	if !d.Facts.tenant.accepts(r) {
		return Decision{Code: fault.KeyInvalid}, nil
	}
	if verifier != nil && !verifier.canInspect(d.Facts, r) {
		return Decision{
			Code: fault.KeyInvalid, OtherTenant: r.Tenant != "" && verifier.canInspect(d.Facts, Request{}),
		}, nil
	}
	if verifier != nil {
		if err := policy.RequireVerifyFields(d.Facts.tenant.Settings.VerifyRequires, r.fields()); err != nil {
			return Decision{}, err
		}
	}
	d.checkAddress(r.IP)
	if d.Code != "" {
		return d, nil
	}
	if r.Repeated {
		d.Code, d.RetryAfter = e.foresee(d.Facts, d.Scopes(), r.Requirement)
	} else {
		e.recordUse(&d, r.IP)
		d.Code, d.RetryAfter = e.authorize(d.Facts, d.Scopes(), r.Requirement, d.at)
	}
	if d.Code == fault.NotFound && (r.Tenant == "" || r.Tenant == d.Facts.Key.Tenant) {
		d.Code = fault.ApplicationForbidden // the application does not exist
	}
	return d, nil
}

// builtInCatalogue has Claviger's own scopes. No tenant changes who may hold keys:verify.
var builtInCatalogue = scope.NewCatalogue(nil)

// mayVerify reports whether a signed-in person has a role that allows verifying any key at all.
func mayVerify(who principal.Principal) bool {
	s, _ := who.Session()
	for _, m := range s.Memberships {
		if builtInCatalogue.Holds(m.Role, scope.KeysVerify) {
			return true
		}
	}
	return len(s.AccountMembers) > 0
}

// canInspect reports whether the verifier may learn about the key. A verify request that names a
// tenant is only about keys of that tenant. A key inspects the keys of its tenant or, if its owner
// has a role in the account, of all tenants of the account. A person needs a role in the key's
// tenant that holds keys:verify.
func (v *Verifier) canInspect(f *Facts, r Request) bool {
	if r.Tenant != "" && r.Tenant != f.Key.Tenant {
		return false
	}
	if k, ok := v.caller.Key(); ok {
		return k.Tenant == f.Key.Tenant || k.AccountRole.Valid() && k.Account == f.Key.Account
	}
	return builtInCatalogue.Holds(v.caller.RoleIn(f.Key.Tenant, f.Key.Account), scope.KeysVerify)
}
