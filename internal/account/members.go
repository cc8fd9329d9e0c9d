package account

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Member is a person with a role in an account.
type Member struct {
	Account ident.AccountID
	User    principal.Person
	// EmailProven is set where the person has proven that the address is theirs.
	EmailProven bool
	Role        scope.AccountRole
	// Disabled is set where the person is disabled on the whole server.
	Disabled  bool
	CreatedAt time.Time
}

// AccountMembers lists the owners and admins of an account, for an owner or admin.
func (s *Service) AccountMembers(ctx context.Context, who principal.Principal, account ident.AccountID,
	page paging.Page,
) ([]Member, error) {
	if err := RequireAdmin(who, account); err != nil {
		return nil, err
	}
	return s.Store.AccountMembers(ctx, account, page)
}

// Version returns the version of what an edit can change in the role.
func (m Member) Version() etag.Tag { return etag.Of(m.Role) }

// check refuses a person whose role has another version than expected.
func (m Member) check(expected etag.Tag) error {
	if m.Role == "" {
		return expected.CheckAbsent()
	}
	return expected.Check(m.Version())
}

// AccountMember returns an owner or admin of an account, for an owner or admin.
func (s *Service) AccountMember(ctx context.Context, who principal.Principal, account ident.AccountID,
	user ident.UserID,
) (Member, error) {
	if err := RequireAdmin(who, account); err != nil {
		return Member{}, err
	}
	return s.Store.AccountMember(ctx, account, user)
}

// Candidate returns the person who can become an owner or admin and has the e-mail address, in its
// canonical form, for an owner or admin of the account. A person who does not belong to the account
// is not found, whether or not the server knows the address.
func (s *Service) Candidate(ctx context.Context, who principal.Principal, account ident.AccountID,
	canonical string,
) (Member, error) {
	if err := RequireAdmin(who, account); err != nil {
		return Member{}, err
	}
	return s.Store.CandidateByEmail(ctx, account, canonical)
}

// SetAccountMember sets the role in the account of a person who belongs to it, for an owner or
// admin. checkRoleChange decides which roles. expected is the version that the person's role must
// have before; "" for any, and for none. With [etag.ErrChanged] it also returns the role as it is.
func (s *Service) SetAccountMember(ctx context.Context, who principal.Principal, account ident.AccountID,
	user ident.UserID, role scope.AccountRole, expected etag.Tag,
) (m Member, err error) {
	if !role.Valid() {
		return Member{}, fault.Refuse(fault.Field{Name: "role", Code: "unknown", Message: "Use owner or admin."})
	}
	err = s.inAccount(ctx, who, account, user,
		func(ctx context.Context, tx Tx, _ Account, by scope.AccountRole) (audit.Event, error) {
			before, err := s.candidate(ctx, tx, who, account, user)
			if err != nil {
				return audit.Event{}, err
			}
			m = before
			if err := before.check(expected); err != nil {
				return audit.Event{}, err
			}
			err = checkRoleChange(ctx, tx, before, by, role)
			if err == nil && before.Role == "" {
				err = CheckMemberLimit(ctx, tx, account)
			}
			if err != nil {
				return audit.Event{}, err
			}
			m.Role = role
			e := m.event(who, audit.ActionAccountMember).
				WithEffects(audit.Effect{
					Kind: audit.EffectAccountRoleSet, Account: account, User: user,
					Role: string(role),
				})
			if m == before {
				return e, audit.ErrNothing
			}
			if err := tx.EndDeadSessions(ctx, user, s.Now()); err != nil {
				return audit.Event{}, err
			}
			return e, tx.SetAccountMember(ctx, account, user, role, m.CreatedAt)
		})
	return m, err
}

// RemoveAccountMember removes a person's role in the account, for an owner or admin. The person's
// memberships in its tenants stay.
func (s *Service) RemoveAccountMember(ctx context.Context, who principal.Principal, account ident.AccountID,
	user ident.UserID,
) error {
	return s.inAccount(ctx, who, account, user,
		func(ctx context.Context, tx Tx, _ Account, by scope.AccountRole) (audit.Event, error) {
			m, err := s.candidate(ctx, tx, who, account, user)
			if err != nil {
				return audit.Event{}, err
			}
			if err := checkRoleChange(ctx, tx, m, by, ""); err != nil {
				return audit.Event{}, err
			}
			if err := EndSessionsOf(ctx, tx, account, user, s.Now()); err != nil {
				return audit.Event{}, err
			}
			e := m.event(who, audit.ActionAccountMemberRemove)
			return e.WithEffects(audit.Effect{Kind: audit.EffectAccountRoleRemoved, Account: account, User: user}),
				tx.DeleteAccountMember(ctx, account, user)
		})
}

// event records what happened to the person's role, with the role that was given or removed.
func (m Member) event(who principal.Principal, action audit.Action) audit.Event {
	return audit.By(who, action, audit.Target{Type: "user", ID: string(m.User.ID), Name: m.User.Name}).With("role",
		string(m.Role))
}

// candidate returns the person whose role an owner or admin wants to change. A person who does not
// belong to the account does not exist for them; the operator may name anybody.
func (s *Service) candidate(ctx context.Context, tx Tx, who principal.Principal, account ident.AccountID,
	user ident.UserID,
) (Member, error) {
	m, belongs, err := tx.Candidate(ctx, account, user)
	if err == nil && !belongs && who.Kind() != principal.KindOperator {
		err = fault.NotFound
	}
	if m.Role == "" {
		m.CreatedAt = s.Now()
	}
	return m, err
}

// checkRoleChange decides whether somebody of the role by may change the person's role in the
// account to another; "" removes it. Only an owner makes, changes or removes an owner, and the last
// active owner stays. A disabled owner still counts as an owner.
func checkRoleChange(ctx context.Context, tx Tx, m Member, by, to scope.AccountRole) error {
	if by != scope.AccountOwner && (m.Role == scope.AccountOwner || to == scope.AccountOwner) {
		return fault.New(fault.Forbidden,
			"Only an owner of the account may make, change or remove an owner. Ask one of them.")
	}
	if m.Role != scope.AccountOwner || to == scope.AccountOwner {
		return nil
	}
	others, err := tx.OtherOwners(ctx, m.Account, m.User.ID)
	if err == nil && others == 0 {
		err = fault.New(fault.Conflict, "This person is the account's last owner. Make somebody else an owner first.")
	}
	return err
}
