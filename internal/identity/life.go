package identity

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/text"
)

// Me gives the caller as a user.
func (s *Service) Me(ctx context.Context, who principal.Principal) (User, error) {
	me, err := own(who)
	if err != nil {
		return User{}, err
	}
	return s.Store.User(ctx, me.User.ID)
}

// Change is what people may change of themselves; what is nil or absent stays.
type Change struct {
	Name *string
	// Notices says of kinds whether they are wanted.
	Notices map[notice.Kind]bool
}

// validate normalises the name and says what is wrong.
func (c *Change) validate() (faults []fault.Field) {
	if c.Name != nil {
		var name string
		name, faults = text.Name("name", *c.Name)
		c.Name = &name
	}
	return append(faults, muteFaults(c.Notices)...)
}

// ChangeMe changes the caller's own record.
func (s *Service) ChangeMe(ctx context.Context, who principal.Principal, c Change) (u User, err error) {
	if c.Name == nil && len(c.Notices) == 0 {
		return s.Me(ctx, who)
	}
	me, err := own(who)
	if err != nil {
		return User{}, err
	}
	if err := fault.Refuse(c.validate()...); err != nil {
		return User{}, err
	}
	err = s.change(ctx, who, me.User.ID, audit.ActionUserEdit, nil, func(ctx context.Context, tx Tx, now User) error {
		u = now
		renamed, muted := c.Name != nil && *c.Name != u.Name, mutedAfter(u.Muted, c.Notices)
		if !renamed && slices.Equal(muted, u.Muted) {
			return audit.ErrNothing
		}
		u.Muted, u.UpdatedAt = muted, s.Now()
		if err := tx.Mute(ctx, u.ID, u.Muted, u.UpdatedAt); err != nil || !renamed {
			return err
		}
		u.Name = *c.Name
		return tx.Rename(ctx, u.ID, u.Name, u.UpdatedAt)
	})
	return u, err
}

// Find gives the user of an id or of an e-mail address, in whatever spelling. It is the operator's.
func (s *Service) Find(ctx context.Context, who principal.Principal, idOrEmail string) (u User, err error) {
	switch {
	case who.Kind() != principal.ByOS:
		return User{}, fault.Forbidden
	case !storable(idOrEmail):
		return User{}, fault.NotFound
	case strings.Contains(idOrEmail, "@"):
		u, _, err = s.Store.UserByEmail(ctx, CanonicalEmail(idOrEmail))
		return u, err
	}
	return s.Store.User(ctx, ident.UserID(idOrEmail))
}

// SetDisabled takes a user out of use everywhere, or back into it, and gives them as they are then. It is the operator's. Sessions of a disabled user end; their
// keys rest until the user is enabled.
func (s *Service) SetDisabled(ctx context.Context, who principal.Principal, user ident.UserID, disabled bool) (u User, err error) {
	if who.Kind() != principal.ByOS {
		return User{}, fault.Forbidden
	}
	action, effect := audit.ActionUserEnable, audit.EffectUserEnabled
	if disabled {
		action, effect = audit.ActionUserDisable, audit.EffectUserDisabled
	}
	err = s.change(ctx, who, user, action, []audit.Effect{{Kind: effect, User: user}}, func(ctx context.Context, tx Tx, now User) error {
		if u = now; u.Disabled == disabled {
			return audit.ErrNothing
		}
		u.Disabled, u.UpdatedAt = disabled, s.Now()
		if err := tx.SetUserDisabled(ctx, user, disabled, u.UpdatedAt); err != nil || !disabled {
			return err
		}
		return tx.EndSessions(ctx, user)
	})
	return u, err
}

// change runs an operation on a user and names it to the audit trail. Cached facts show names and states of owners, so they are outdated wherever the user may appear.
func (s *Service) change(ctx context.Context, who principal.Principal, user ident.UserID, action audit.Action, effects []audit.Effect,
	operate func(context.Context, Tx, User) error,
) error {
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		u, err := tx.LockUser(ctx, user)
		if err != nil {
			return audit.Event{}, err
		}
		tenants, err := tx.TenantsOfUser(ctx, user)
		if err != nil {
			return audit.Event{}, err
		}
		err = operate(ctx, tx, u)
		return audit.By(who, action, target(u)).WithEffects(effects...).OutdatesTenants(tenants...), err // the event also with ErrNothing: see there
	})
}

var (
	errOldSignIn = fault.New(fault.SignInAgain, "Sign in again: this needs a sign-in younger than five minutes.")
	errLastOwner = fault.New(fault.Conflict, "You are the last owner of an account. Make another one first.")
	errLastAdmin = fault.New(fault.Conflict, "You are the last admin of a tenant. Make another one first.")
)

// DeleteMe removes the caller for good: their keys are revoked in every tenant, memberships, standings and sessions end, and address, name and
// password are forgotten.
func (s *Service) DeleteMe(ctx context.Context, who principal.Principal) error {
	me, err := own(who)
	if err != nil {
		return err
	}
	if !me.Recent(s.Now()) {
		return errOldSignIn
	}
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if err := tx.LockHomes(ctx, me.User.ID); err != nil {
			return audit.Event{}, err
		}
		u, err := tx.LockUser(ctx, me.User.ID)
		if err == nil {
			err = tx.DeleteSession(ctx, u.ID, me.ID)
		}
		if errors.Is(err, fault.NotFound) { // user or session ended meanwhile
			err = errOldSignIn
		}
		if err == nil {
			err = dispensable(ctx, tx, u.ID)
		}
		if err != nil {
			return audit.Event{}, err
		}
		tenants, revoked, err := s.revokeKeys(ctx, tx, u.ID)
		if err != nil {
			return audit.Event{}, err
		}
		e := audit.By(who, audit.ActionUserDelete, target(u)).OutdatesTenants(tenants...).With("keys_revoked", strconv.FormatInt(revoked, 10))
		e = e.WithEffects(audit.Effect{Kind: audit.EffectUserDeleted, User: u.ID})
		return e, s.blank(ctx, tx, u)
	})
}

// dispensable refuses to lose an account's last owner or a tenant's last admin.
func dispensable(ctx context.Context, tx Tx, user ident.UserID) error {
	accounts, tenants, err := tx.Leads(ctx, user)
	if err != nil {
		return err
	}
	for _, id := range accounts {
		others, err := tx.OtherOwners(ctx, id, user)
		if err := unlessOthers(others, err, errLastOwner); err != nil {
			return err
		}
	}
	for _, id := range tenants {
		others, err := tx.OtherAdmins(ctx, id, user)
		if err := unlessOthers(others, err, errLastAdmin); err != nil {
			return err
		}
	}
	return nil
}

// unlessOthers gives last where there is nobody else.
func unlessOthers(others int, err, last error) error {
	if err == nil && others == 0 {
		return last
	}
	return err
}

// revokeKeys revokes the user's keys everywhere, as each tenant's settings say, and gives the tenants and how many keys it were.
func (s *Service) revokeKeys(ctx context.Context, tx Tx, user ident.UserID) (tenants []ident.TenantID, revoked int64, err error) {
	if tenants, err = tx.TenantsOfUser(ctx, user); err != nil {
		return nil, 0, err
	}
	for _, id := range tenants {
		rules, err := tx.TenantRules(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		n, err := tx.RevokeKeysOf(ctx, id, user, rules.Settings.RevokeMode, s.Now(), user, "The owner was deleted.")
		if err != nil {
			return nil, 0, err
		}
		revoked += n
	}
	return tenants, revoked, nil
}

// blank takes away what is left of a user whose keys are revoked.
func (s *Service) blank(ctx context.Context, tx Tx, u User) error {
	if err := tx.LeaveAll(ctx, u.ID); err != nil {
		return err
	}
	if err := tx.EndSessions(ctx, u.ID); err != nil {
		return err
	}
	if err := tx.ForgetFailures(ctx, u.Canonical); err != nil {
		return err
	}
	return tx.DeleteUser(ctx, u.ID, s.Now())
}
