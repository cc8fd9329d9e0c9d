package tenancy

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// KeyRight is what a transaction reads of a key that asks for a change.
type KeyRight struct {
	// Owner says whether the owner is active. It says nothing about the tenant.
	Owner policy.Dependencies
	// Person is the authority of an owner who is a person. Rights are those of any other owner.
	Person principal.Authority
	Rights policy.OwnerRights
	// Scopes and Applications are the key's own.
	Scopes       scope.Set
	Applications scope.Applications
	// Addresses are those from which the key may be used.
	Addresses policy.Addresses
	Dates     policy.KeyDates
	// Serial is that of the current secret. Previous is the secret before it; its Until is zero
	// where there is none.
	Serial   int
	Previous policy.SecretDates
	// OwnSecret and OwnPrevious are set where the owner set that secret themselves.
	OwnSecret, OwnPrevious bool
}

// KeyRightTx reads what a key may do.
type KeyRightTx interface {
	AuthorityTx
	RulesTx
	// KeyRight locks the key that it reads.
	KeyRight(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (KeyRight, error)
	// TokenRevoked reports whether the access token of the key was revoked.
	TokenRevoked(ctx context.Context, key ident.KeyID, token string) (bool, error)
}

// builtIn is the catalogue of the scopes that Claviger's own routes require.
var builtIn = scope.NewCatalogue(nil)

// ActsIn returns what a signed-in person, or the operator, may do in a tenant that is locked. The
// operator may do what an owner of the account may. It fails with fault.NotFound for a person
// without a role. A disabled tenant exists only for owners and admins of its account, and the
// operator.
func ActsIn(ctx context.Context, tx AuthorityTx, who principal.Principal, t Tenant) (principal.Authority, error) {
	if who.Kind() == principal.KindOperator {
		return principal.Authority{Account: scope.AccountOwner}, nil
	}
	s, ok := who.Session()
	if !ok {
		return principal.Authority{}, fault.SessionRequired
	}
	if err := who.RequireSessionIn(t.Account); err != nil {
		return principal.Authority{}, err
	}
	a, err := tx.Authority(ctx, t.ID, s.User.ID)
	switch {
	case err != nil:
		return principal.Authority{}, err
	case a.EffectiveRole() == "", t.Disabled && !a.Account.Valid():
		return principal.Authority{}, fault.NotFound
	}
	return a, nil
}

// roleIn returns the role with which a signed-in person, or the operator, acts in a tenant.
func roleIn(ctx context.Context, tx AuthorityTx, who principal.Principal, t Tenant) (scope.Role, error) {
	a, err := ActsIn(ctx, tx, who, t)
	return a.EffectiveRole(), err
}

// checkAdmin refuses everybody but admins of the tenant.
func checkAdmin(ctx context.Context, tx AuthorityTx, who principal.Principal, t Tenant) error {
	r, err := roleIn(ctx, tx, who, t)
	if err == nil && r != scope.Admin {
		err = ErrNotAdmin
	}
	return err
}

// ErrNotAdmin refuses somebody who sees the tenant and is not an admin of it.
var ErrNotAdmin = fault.New(fault.Forbidden, "Only an admin of the tenant may do this. Ask one of them.")

// Authorize decides whether a person or a key may do what a scope of Claviger's own routes names in
// a tenant that is locked. application is the one concerned; "" where it concerns all of them.
func (s *Service) Authorize(ctx context.Context, tx KeyRightTx, who principal.Principal, t Tenant, name scope.Scope,
	application ident.ApplicationID,
) error {
	if k, ok := who.Key(); ok {
		return s.authorizeKey(ctx, tx, k, who.Origin().IP, t, name, application)
	}
	r, err := roleIn(ctx, tx, who, t)
	if err == nil && !t.Settings.Catalogue(nil).Holds(r, name) {
		err = fault.New(fault.Forbidden, "Your role in this tenant does not allow this.")
	}
	return err
}

// authorizeKey decides about a key by what it is now: it may have been revoked, refreshed or
// narrowed since the request came in. ip is the address that the request came from.
func (s *Service) authorizeKey(ctx context.Context, tx KeyRightTx, k principal.Key, ip string, t Tenant,
	name scope.Scope, application ident.ApplicationID,
) error {
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
	if refused := right.refusal(k.Serial, ip, rules, s.Now()); refused != "" {
		return refused
	}
	if k.Token != nil {
		if err := s.checkToken(ctx, tx, k); err != nil {
			return err
		}
	}
	owner := right.ownerRights(k.Serial)
	effective := owner.Effective(rules.Catalogue, right.Scopes)
	if k.Token != nil && k.Token.Narrowed {
		effective = effective.Narrowed(k.Scopes)
	}
	if refused := policy.RequireScopes(effective, name); refused != "" {
		return refused
	}
	if refused := policy.RequireApplicationAccess(owner.Reaches(right.Applications), string(application),
		application == ""); refused != "" {
		return refused
	}
	return nil
}

// checkToken refuses an access token that has expired or was revoked since the request came in.
func (s *Service) checkToken(ctx context.Context, tx KeyRightTx, k principal.Key) error {
	if !s.Now().Before(k.Token.Expires) {
		return fault.TokenExpired
	}
	revoked, err := tx.TokenRevoked(ctx, k.ID, k.Token.ID)
	if err == nil && revoked {
		err = fault.TokenInvalid
	}
	return err
}

// effectiveRole returns the role with which the key acts by the secret of that serial. Package
// verify decides the same on the verification path.
func (k KeyRight) ownerRights(serial int) policy.OwnerRights {
	if k.Person.Person.ID == "" {
		return k.Rights
	}
	sent := k.OwnSecret
	if serial != k.Serial {
		sent = k.OwnPrevious
	}
	owner := k.Person
	if !policy.AccountRoleCounts(k.OwnSecret, sent) {
		owner.Account = ""
	}
	return policy.OwnerRights{Role: owner.EffectiveRole()}
}

// refusal returns why the key is refused by the secret of that serial, from the address; "" if it
// is not. Package verify decides the same on the verification path.
func (k KeyRight) refusal(serial int, ip string, t policy.Tenant, now time.Time) fault.Kind {
	var secret policy.SecretDates
	if serial != k.Serial {
		if serial != k.Serial-1 || k.Previous.Until.IsZero() {
			return fault.KeyInvalid
		}
		secret = k.Previous
	}
	chain := k.Owner
	chain.Tenant = t.Active
	status := policy.KeyStatus(k.Dates.Under(t.Rules), secret.Under(t.Rules), chain, now)
	return cmp.Or(status.Refusal(), policy.RequireAddress(k.Addresses, ip))
}
