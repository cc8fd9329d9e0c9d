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

// SessionFacts are what a signed-in person may do with a protected API of one tenant.
type SessionFacts struct {
	// Principal is the person as the sender of the request.
	Principal principal.Principal
	User      principal.Person
	Tenant    ident.TenantID
	Account   ident.AccountID
	// Scopes are all scopes of the tenant's catalogue that the person's role may hold. A session
	// has access to all applications.
	Scopes scope.Set
}

// DecideForwarded makes the whole decision about a request to a protected API. It accepts API keys
// and, where the tenant allows it, sessions. The error is not nil only if no decision could be
// made; every other outcome is a Decision.
func (a *Authenticator) DecideForwarded(ctx context.Context, p Presentation, from principal.Origin,
	r Request,
) (Decision, error) {
	if p.kind != SessionToken {
		return a.Engine.Decide(ctx, p, r)
	}
	d, err := a.decideSession(ctx, p, from, r)
	if err != nil {
		a.Engine.countDecision(r, Outcome(ctx, err), policy.Session)
		return Decision{}, err
	}
	a.Engine.countDecision(r, d.Code, policy.Session)
	if !r.Repeated {
		d.at = a.Engine.now()
		d.count(r.Application, policy.Session)
	}
	return d, nil
}

// CountForwarded counts a request to a protected API that was decided without a credential. The
// code "" is acceptance.
func (e *Engine) CountForwarded(code fault.Kind, via policy.Transport) {
	e.counts.Decisions.Count(code, via)
}

// decideSession decides about a request with the cookie of a session. There is no step 8.
func (a *Authenticator) decideSession(ctx context.Context, p Presentation, from principal.Origin,
	r Request,
) (Decision, error) {
	e := a.Engine
	if _, err := e.begin(); err != nil {
		return Decision{}, err
	}
	caller, err := a.authenticateSession(ctx, p, from, r.Repeated)
	if errors.Is(err, fault.SecondFactorRequired) { // until the person has set one up, nothing accepts the session
		return Decision{Code: fault.SessionEnded}, nil
	}
	if code := fault.KindOf(err); code == fault.KeyInvalid || code == fault.SessionEnded {
		return Decision{Code: code}, nil
	}
	if err != nil {
		return Decision{}, err
	}
	session, _ := caller.Session()
	id, code := tenantOf(session, r.Bound)
	if session.Bound != "" {
		id, code = boundTenantOf(session, r.Bound)
	}
	if code != "" {
		return Decision{Code: code}, nil
	}
	tenant, err := e.tenantFacts(ctx, id)
	if errors.Is(err, fault.NotFound) {
		return Decision{Code: fault.Forbidden}, nil
	}
	if err != nil {
		return Decision{}, unavailable(err)
	}
	if r.Named != "" && !tenant.isNamed(r.Named) {
		return Decision{Code: fault.KeyInvalid}, nil
	}
	var d Decision
	role := caller.RoleIn(id, tenant.Account)
	facts := &SessionFacts{
		Principal: caller.Principal, User: session.User, Tenant: id, Account: tenant.Account,
		Scopes: tenant.Catalogue.Effective(scope.Set{scope.Every}, role),
	}
	switch {
	case session.EndedIn(tenant.Account):
		d.Code = fault.SessionEnded
	case role == "" || !tenant.Active:
		d.Code = fault.Forbidden
	case session.Bound != "" && !tenant.Settings.LegacyPassword,
		session.Bound == "" && !tenant.Settings.SessionTransport:
		d.Code = fault.TransportForbidden
	default:
		d.Code = facts.refusal(tenant, r.Requirement)
	}
	if d.Code == "" {
		d.Session = facts
	}
	if role != "" {
		d.tenant = tenant
	}
	return d, nil
}

// tenantOf returns the tenant in which a person acts: the one that the request is bound to or, if
// it is bound to none, the only one that the person is a member of.
func tenantOf(s principal.Session, bound ident.TenantID) (ident.TenantID, fault.Kind) {
	switch {
	case bound != "":
		return bound, ""
	case len(s.Memberships) == 1:
		return s.Memberships[0].Tenant, ""
	case len(s.Memberships) == 0 && len(s.AccountMembers) == 0 && len(s.Ended) > 0:
		return "", fault.SessionEnded
	case len(s.Memberships) == 0 && len(s.AccountMembers) == 0:
		return "", fault.Forbidden
	}
	return "", fault.TenantRequired
}

// boundTenantOf is tenantOf for a session that is good for one tenant alone. At the entry of
// another tenant it is no credential.
func boundTenantOf(s principal.Session, bound ident.TenantID) (ident.TenantID, fault.Kind) {
	if bound != "" && bound != s.Bound {
		return "", fault.KeyInvalid
	}
	return s.Bound, ""
}

// refusal runs steps 6 and 7 for the session. It returns the code of the refusal, or "".
func (f *SessionFacts) refusal(tenant *tenantFacts, r Requirement) fault.Kind {
	if code := r.requireScopes(f.Scopes); code != "" || r.Application == "" {
		return code
	}
	if enabled, exists := tenant.Applications[r.Application]; !exists || !enabled {
		return fault.ApplicationForbidden
	}
	return ""
}

// KeyHeader returns the key header of the tenant of the credential; "" if it has none.
func (f *Facts) KeyHeader() string { return f.tenant.Settings.KeyHeader }

// Refusal returns the error for a decision that refuses a request to a protected API.
func (d Decision) Refusal(p Presentation) error {
	switch {
	case d.Code == fault.CredentialAmbiguous:
		return fault.New(d.Code, p.Detail())
	case d.Code == fault.RateLimited:
		return errRateLimited(d.Facts, d.RetryAfter)
	case p.kind != SessionToken:
	case d.Code == fault.Forbidden:
		return fault.New(d.Code, "You have no role in the tenant of this API, or the tenant is disabled.")
	case d.Code == fault.TenantRequired:
		return fault.New(d.Code, "You have a role in more than one tenant, and the entry of this API is bound to "+
			"none. Send an API key, or ask the operator to bind the entry to a tenant.")
	case d.Code == fault.TransportForbidden:
		return fault.New(d.Code, "This API accepts no session (`session_transport` of its tenant). Send an API key.")
	case d.Code == fault.InsufficientScope:
		return fault.New(d.Code, "Your role in the tenant of this API does not have the required scopes.")
	}
	return d.Code
}
