package tenancy

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// CreateAccount makes an account with its first owner. autoExpiry is whether its keys expire automatically after 90 days.
func (s *Service) CreateAccount(ctx context.Context, who principal.Principal, name string, owner principal.Person, autoExpiry bool) (Account, error) {
	a, faults := s.newAccount("account", name)
	if err := fault.Refuse(faults...); err != nil {
		return Account{}, err
	}
	err := s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		var err error
		a.Number, err = foundAccount(ctx, tx, a, owner, autoExpiry)
		return audit.By(who, audit.ActionAccountCreate, a.target()).Of(a.ID).With("owner", owner.Email), err
	})
	return a, err
}

func (s *Service) newAccount(field, name string) (Account, []fault.Field) {
	name, faults := text.Name(field, name)
	now := s.Now()
	return Account{ID: ident.New[ident.AccountID](now, s.Rand), Name: name, CreatedAt: now, UpdatedAt: now}, faults
}

// foundAccount writes a new account with its first policy, and its owner if there is one already.
func foundAccount(ctx context.Context, tx Tx, a Account, owner principal.Person, autoExpiry bool) (number int64, err error) {
	if number, err = tx.InsertAccount(ctx, a); err != nil {
		return 0, err
	}
	if err := tx.SetPolicy(ctx, a.ID, policy.FirstPolicy(autoExpiry, a.CreatedAt)); err != nil {
		return 0, err
	}
	if owner.ID == "" {
		return number, nil
	}
	return number, tx.SetStanding(ctx, a.ID, owner.ID, scope.AccountOwner, a.CreatedAt)
}

// AllAccounts lists every account, newest first. It is the operator's.
func (s *Service) AllAccounts(ctx context.Context, who principal.Principal) ([]Account, error) {
	if who.Kind() != principal.ByOS {
		return nil, fault.Forbidden
	}
	return s.Store.AllAccounts(ctx)
}

// Accounts lists the accounts that a signed-in person belongs to, by a standing or a membership.
func (s *Service) Accounts(ctx context.Context, who principal.Principal, page Page) ([]Account, error) {
	own, ok := who.Session()
	if !ok {
		return nil, fault.SessionRequired
	}
	return s.Store.AccountsOf(ctx, own.User.ID, page)
}

// Account gives an account to whoever belongs to it.
func (s *Service) Account(ctx context.Context, who principal.Principal, id ident.AccountID) (Account, error) {
	own, ok := who.Session()
	if !ok {
		return Account{}, fault.SessionRequired
	}
	if !tied(own, id) {
		return Account{}, fault.NotFound
	}
	return s.Store.Account(ctx, id)
}

// RenameAccount is for owners and admins of the account.
func (s *Service) RenameAccount(ctx context.Context, who principal.Principal, id ident.AccountID, name string) (Account, error) {
	name, faults := text.Name("name", name)
	if err := fault.Refuse(faults...); err != nil {
		return Account{}, err
	}
	return s.changeAccount(ctx, who, id, audit.ActionAccountEdit, nil, func(a *Account) bool {
		same := a.Name == name
		a.Name = name
		return !same
	})
}

// SetAccountDisabled takes an account with all its tenants and keys out of use, or brings it back. It is the operator's: an account that is disabled has nobody who
// could act for it.
func (s *Service) SetAccountDisabled(ctx context.Context, who principal.Principal, id ident.AccountID, disabled bool) (Account, error) {
	if who.Kind() != principal.ByOS {
		return Account{}, fault.Forbidden
	}
	action, effect := audit.ActionAccountEnable, audit.EffectAccountEnabled
	if disabled {
		action, effect = audit.ActionAccountDisable, audit.EffectAccountDisabled
	}
	return s.changeAccount(ctx, who, id, action, []audit.Effect{{Kind: effect, Account: id}}, func(a *Account) bool {
		same := a.Disabled == disabled
		a.Disabled = disabled
		return !same
	})
}

func (s *Service) changeAccount(ctx context.Context, who principal.Principal, id ident.AccountID, action audit.Action, effects []audit.Effect,
	change func(*Account) (changed bool),
) (a Account, err error) {
	err = s.inAccount(ctx, who, id, "", func(ctx context.Context, tx Tx, locked Account, _ scope.AccountRole) (audit.Event, error) {
		a = locked
		changed := change(&a)
		e := audit.By(who, action, a.target()).WithEffects(effects...)
		if !changed {
			return e, audit.ErrNothing
		}
		if a.Disabled {
			if err := s.releaseAll(ctx, tx, id); err != nil {
				return e, err
			}
		}
		a.UpdatedAt = s.Now()
		return e, tx.UpdateAccount(ctx, a)
	})
	return a, err
}

// inAccount runs a change by an officer, of a person if there is one, with the account and its tenants locked, and places its event there.
func (s *Service) inAccount(ctx context.Context, who principal.Principal, id ident.AccountID, of ident.UserID, change accountChange) error {
	if err := foreign(who, id); err != nil {
		return err
	}
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		return change.run(ctx, tx, who, id, of)
	})
}

// accountChange is a change within an account. by is the role that permits it.
type accountChange func(ctx context.Context, tx Tx, a Account, by scope.AccountRole) (audit.Event, error)

// run locks the account, its tenants and the people that are concerned, checks who, and runs the change.
func (c accountChange) run(
	ctx context.Context, tx Tx, who principal.Principal, id ident.AccountID, of ident.UserID,
) (audit.Event, error) {
	a, err := tx.LockAccount(ctx, id)
	if err != nil {
		return audit.Event{}, err
	}
	tenants, err := tx.LockTenantsOf(ctx, id)
	if err != nil {
		return audit.Event{}, err
	}
	own, _ := who.Session()
	if err := tx.LockPeople(ctx, own.User.ID, of); err != nil {
		return audit.Event{}, err
	}
	by, err := officer(ctx, tx, who, a)
	if err != nil {
		return audit.Event{}, err
	}
	e, err := c(ctx, tx, a, by)
	return e.Of(id).OutdatesTenants(tenants...), err
}

func (a Account) target() audit.Target {
	return audit.Target{Type: "account", ID: string(a.ID), Name: a.Name}
}

// Officers lists the owners and admins of an account, for one of them.
func (s *Service) Officers(ctx context.Context, who principal.Principal, account ident.AccountID, page Page) ([]Officer, error) {
	if err := s.seesAll(who, account); err != nil {
		return nil, err
	}
	return s.Store.Officers(ctx, account, page)
}

// seesAll lets owners and admins of the account through.
func (s *Service) seesAll(who principal.Principal, account ident.AccountID) error {
	own, ok := who.Session()
	switch {
	case !ok:
		return fault.SessionRequired
	case !tied(own, account):
		return fault.NotFound
	case !who.RoleOver(account).Valid():
		return errNotOfficer
	}
	return nil
}

// SetStanding gives a person who belongs to the account a role in it. Only an owner makes an owner, or anything else of one; the last owner stays.
func (s *Service) SetStanding(ctx context.Context, who principal.Principal, account ident.AccountID, user ident.UserID, role scope.AccountRole) (o Officer, err error) {
	if !role.Valid() {
		return Officer{}, fault.Refuse(fault.Field{Name: "role", Code: "unknown", Message: "Use owner or admin."})
	}
	err = s.inAccount(ctx, who, account, user, func(ctx context.Context, tx Tx, _ Account, by scope.AccountRole) (audit.Event, error) {
		before, err := s.candidate(ctx, tx, who, account, user)
		if err != nil {
			return audit.Event{}, err
		}
		if err := mayStand(ctx, tx, before, by, role); err != nil {
			return audit.Event{}, err
		}
		o = before
		o.Role = role
		e := o.event(who, audit.ActionAccountMember)
		if o == before {
			return e, audit.ErrNothing
		}
		return e, tx.SetStanding(ctx, account, user, role, o.CreatedAt)
	})
	return o, err
}

// RemoveStanding takes a person's role in the account away; memberships of its tenants stay.
func (s *Service) RemoveStanding(ctx context.Context, who principal.Principal, account ident.AccountID, user ident.UserID) error {
	return s.inAccount(ctx, who, account, user, func(ctx context.Context, tx Tx, _ Account, by scope.AccountRole) (audit.Event, error) {
		o, err := s.candidate(ctx, tx, who, account, user)
		if err != nil {
			return audit.Event{}, err
		}
		if err := mayStand(ctx, tx, o, by, ""); err != nil {
			return audit.Event{}, err
		}
		if err := s.release(ctx, tx, account, user); err != nil {
			return audit.Event{}, err
		}
		e := o.event(who, audit.ActionAccountMemberRemove)
		return e.WithEffects(audit.Effect{Kind: audit.EffectAccountRoleRemoved, Account: account, User: user}), tx.DeleteStanding(ctx, account, user)
	})
}

// event says what became of the standing: the role it gives, or gave.
func (o Officer) event(who principal.Principal, action audit.Action) audit.Event {
	return audit.By(who, action, audit.Target{Type: "user", ID: string(o.User.ID), Name: o.User.Name}).With("role", string(o.Role))
}

// candidate gives the person as they stand in the account, if they belong to it. To its officers nobody else exists; the operator may name anyone.
func (s *Service) candidate(ctx context.Context, tx Tx, who principal.Principal, account ident.AccountID, user ident.UserID) (Officer, error) {
	o, belongs, err := tx.Candidate(ctx, account, user)
	if err == nil && !belongs && who.Kind() != principal.ByOS {
		err = fault.NotFound
	}
	if o.Role == "" {
		o.CreatedAt = s.Now()
	}
	return o, err
}

// mayStand judges a change of the person's role in the account, "" for none, by someone of the role by. A disabled owner is an owner still.
func mayStand(ctx context.Context, tx Tx, o Officer, by, to scope.AccountRole) error {
	if by != scope.AccountOwner && (o.Role == scope.AccountOwner || to == scope.AccountOwner) {
		return fault.New(fault.Forbidden, "Only an owner of the account makes or unmakes owners.")
	}
	if o.Role != scope.AccountOwner || to == scope.AccountOwner {
		return nil
	}
	others, err := tx.OtherOwners(ctx, o.Account, o.User.ID)
	if err == nil && others == 0 {
		err = fault.New(fault.Conflict, "This is the account's last owner. Make another one first.")
	}
	return err
}
