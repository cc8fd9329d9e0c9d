package tenancy

import (
	"context"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// Member is a person in a tenant.
type Member struct {
	Tenant ident.TenantID
	User   principal.Person
	// EmailProven is set where the person has proven that the address is theirs.
	EmailProven bool
	Role        scope.Role
	Disabled    bool
	CreatedAt   time.Time
}

// Members lists the members of a tenant for a caller who sees the tenant.
func (s *Service) Members(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	page paging.Page,
) ([]Member, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return nil, err
	}
	return s.Store.Members(ctx, tenant, page)
}

// MembersOfRole is Members for those with one role.
func (s *Service) MembersOfRole(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	role scope.Role, page paging.Page,
) ([]Member, error) {
	if !role.Valid() {
		return nil, fault.Refuse(fault.Field{Name: "role", Code: "unknown", Message: "Use admin, member or auditor."})
	}
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return nil, err
	}
	return s.Store.MembersOfRole(ctx, tenant, role, page)
}

// MembersWithoutFactor is Members for those without a second factor, for admins of the tenant.
func (s *Service) MembersWithoutFactor(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	page paging.Page,
) ([]Member, error) {
	t, err := s.Tenant(ctx, who, tenant)
	if err != nil {
		return nil, err
	}
	if !seesSignIns(who, t) {
		return nil, ErrNotAdmin
	}
	return s.Store.MembersWithoutFactor(ctx, tenant, page)
}

// SignInFacts returns how members of a tenant sign in and when they were last seen, by their ids,
// to signed-in admins of the tenant. It returns nothing to anybody else.
func (s *Service) SignInFacts(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	members ...Member,
) (map[ident.UserID]identity.SignInFacts, error) {
	t, err := s.Tenant(ctx, who, tenant)
	if err != nil || !seesSignIns(who, t) || len(members) == 0 {
		return nil, err
	}
	users := make([]ident.UserID, len(members))
	for i, m := range members {
		users[i] = m.User.ID
	}
	return s.Store.SignInFacts(ctx, users)
}

// seesSignIns reports whether the caller may see how the people of a tenant sign in: it tells an
// attacker whom to attack, so that a key is not told it.
func seesSignIns(who principal.Principal, t Tenant) bool {
	_, isSession := who.Session()
	return isSession && who.RoleIn(t.ID, t.Account) == scope.Admin
}

// Member returns a member of a tenant to a caller who sees the tenant.
func (s *Service) Member(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	user ident.UserID,
) (Member, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return Member{}, err
	}
	return s.Store.Member(ctx, tenant, user)
}

// MemberByEmail returns the member of a tenant with an e-mail address, in whatever spelling, to a
// caller who sees the tenant.
func (s *Service) MemberByEmail(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	email string,
) (Member, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return Member{}, err
	}
	canonical := identity.CanonicalEmail(email)
	if !identity.Storable(canonical) {
		return Member{}, fault.NotFound
	}
	return s.Store.MemberByEmail(ctx, tenant, canonical)
}

// FoundMembers returns up to most members of a tenant, to a caller who sees the tenant. The words
// are beginnings of words of their names and e-mail addresses.
func (s *Service) FoundMembers(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	words text.WordQuery, most int,
) ([]Member, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return nil, err
	}
	return s.Store.FoundMembers(ctx, tenant, words, most)
}

// CountMembers returns how many members a tenant has, disabled ones included, to a caller who sees
// the tenant.
func (s *Service) CountMembers(ctx context.Context, who principal.Principal, tenant ident.TenantID) (int, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return 0, err
	}
	return s.Store.CountMembers(ctx, tenant, maxMembers)
}

// AddMember makes a person a member at once. Only the operator may: everybody else invites.
func (s *Service) AddMember(ctx context.Context, who principal.Principal, t Tenant, user principal.Person,
	role scope.Role,
) error {
	if who.Kind() != principal.KindOperator {
		return fault.Forbidden
	}
	m := Member{Tenant: t.ID, User: user, Role: role, CreatedAt: s.Now()}
	return InTenant(ctx, s.Ledgers.Members, who, t.ID,
		func(ctx context.Context, tx MemberTx, _ Tenant) (audit.Event, error) {
			return m.event(who, audit.ActionMemberAdd).WithEffects(m.effect(audit.EffectMemberEnabled)),
				join(ctx, tx, m)
		})
}

// event records what happened to the membership. It invalidates the tenant, since the change
// affects what the person's keys may do.
func (m Member) event(who principal.Principal, action audit.Action) audit.Event {
	e := audit.By(who, action, audit.Target{Type: "user", ID: string(m.User.ID), Name: m.User.Name})
	return e.With("role", string(m.Role)).InvalidatesTenants(m.Tenant)
}

// effect returns an effect on the membership.
func (m Member) effect(kind audit.EffectKind) audit.Effect {
	return audit.Effect{Kind: kind, Tenant: m.Tenant, User: m.User.ID}
}

// MemberChange is a change of a membership. What is nil stays as it is.
type MemberChange struct {
	// Expected is the version that the membership must have; "" for any.
	Expected etag.Tag
	Role     *scope.Role
	Disabled *bool
}

// Version returns the version of what a change can set in the membership.
func (m Member) Version() etag.Tag { return etag.Of(m.Role, m.Disabled) }

// ChangeMember changes a membership, for admins of the tenant. The person's keys stay, and are
// allowed what the person is allowed at that moment. The last active admin stays an admin. With
// [etag.ErrChanged] it also returns the membership as it is.
func (s *Service) ChangeMember(ctx context.Context, who principal.Principal, tenant ident.TenantID, user ident.UserID,
	c MemberChange,
) (m Member, err error) {
	if c.Role != nil && !c.Role.Valid() {
		return Member{}, errRole
	}
	err = InTenant(ctx, s.Ledgers.Members, who, tenant,
		func(ctx context.Context, tx MemberTx, t Tenant) (audit.Event, error) {
			before, err := memberToChange(ctx, tx, who, t, user)
			if err != nil {
				return audit.Event{}, err
			}
			m = before
			if err := c.Expected.Check(m.Version()); err != nil {
				return audit.Event{}, err
			}
			if c.Role != nil {
				m.Role = *c.Role
			}
			if c.Disabled != nil {
				m.Disabled = *c.Disabled
			}
			e := m.event(who, audit.ActionMemberEdit).With("status", Status(m.Disabled))
			if m == before {
				return e, audit.ErrNothing
			}
			if m.Disabled != before.Disabled {
				e = e.WithEffects(m.stateEffect())
			}
			if m.Role != before.Role {
				f := m.effect(audit.EffectMemberRoleSet)
				f.Role = string(m.Role)
				e = e.WithEffects(f)
			}
			if m.Role != scope.Admin || m.Disabled {
				err = checkNotLastAdmin(ctx, tx, before)
			}
			if err == nil && before.Disabled && !m.Disabled {
				err = tx.EndDeadSessions(ctx, user, s.Now())
			}
			if err == nil && m.Disabled {
				err = account.EndSessionsOf(ctx, tx, t.Account, user, s.Now())
			}
			if err != nil {
				return audit.Event{}, err
			}
			return e, tx.UpdateMember(ctx, m, s.Now())
		})
	return m, err
}

// stateEffect is the effect of having disabled the membership, or enabled it.
func (m Member) stateEffect() audit.Effect {
	if m.Disabled {
		return m.effect(audit.EffectMemberDisabled)
	}
	return m.effect(audit.EffectMemberEnabled)
}

// memberToChange locks the member whom an admin wants to change or remove.
func memberToChange(ctx context.Context, tx MemberTx, who principal.Principal, t Tenant,
	user ident.UserID,
) (Member, error) {
	own, _ := who.Session()
	if err := tx.LockPeople(ctx, own.User.ID, user); err != nil {
		return Member{}, err
	}
	if err := checkAdmin(ctx, tx, who, t); err != nil {
		return Member{}, err
	}
	return tx.Member(ctx, t.ID, user)
}

// memberToRemove locks the member to remove. Admins remove anybody; everybody may remove
// themselves.
func memberToRemove(ctx context.Context, tx MemberTx, who principal.Principal, t Tenant,
	user ident.UserID,
) (Member, error) {
	if own, ok := who.Session(); !ok || own.User.ID != user {
		return memberToChange(ctx, tx, who, t, user)
	}
	if err := tx.LockPeople(ctx, user); err != nil {
		return Member{}, err
	}
	if _, err := roleIn(ctx, tx, who, t); err != nil {
		return Member{}, err
	}
	return tx.Member(ctx, t.ID, user)
}

// checkNotLastAdmin refuses to take away the last active admin of a tenant.
func checkNotLastAdmin(ctx context.Context, tx MemberTx, m Member) error {
	if m.Role != scope.Admin || m.Disabled {
		return nil
	}
	others, err := tx.OtherAdmins(ctx, m.Tenant, m.User.ID)
	if err == nil && others == 0 {
		err = fault.New(fault.Conflict, "This person is the tenant's last admin. Make somebody else an admin first.")
	}
	return err
}

// RemoveMember ends a membership. From that moment the person's keys in the tenant are revoked.
// Joining again does not bring the keys back. Admins remove anybody, and everybody may leave.
func (s *Service) RemoveMember(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	user ident.UserID,
) error {
	return InTenant(ctx, s.Ledgers.Members, who, tenant,
		func(ctx context.Context, tx MemberTx, t Tenant) (audit.Event, error) {
			m, err := memberToRemove(ctx, tx, who, t, user)
			if err != nil {
				return audit.Event{}, err
			}
			if err := checkNotLastAdmin(ctx, tx, m); err != nil {
				return audit.Event{}, err
			}
			by, _ := who.Session()
			revoked, err := tx.RevokeKeysOf(ctx, tenant, user, t.Settings.RevokeMode, s.Now(), by.User.ID,
				"The owner left the tenant.")
			if err != nil {
				return audit.Event{}, err
			}
			if err := s.notifyRevoked(ctx, tx, by.User, m, t.Settings.RevokeMode, revoked); err != nil {
				return audit.Event{}, err
			}
			if err := account.EndSessionsOf(ctx, tx, t.Account, user, s.Now()); err != nil {
				return audit.Event{}, err
			}
			e := m.event(who, audit.ActionMemberRemove).With("keys_revoked", strconv.FormatInt(revoked, 10))
			return e.WithEffects(m.effect(audit.EffectMemberRemoved)), tx.DeleteMember(ctx, tenant, user)
		})
}

// notifyRevoked plans one notice to a person who left, if they had keys: the keys are revoked.
func (s *Service) notifyRevoked(ctx context.Context, tx MemberTx, by principal.Person, m Member, mode policy.RevokeMode,
	keys int64,
) error {
	if keys == 0 {
		return nil
	}
	f := notice.Facts{Tenant: m.Tenant, Keys: keys, By: notice.Named(by.Name, by.Email), Deleted: mode == policy.Delete}
	if by.ID == m.User.ID {
		f.By = notice.Self
	}
	now := s.Now()
	return tx.PlanNotice(ctx,
		notice.New(notice.KeyRevoked, m.User.ID, now, f, string(m.Tenant), string(m.User.ID),
			now.Format(time.RFC3339Nano)))
}

// join adds a member to a tenant that may have one more. The tenant is locked.
func join(ctx context.Context, tx JoinTx, m Member) error {
	if err := checkMemberLimit(ctx, tx, m.Tenant); err != nil {
		return err
	}
	if err := tx.LockPeople(ctx, m.User.ID); err != nil { // people are locked before their sessions
		return err
	}
	// A session that has ended in all the person's accounts stays ended, even where the policy of
	// this account would allow it.
	if err := tx.EndDeadSessions(ctx, m.User.ID, m.CreatedAt); err != nil {
		return err
	}
	return tx.InsertMember(ctx, m)
}
