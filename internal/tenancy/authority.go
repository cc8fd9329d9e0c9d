package tenancy

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

// KeyRight is what a transaction reads of a key that wants to change something.
type KeyRight struct {
	Owner principal.Authority
	// Scopes and Applications are the key's own.
	Scopes       scope.Set
	Applications scope.Applications
	Dates        policy.KeyDates
	// Serial of the current secret. Previous is the one before it; its Until is zero where there is none.
	Serial   int
	Previous policy.SecretDates
}

// builtIn is what Claviger's own routes ask for.
var builtIn = scope.NewCatalogue(nil)

// role gives what a signed-in person, or the operator, acts as in a tenant that is locked; to one without a role the tenant does not exist.
func role(ctx context.Context, tx Tx, who principal.Principal, t Tenant) (scope.Role, error) {
	if who.Kind() == principal.ByOS {
		return scope.Admin, nil
	}
	s, ok := who.Session()
	if !ok {
		return "", fault.SessionRequired
	}
	a, err := tx.Authority(ctx, t.ID, s.User.ID)
	switch {
	case err != nil:
		return "", err
	case a.Acting() == "", t.Disabled && !a.Account.Valid():
		return "", fault.NotFound
	}
	return a.Acting(), nil
}

// admin lets admins of the tenant through.
func admin(ctx context.Context, tx Tx, who principal.Principal, t Tenant) error {
	r, err := role(ctx, tx, who, t)
	if err == nil && r != scope.Admin {
		err = errNotAdmin
	}
	return err
}

var errNotAdmin = fault.New(fault.Forbidden, "Only an admin of the tenant may do this.")

// officer gives a person's role in an account that is locked, the operator being as good as an owner; to one without a role it is forbidden,
// and to one without any tie to the account it does not exist, as a disabled one does to nobody.
func officer(ctx context.Context, tx Tx, who principal.Principal, a Account) (scope.AccountRole, error) {
	if who.Kind() == principal.ByOS {
		return scope.AccountOwner, nil
	}
	s, ok := who.Session()
	if !ok {
		return "", fault.SessionRequired
	}
	r, err := tx.Standing(ctx, a.ID, s.User.ID)
	switch {
	case err != nil:
		return "", err
	case a.Disabled, !r.Valid() && !tied(s, a.ID):
		return "", fault.NotFound
	case !r.Valid():
		return "", errNotOfficer
	}
	return r, nil
}

var errNotOfficer = fault.New(fault.Forbidden, "Only an owner or admin of the account may do this.")

// foreign refuses a signed-in person without any tie to the account before anything of it is locked for them.
func foreign(who principal.Principal, account ident.AccountID) error {
	if s, ok := who.Session(); ok && !tied(s, account) {
		return fault.NotFound
	}
	return nil
}

// tied reports whether a signed-in person belongs to the account or to a tenant of it.
func tied(s principal.Session, account ident.AccountID) bool {
	for _, m := range s.Memberships {
		if m.Account == account {
			return true
		}
	}
	return principal.OfSession(&s).RoleOver(account).Valid()
}

// may judges a person or a key by a scope of Claviger's own routes; application is "" where every one is meant.
func (s *Service) may(ctx context.Context, tx Tx, who principal.Principal, t Tenant, name scope.Scope, application ident.ApplicationID) error {
	if k, ok := who.Key(); ok {
		return s.mayKey(ctx, tx, k, t, name, application)
	}
	r, err := role(ctx, tx, who, t)
	if err == nil && !builtIn.Holds(r, name) {
		err = fault.New(fault.Forbidden, "Your role in this tenant does not allow this.")
	}
	return err
}

// mayKey judges a key again by what it is now: it may have been revoked, refreshed or cut since the request came in.
func (s *Service) mayKey(ctx context.Context, tx Tx, k principal.Key, t Tenant, name scope.Scope, application ident.ApplicationID) error {
	right, err := tx.KeyRight(ctx, t.ID, k.ID)
	if errors.Is(err, fault.NotFound) {
		return fault.KeyInvalid
	}
	if err != nil {
		return err
	}
	rules, err := tx.TenantRules(ctx, t.ID)
	if err != nil {
		return err
	}
	if refused := right.refusal(k.Serial, rules, s.Now()); refused != "" {
		return refused
	}
	effective := rules.Catalogue.Effective(right.Scopes, right.Owner.Acting())
	if refused := policy.RequireScopes(effective, name); refused != "" {
		return refused
	}
	if refused := policy.RequireReach(right.Applications, string(application), application == ""); refused != "" {
		return refused
	}
	return nil
}

// refusal returns why the key is refused by the secret of that serial, as the verification path decides it; "" if it is not.
func (k KeyRight) refusal(serial int, t policy.Tenant, now time.Time) fault.Kind {
	var secret policy.SecretDates
	if serial != k.Serial {
		if serial != k.Serial-1 || k.Previous.Until.IsZero() {
			return fault.KeyInvalid
		}
		secret = k.Previous
	}
	// A person who is disabled or deleted has no authority, and so no membership.
	chain := policy.Chain{Owner: k.Owner.Person.ID != "", Member: k.Owner.Member != "", Tenant: t.Open}
	return policy.KeyStatus(k.Dates.Under(t.Rules), secret.Under(t.Rules), chain, now).Refusal()
}
