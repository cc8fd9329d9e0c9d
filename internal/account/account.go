// Package account holds accounts, their owners and admins, and their security policies.
//
// An account is a customer organisation. It owns tenants (package tenancy), and its policy binds
// every key and session in them. Who may do what:
//
//	operator          every change, for every account; lists all accounts
//	owner             everything in the account
//	admin             everything in the account, but does not make, change or remove owners
//	any person of it  sees the account and its policy
//	key               sees its own account
//	everybody else    is told that the account does not exist
//
// Whether somebody may change an account is decided in one place, [CheckMember], inside the
// transaction that makes the change, so that a role that was just removed cannot be used once more.
// Who may make or remove an owner of an account is decided by checkRoleChange (members.go) alone.
// Reads are decided by the principal that came with the request ([MustBelong], RequireAdmin).
//
// Opening an account also makes its first tenant: package tenancy does that, by [Found].
package account

import (
	"context"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Account is a customer organisation.
type Account struct {
	ID                   ident.AccountID
	Number               int64
	Name                 string
	Disabled             bool
	CreatedAt, UpdatedAt time.Time
}

// Store is what this package reads outside transactions.
type Store interface {
	Account(ctx context.Context, id ident.AccountID) (Account, error)
	// AccountsOf lists the accounts in which the person has a role, or an active membership in one
	// of their tenants. It leaves out the accounts in ended.
	AccountsOf(ctx context.Context, user ident.UserID, ended []ident.AccountID, page paging.Page) ([]Account, error)
	// AllAccounts lists every account, newest first.
	AllAccounts(ctx context.Context) ([]Account, error)
	AccountMembers(ctx context.Context, account ident.AccountID, page paging.Page) ([]Member, error)
	// AccountMember returns an owner or admin, or fault.NotFound.
	AccountMember(ctx context.Context, account ident.AccountID, user ident.UserID) (Member, error)
	// CandidateByEmail returns a person with a role in the account, or a membership in a tenant of
	// it, by the canonical form of their e-mail address; fault.NotFound for anybody else.
	CandidateByEmail(ctx context.Context, account ident.AccountID, canonical string) (Member, error)
	Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error)
	// CountKeys counts the account's keys that have not expired and that a change of policy makes
	// expire earlier, as the span says. It also returns when the first of their secrets was set.
	CountKeys(ctx context.Context, account ident.AccountID, span policy.ImpactRange,
		now time.Time) (n int, first time.Time, err error)
	// FirstKeys lists up to most of the keys that CountKeys counts, those first whose secret was
	// set first.
	FirstKeys(ctx context.Context, account ident.AccountID, span policy.ImpactRange, now time.Time,
		most int) ([]DatedKey, error)
	// OwnersIn lists up to most owners of the keys that CountKeys counts, each once.
	OwnersIn(ctx context.Context, account ident.AccountID, span policy.ImpactRange, now time.Time,
		most int) ([]ident.PartyID, error)
	// CountWithoutFactor counts the people whom the rule of the account obliges to have a second
	// factor and who have none.
	CountWithoutFactor(ctx context.Context, account ident.AccountID, rule policy.FactorRule) (int, error)
	// CountEnds adds for each period after from how many keys of the span expire in it.
	CountEnds(ctx context.Context, account ident.AccountID, span policy.ImpactRange, from time.Time,
		period time.Duration, ends []int) error
	MailStore
	audit.TrailStore
	audit.RecentSource
}

// RoleTx reads a person's role in an account.
type RoleTx interface {
	// AccountRole locks the role that it reads. It is "" where the person has none, or is disabled
	// or deleted.
	AccountRole(ctx context.Context, account ident.AccountID, user ident.UserID) (scope.AccountRole, error)
}

// LockTx locks what a change within an account concerns. The order of locks is documented in
// internal/store/locks.go.
type LockTx interface {
	RoleTx
	// LockAccount reads an account and locks it: nobody adds a tenant to it, and no role in it
	// changes, until the transaction ends.
	LockAccount(ctx context.Context, id ident.AccountID) (Account, error)
	// LockTenantsOf lists the tenants of an account and locks them.
	LockTenantsOf(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error)
	// LockPeople locks people in the order of their ids. A change by one person that concerns
	// another begins with it.
	LockPeople(ctx context.Context, people ...ident.UserID) error
}

// FoundTx writes a new account.
type FoundTx interface {
	DeadSessionTx
	// VoidSetups voids the open set-up links. Until the transaction ends, nobody makes or uses one.
	VoidSetups(ctx context.Context, at time.Time) error
	InsertAccount(ctx context.Context, a Account) (number int64, err error)
	SetPolicy(ctx context.Context, account ident.AccountID, p policy.Policy) error
	SetAccountMember(ctx context.Context, account ident.AccountID, user ident.UserID, role scope.AccountRole,
		at time.Time) error
}

// SessionTx ends sessions in an account.
type SessionTx interface {
	Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error)
	// EndSessionsIn ends sessions in the account: those of people with a role in it or a membership
	// in one of its tenants, last seen by seenBy or begun by begunBy. A person who belongs to no
	// other account loses the session.
	EndSessionsIn(ctx context.Context, account ident.AccountID, seenBy, begunBy time.Time) error
	// EndSessionsOf does the same for one person.
	EndSessionsOf(ctx context.Context, account ident.AccountID, user ident.UserID, seenBy, begunBy time.Time) error
	// EndDeadSessionsIn removes the sessions of all people of the account that have ended in all
	// their accounts by now. It is called before the account or a tenant of it is enabled, whose
	// policy could otherwise bring them back.
	EndDeadSessionsIn(ctx context.Context, account ident.AccountID, now time.Time) error
}

// DeadSessionTx removes dead sessions.
type DeadSessionTx interface {
	// EndDeadSessions removes the sessions of a person that have ended in all their accounts by
	// now.
	EndDeadSessions(ctx context.Context, user ident.UserID, now time.Time) error
}

// MemberLimitTx counts owners and admins.
type MemberLimitTx interface {
	// CountAccountMembers counts up to most.
	CountAccountMembers(ctx context.Context, account ident.AccountID, most int) (int, error)
}

// Tx is what this package reads and changes in a transaction.
type Tx interface {
	LockTx
	FoundTx
	SessionTx
	MemberLimitTx
	MailTx
	// UpdateAccount writes name and state.
	UpdateAccount(ctx context.Context, a Account) error
	// Candidate returns a person as they stand in the account, also a disabled one; the role is ""
	// where they have none. belongs reports whether they have a role, or a membership in a tenant
	// of the account.
	Candidate(ctx context.Context, account ident.AccountID, user ident.UserID) (m Member, belongs bool, err error)
	// DeleteAccountMember fails with fault.NotFound where the person has no role.
	DeleteAccountMember(ctx context.Context, account ident.AccountID, user ident.UserID) error
	// OtherOwners counts the active owners of the account besides the person.
	OtherOwners(ctx context.Context, account ident.AccountID, user ident.UserID) (int, error)
}

// Service reads and changes accounts.
type Service struct {
	Ledger audit.Ledger[Tx]
	Store  Store
	Now    func() time.Time
	Rand   io.Reader
	// Scans admits requests that read all keys of an account; nil admits every one.
	Scans *admission.Gate
}

// CreateAccount makes an account with its first owner, for the operator. With autoExpiry, keys
// expire 90 days after their secret was set.
func (s *Service) CreateAccount(ctx context.Context, who principal.Principal, name string, owner principal.Person,
	autoExpiry bool,
) (Account, error) {
	a, faults := New("account", name, s.Now(), s.Rand)
	if err := fault.Refuse(faults...); err != nil {
		return Account{}, err
	}
	err := s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		var err error
		a.Number, err = Found(ctx, tx, a, owner, autoExpiry)
		return a.Created(who).With("owner", owner.Email), err
	})
	return a, err
}

// New returns an account that is not yet written. The faults are those of its name, which the
// request has in the given field.
func New(field, name string, now time.Time, rand io.Reader) (Account, []fault.Field) {
	name, faults := text.Name(field, name)
	return Account{ID: ident.New[ident.AccountID](now, rand), Name: name, CreatedAt: now, UpdatedAt: now}, faults
}

// Found writes a new account with its first policy, and with its owner unless owner.ID is "". It
// returns the number of the account. Set-up links are void afterwards: they are only for the first
// account of a server.
func Found(ctx context.Context, tx FoundTx, a Account, owner principal.Person,
	autoExpiry bool,
) (number int64, err error) {
	if err := tx.VoidSetups(ctx, a.CreatedAt); err != nil {
		return 0, err
	}
	number, err = tx.InsertAccount(ctx, a)
	if err != nil {
		return 0, err
	}
	if err := tx.SetPolicy(ctx, a.ID, policy.InitialPolicy(autoExpiry, a.CreatedAt)); err != nil {
		return 0, err
	}
	if owner.ID == "" {
		return number, nil
	}
	// The policy of the new account must not bring back what the owner's other accounts ended.
	if err := tx.EndDeadSessions(ctx, owner.ID, a.CreatedAt); err != nil {
		return 0, err
	}
	return number, tx.SetAccountMember(ctx, a.ID, owner.ID, scope.AccountOwner, a.CreatedAt)
}

// Created is the event of making the account.
func (a Account) Created(who principal.Principal) audit.Event {
	return audit.By(who, audit.ActionAccountCreate, a.target()).Of(a.ID)
}

func (a Account) target() audit.Target {
	return audit.Target{Type: "account", ID: string(a.ID), Name: a.Name}
}

// AllAccounts lists every account, newest first, for the operator.
func (s *Service) AllAccounts(ctx context.Context, who principal.Principal) ([]Account, error) {
	if who.Kind() != principal.KindOperator {
		return nil, fault.Forbidden
	}
	return s.Store.AllAccounts(ctx)
}

// Accounts lists the accounts in which a signed-in person has a role, or a membership in one of
// their tenants.
func (s *Service) Accounts(ctx context.Context, who principal.Principal, page paging.Page) ([]Account, error) {
	own, ok := who.Session()
	if !ok {
		return nil, fault.SessionRequired
	}
	return s.Store.AccountsOf(ctx, own.User.ID, own.Ended, page)
}

// Account returns an account to a signed-in person who belongs to it, and to a key of one of its
// tenants.
func (s *Service) Account(ctx context.Context, who principal.Principal, id ident.AccountID) (Account, error) {
	if k, ok := who.Key(); ok {
		if k.Account != id {
			return Account{}, fault.NotFound
		}
		return s.Store.Account(ctx, id)
	}
	own, ok := who.Session()
	if !ok {
		return Account{}, fault.SessionRequired
	}
	if err := sessionMustBelong(own, id); err != nil {
		return Account{}, err
	}
	return s.Store.Account(ctx, id)
}

// Version returns the version of what an edit can change in the account.
func (a Account) Version() etag.Tag { return etag.Of(a.Name) }

// RenameAccount changes the name of an account, for its owners and admins. expected is the version
// that the account must have; "" for any. With [etag.ErrChanged] it also returns the account as it
// is.
func (s *Service) RenameAccount(ctx context.Context, who principal.Principal, id ident.AccountID,
	name string, expected etag.Tag,
) (Account, error) {
	name, faults := text.Name("name", name)
	if err := fault.Refuse(faults...); err != nil {
		return Account{}, err
	}
	return s.changeAccount(ctx, who, id, audit.ActionAccountEdit, nil, func(a *Account) (bool, error) {
		if err := expected.Check(a.Version()); err != nil {
			return false, err
		}
		same := a.Name == name
		a.Name = name
		return !same, nil
	})
}

// SetAccountDisabled disables an account with all its tenants and keys, or enables it again. Only
// the operator may: in a disabled account nobody has a role.
func (s *Service) SetAccountDisabled(ctx context.Context, who principal.Principal, id ident.AccountID,
	disabled bool,
) (Account, error) {
	if who.Kind() != principal.KindOperator {
		return Account{}, fault.Forbidden
	}
	action, effect := audit.ActionAccountEnable, audit.EffectAccountEnabled
	if disabled {
		action, effect = audit.ActionAccountDisable, audit.EffectAccountDisabled
	}
	effects := []audit.Effect{{Kind: effect, Account: id}}
	return s.changeAccount(ctx, who, id, action, effects, func(a *Account) (bool, error) {
		same := a.Disabled == disabled
		a.Disabled = disabled
		return !same, nil
	})
}

func (s *Service) changeAccount(ctx context.Context, who principal.Principal, id ident.AccountID, action audit.Action,
	effects []audit.Effect,
	change func(*Account) (changed bool, err error),
) (a Account, err error) {
	err = s.inAccount(ctx, who, id, "",
		func(ctx context.Context, tx Tx, locked Account, _ scope.AccountRole) (audit.Event, error) {
			a = locked
			changed, err := change(&a)
			if err != nil {
				return audit.Event{}, err
			}
			e := audit.By(who, action, a.target()).WithEffects(effects...)
			if !changed {
				return e, audit.ErrNothing
			}
			if err := endSessionsAtSwitch(ctx, tx, locked, a, s.Now()); err != nil {
				return e, err
			}
			a.UpdatedAt = s.Now()
			return e, tx.UpdateAccount(ctx, a)
		})
	return a, err
}

// endSessionsAtSwitch ends the sessions that must not be used again after an account was disabled
// or enabled.
func endSessionsAtSwitch(ctx context.Context, tx Tx, before, a Account, now time.Time) error {
	switch {
	case a.Disabled:
		return EndSessions(ctx, tx, a.ID, now)
	case before.Disabled:
		return tx.EndDeadSessionsIn(ctx, a.ID, now)
	}
	return nil
}

// inAccount runs a change by an owner or admin of the account, or by the operator. of is the person
// whom it concerns; "" for none.
func (s *Service) inAccount(ctx context.Context, who principal.Principal, id ident.AccountID, of ident.UserID,
	change Change[Tx],
) error {
	if err := MustBelong(who, id); err != nil {
		return err
	}
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		return change.Run(ctx, tx, who, id, of)
	})
}

// Change is a change within an account. by is the role that permits it.
type Change[T LockTx] func(ctx context.Context, tx T, a Account, by scope.AccountRole) (audit.Event, error)

// Run locks the account, its tenants and the people that the change concerns, checks that the
// caller is an owner or admin, and runs the change. The event is recorded in the account.
func (c Change[T]) Run(
	ctx context.Context, tx T, who principal.Principal, id ident.AccountID, of ident.UserID,
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
	by, err := CheckMember(ctx, tx, who, a)
	if err != nil {
		return audit.Event{}, err
	}
	e, err := c(ctx, tx, a, by)
	if e.Action == audit.ActionAccountEdit { // the name, which no decision reads
		return e.Of(id), err
	}
	return e.Of(id).InvalidatesTenants(tenants...), err
}
