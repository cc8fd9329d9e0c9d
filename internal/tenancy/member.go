package tenancy

import (
	"context"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Members lists the members of a tenant for whoever may see it.
func (s *Service) Members(ctx context.Context, who principal.Principal, tenant ident.TenantID, page Page) ([]Member, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return nil, err
	}
	return s.Store.Members(ctx, tenant, page)
}

// AddMember makes a person a member at once. It is the operator's: everyone else invites.
func (s *Service) AddMember(ctx context.Context, who principal.Principal, t Tenant, user principal.Person, role scope.Role) error {
	if who.Kind() != principal.ByOS {
		return fault.Forbidden
	}
	m := Member{Tenant: t.ID, User: user, Role: role, CreatedAt: s.Now()}
	return s.inTenant(ctx, who, t.ID, func(ctx context.Context, tx Tx, _ Tenant) (audit.Event, error) {
		return m.event(who, audit.ActionMemberAdd).WithEffects(m.effect(audit.EffectMemberEnabled)), tx.InsertMember(ctx, m)
	})
}

// event says what happened to the membership; it changes what the person's keys may do.
func (m Member) event(who principal.Principal, action audit.Action) audit.Event {
	e := audit.By(who, action, audit.Target{Type: "user", ID: string(m.User.ID), Name: m.User.Name})
	return e.With("role", string(m.Role)).OutdatesTenants(m.Tenant)
}

// effect is one on the membership.
func (m Member) effect(kind audit.EffectKind) audit.Effect {
	return audit.Effect{Kind: kind, Tenant: m.Tenant, User: m.User.ID}
}

// MemberChange is what may be changed of a membership; nil keeps what is there.
type MemberChange struct {
	Role     *scope.Role
	Disabled *bool
}

// ChangeMember is for admins of the tenant. Keys of the person stay, and do at each moment what the person may do; the last admin stays one.
func (s *Service) ChangeMember(ctx context.Context, who principal.Principal, tenant ident.TenantID, user ident.UserID, c MemberChange) (m Member, err error) {
	if c.Role != nil && !c.Role.Valid() {
		return Member{}, errRole
	}
	err = s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t Tenant) (audit.Event, error) {
		before, err := subordinate(ctx, tx, who, t, user)
		if err != nil {
			return audit.Event{}, err
		}
		m = before
		if c.Role != nil {
			m.Role = *c.Role
		}
		if c.Disabled != nil {
			m.Disabled = *c.Disabled
		}
		e := m.event(who, audit.ActionMemberEdit).With("status", state(m.Disabled))
		if m == before {
			return e, audit.ErrNothing
		}
		if m.Disabled != before.Disabled {
			e = e.WithEffects(m.switched())
		}
		if m.Role != scope.Admin || m.Disabled {
			err = notLast(ctx, tx, before)
		}
		if err == nil && m.Disabled {
			err = s.release(ctx, tx, t.Account, user)
		}
		if err != nil {
			return audit.Event{}, err
		}
		return e, tx.UpdateMember(ctx, m, s.Now())
	})
	return m, err
}

// switched is the effect of disabling the membership, or of enabling it.
func (m Member) switched() audit.Effect {
	if m.Disabled {
		return m.effect(audit.EffectMemberDisabled)
	}
	return m.effect(audit.EffectMemberEnabled)
}

// subordinate gives the member whom an admin wants to change.
func subordinate(ctx context.Context, tx Tx, who principal.Principal, t Tenant, user ident.UserID) (Member, error) {
	own, _ := who.Session()
	if err := tx.LockPeople(ctx, own.User.ID, user); err != nil {
		return Member{}, err
	}
	if err := admin(ctx, tx, who, t); err != nil {
		return Member{}, err
	}
	return tx.Member(ctx, t.ID, user)
}

var errRole = fault.Refuse(fault.Field{Name: "role", Code: "unknown", Message: "Use admin, member or auditor."})

// notLast refuses to lose a tenant's last admin.
func notLast(ctx context.Context, tx Tx, m Member) error {
	if m.Role != scope.Admin || m.Disabled {
		return nil
	}
	others, err := tx.OtherAdmins(ctx, m.Tenant, m.User.ID)
	if err == nil && others == 0 {
		err = fault.New(fault.Conflict, "This is the tenant's last admin. Make another one first.")
	}
	return err
}

// RemoveMember ends a membership and revokes the person's keys there, in one transaction: joining again revives none.
func (s *Service) RemoveMember(ctx context.Context, who principal.Principal, tenant ident.TenantID, user ident.UserID) error {
	return s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t Tenant) (audit.Event, error) {
		m, err := subordinate(ctx, tx, who, t, user)
		if err != nil {
			return audit.Event{}, err
		}
		if err := notLast(ctx, tx, m); err != nil {
			return audit.Event{}, err
		}
		by, _ := who.Session()
		revoked, err := tx.RevokeKeysOf(ctx, tenant, user, t.Settings.RevokeMode, s.Now(), by.User.ID, "The owner left the tenant.")
		if err != nil {
			return audit.Event{}, err
		}
		if err := s.tellRevoked(ctx, tx, by.User, m, t.Settings.RevokeMode, revoked); err != nil {
			return audit.Event{}, err
		}
		if err := s.release(ctx, tx, t.Account, user); err != nil {
			return audit.Event{}, err
		}
		e := m.event(who, audit.ActionMemberRemove).With("keys_revoked", strconv.FormatInt(revoked, 10))
		return e.WithEffects(m.effect(audit.EffectMemberRemoved)), tx.DeleteMember(ctx, tenant, user)
	})
}

// tellRevoked tells a person who left by one notice that their keys, should there have been any, went with them.
func (s *Service) tellRevoked(ctx context.Context, tx Tx, by principal.Person, m Member, mode policy.RevokeMode, keys int64) error {
	if keys == 0 {
		return nil
	}
	f := notice.Facts{Tenant: m.Tenant, Keys: keys, By: notice.Named(by.Name, by.Email), Deleted: mode == policy.Delete}
	if by.ID == m.User.ID {
		f.By = notice.Self
	}
	now := s.Now()
	return tx.PlanNotice(ctx, notice.New(notice.KeyRevoked, m.User.ID, now, f, string(m.Tenant), string(m.User.ID), now.Format(time.RFC3339Nano)))
}

func itoa(i int) string { return strconv.Itoa(i) }
