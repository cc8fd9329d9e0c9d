package account

import (
	"context"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// CheckMember returns the role with which the caller may change an account that is locked; the
// operator acts as an owner. It refuses everybody else: with fault.Forbidden a person who belongs
// to the account and has no role in it, with fault.NotFound a person who does not belong to it. A
// disabled account does not exist for anybody but the operator.
func CheckMember(ctx context.Context, tx RoleTx, who principal.Principal, a Account) (scope.AccountRole, error) {
	if who.Kind() == principal.KindOperator {
		return scope.AccountOwner, nil
	}
	s, ok := who.Session()
	if !ok {
		return "", fault.SessionRequired
	}
	if err := who.RequireSessionIn(a.ID); err != nil {
		return "", err
	}
	r, err := tx.AccountRole(ctx, a.ID, s.User.ID)
	switch {
	case err != nil:
		return "", err
	case a.Disabled, !r.Valid() && !belongs(s, a.ID):
		return "", fault.NotFound
	case !r.Valid():
		return "", ErrNotMember
	}
	return r, nil
}

// ErrNotMember refuses a person without a role in the account.
var ErrNotMember = fault.New(fault.Forbidden,
	"Only owners and admins of the account may do this. Ask one of them.")

// MustBelong refuses a signed-in person who does not belong to the account, before anything in it
// is locked for them. It lets every other principal pass.
func MustBelong(who principal.Principal, account ident.AccountID) error {
	if s, ok := who.Session(); ok {
		return sessionMustBelong(s, account)
	}
	return nil
}

// sessionMustBelong refuses the session of a person who does not belong to the account, and a
// session that has ended there.
func sessionMustBelong(s principal.Session, account ident.AccountID) error {
	if err := principal.OfSession(&s).RequireSessionIn(account); err != nil {
		return err
	}
	if !belongs(s, account) {
		return fault.NotFound
	}
	return nil
}

// belongs reports whether a signed-in person has a role in the account, or a membership in a tenant
// of it.
func belongs(s principal.Session, account ident.AccountID) bool {
	for _, m := range s.Memberships {
		if m.Account == account {
			return true
		}
	}
	return principal.OfSession(&s).AccountRole(account).Valid()
}

// RequireAdmin refuses everybody but signed-in owners and admins of the account. It is for reads:
// changes go through CheckMember.
func RequireAdmin(who principal.Principal, account ident.AccountID) error {
	own, ok := who.Session()
	if !ok {
		return fault.SessionRequired
	}
	if err := sessionMustBelong(own, account); err != nil {
		return err
	}
	if !who.AccountRole(account).Valid() {
		return ErrNotMember
	}
	return nil
}
