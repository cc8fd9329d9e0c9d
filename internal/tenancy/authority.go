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
	RevokedAt    time.Time
	DisabledAt   time.Time
	ExpiresAt    time.Time
	SecretSetAt  time.Time
	// Slot is 0 for a key that authenticates nothing any more.
	Slot int64
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
		return s.mayKey(ctx, tx, k.ID, t, name, application)
	}
	r, err := role(ctx, tx, who, t)
	if err == nil && !builtIn.Holds(r, name) {
		err = fault.New(fault.Forbidden, "Your role in this tenant does not allow this.")
	}
	return err
}

// mayKey judges a key again by what it is now: it may have been revoked, or cut, since the request came in.
func (s *Service) mayKey(ctx context.Context, tx Tx, id ident.KeyID, t Tenant, name scope.Scope, application ident.ApplicationID) error {
	right, err := tx.KeyRight(ctx, t.ID, id)
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
	if refused := right.refused(rules, s.Now()); refused != "" {
		return refused
	}
	effective := rules.Catalogue.Effective(right.Scopes, right.Owner.Acting())
	reached := right.Applications.All || application != "" && right.Applications.Reach(string(application))
	switch {
	case !effective.Has(name):
		return fault.InsufficientScope
	case !reached:
		return fault.ApplicationForbidden
	}
	return nil
}

// refused is the state of the key and of everything above it, as a decision would judge it; "" for good.
func (k KeyRight) refused(t policy.Tenant, now time.Time) fault.Kind {
	life := policy.Life{RevokedAt: k.RevokedAt, DisabledAt: k.DisabledAt, Expiry: policy.EffectiveExpiry(k.ExpiresAt, k.SecretSetAt, t.Rules)}
	switch status := life.State(now); {
	case status == policy.Revoked:
		return fault.KeyRevoked
	case status == policy.Expired, k.Slot == 0:
		return fault.KeyExpired
	case status == policy.Disabled, !t.Open, k.Owner.Member == "":
		return fault.KeyDisabled
	}
	return ""
}
