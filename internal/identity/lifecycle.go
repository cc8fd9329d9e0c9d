package identity

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/text"
)

// Me returns the caller as a user.
func (s *Service) Me(ctx context.Context, who principal.Principal) (User, error) {
	me, err := signedIn(who)
	if err != nil {
		return User{}, err
	}
	return s.Store.User(ctx, me.User.ID)
}

// Owner returns the person who acts: the signed-in person, or the one to whom the caller's key
// belongs. It returns fault.NotFound for a key that belongs to no person.
func (s *Service) Owner(ctx context.Context, who principal.Principal) (User, error) {
	if k, ok := who.Key(); ok {
		return s.Store.User(ctx, k.Owner.User()) // nobody has the id ""
	}
	return s.Me(ctx, who)
}

// Change is a change of a person's own record. What is nil or absent stays as it is.
type Change struct {
	// Expected is the version that the record must have; "" for any.
	Expected etag.Tag
	Name     *string
	// Notices says for kinds of notices whether the person wants them.
	Notices map[notice.Kind]bool
}

// validate normalizes the name and returns what is wrong with the change.
func (c *Change) validate() (faults []fault.Field) {
	if c.Name != nil {
		var name string
		name, faults = text.Name("name", *c.Name)
		c.Name = &name
	}
	return append(faults, preferenceFaults(c.Notices)...)
}

// Version returns the version of what people can change in their own record.
func (u User) Version() etag.Tag { return etag.Of(u.Name, u.Muted) }

// ChangeMe changes the caller's own record. With [etag.ErrChanged] it also returns the record as it
// is.
func (s *Service) ChangeMe(ctx context.Context, who principal.Principal, c Change) (u User, err error) {
	if c.Name == nil && len(c.Notices) == 0 && c.Expected == "" {
		return s.Me(ctx, who)
	}
	me, err := signedIn(who)
	if err != nil {
		return User{}, err
	}
	if err := fault.Refuse(c.validate()...); err != nil {
		return User{}, err
	}
	err = s.Ledgers.Users.Write(ctx, who, func(ctx context.Context, tx UserTx) (e audit.Event, err error) {
		u, err = tx.LockUser(ctx, me.User.ID)
		if err == nil {
			err = c.Expected.Check(u.Version())
		}
		if err != nil {
			return e, err
		}
		e = audit.By(who, audit.ActionUserEdit, target(u))
		renamed := c.Name != nil && *c.Name != u.Name
		muted := applyPreferences(u.Muted, c.Notices)
		// Invalidate also where the name stays: another change may have just written it, and not
		// have invalidated yet.
		if c.Name != nil {
			e = e.InvalidatesOwners(ident.PartyID(u.ID))
		}
		if !renamed && slices.Equal(muted, u.Muted) {
			return e, audit.ErrNothing
		}
		u.Muted = muted
		u.UpdatedAt = s.Now()
		if err := tx.SetMuted(ctx, u.ID, u.Muted, u.UpdatedAt); err != nil || !renamed {
			return e, err
		}
		u.Name = *c.Name
		return e, tx.Rename(ctx, u.ID, u.Name, u.UpdatedAt)
	})
	return u, err
}

// Find returns the user with this id, or with this e-mail address in whatever spelling. Only the
// operator may.
func (s *Service) Find(ctx context.Context, who principal.Principal, idOrEmail string) (u User, err error) {
	switch {
	case who.Kind() != principal.KindOperator:
		return User{}, fault.Forbidden
	case !Storable(idOrEmail):
		return User{}, fault.NotFound
	case strings.Contains(idOrEmail, "@"):
		u, _, err = s.Store.UserByEmail(ctx, CanonicalEmail(idOrEmail))
		return u, err
	}
	return s.Store.User(ctx, ident.UserID(idOrEmail))
}

// SetDisabled disables a user everywhere, or enables them again, and returns the user. Only the
// operator may. It ends the sessions of a disabled user. Their keys are refused until the user is
// enabled.
func (s *Service) SetDisabled(ctx context.Context, who principal.Principal, user ident.UserID,
	disabled bool,
) (u User, err error) {
	if who.Kind() != principal.KindOperator {
		return User{}, fault.Forbidden
	}
	action, effect := audit.ActionUserEnable, audit.EffectUserEnabled
	if disabled {
		action, effect = audit.ActionUserDisable, audit.EffectUserDisabled
	}
	err = s.change(ctx, who, user, action, []audit.Effect{{Kind: effect, User: user}},
		func(ctx context.Context, tx UserTx, now User) error {
			u = now
			if u.Disabled == disabled {
				return audit.ErrNothing
			}
			u.Disabled = disabled
			u.UpdatedAt = s.Now()
			if err := tx.SetUserDisabled(ctx, user, disabled, u.UpdatedAt); err != nil || !disabled {
				return err
			}
			if err := tx.VoidLinks(ctx, user, u.UpdatedAt); err != nil {
				return err
			}
			return tx.EndSessions(ctx, user)
		})
	return u, err
}

// change runs an operation on a locked user and records it. It invalidates all tenants where the
// user appears, since cached facts hold names and states of owners.
func (s *Service) change(ctx context.Context, who principal.Principal, user ident.UserID, action audit.Action,
	effects []audit.Effect,
	operate func(context.Context, UserTx, User) error,
) error {
	return s.Ledgers.Users.Write(ctx, who, func(ctx context.Context, tx UserTx) (audit.Event, error) {
		u, err := tx.LockUser(ctx, user)
		if err != nil {
			return audit.Event{}, err
		}
		tenants, err := tx.TenantsOfUser(ctx, user)
		if err != nil {
			return audit.Event{}, err
		}
		err = operate(ctx, tx, u)
		// The event is also for audit.ErrNothing: what it invalidates may be in doubt.
		return audit.By(who, action, target(u)).WithEffects(effects...).InvalidatesTenants(tenants...), err
	})
}

var (
	errOldSignIn = fault.New(fault.SignInAgain,
		"You signed in more than five minutes ago. Sign in again, then repeat this.")
	errLastOwner = fault.New(fault.Conflict, "You are the last owner of an account. Make somebody else an owner first.")
	errLastAdmin = fault.New(fault.Conflict, "You are the last admin of a tenant. Make somebody else an admin first.")
)

// DeleteMe deletes the caller for good. It revokes their keys in every tenant, ends their
// memberships, roles and sessions, and erases address, name and password. It needs a sign-in
// younger than five minutes.
func (s *Service) DeleteMe(ctx context.Context, who principal.Principal) error {
	me, err := s.recentlySignedIn(who)
	if err != nil {
		return err
	}
	return s.Ledgers.Deletions.Write(ctx, who, func(ctx context.Context, tx DeleteTx) (audit.Event, error) {
		if err := tx.LockAccountsAndTenantsOf(ctx, me.User.ID); err != nil {
			return audit.Event{}, err
		}
		u, err := tx.LockUser(ctx, me.User.ID)
		if err == nil {
			err = tx.DeleteSession(ctx, u.ID, me.ID)
		}
		if errors.Is(err, fault.NotFound) { // the user was deleted or the session ended in the meantime
			err = errOldSignIn
		}
		if err == nil {
			err = checkNotLast(ctx, tx, u.ID)
		}
		if err != nil {
			return audit.Event{}, err
		}
		tenants, revoked, err := s.revokeKeys(ctx, tx, u.ID, "The owner was deleted.")
		if err != nil {
			return audit.Event{}, err
		}
		e := audit.By(who, audit.ActionUserDelete, target(u)).InvalidatesTenants(tenants...).With("keys_revoked",
			strconv.FormatInt(revoked, 10))
		e = e.WithEffects(audit.Effect{Kind: audit.EffectUserDeleted, User: u.ID})
		return e, s.eraseUser(ctx, tx, u)
	})
}

// checkNotLast refuses to delete the last owner of an account or the last admin of a tenant.
func checkNotLast(ctx context.Context, tx DeleteTx, user ident.UserID) error {
	accounts, tenants, err := tx.AccountsAndTenantsLedBy(ctx, user)
	if err != nil {
		return err
	}
	for _, id := range accounts {
		others, err := tx.OtherOwners(ctx, id, user)
		if err != nil {
			return err
		}
		if others == 0 {
			return errLastOwner
		}
	}
	for _, id := range tenants {
		others, err := tx.OtherAdmins(ctx, id, user)
		if err != nil {
			return err
		}
		if others == 0 {
			return errLastAdmin
		}
	}
	return nil
}

// revokeKeys revokes or deletes the user's keys everywhere, as the settings of each tenant say. It
// returns the tenants and how many keys it revoked.
func (s *Service) revokeKeys(ctx context.Context, tx DeleteTx, user ident.UserID,
	reason string,
) (tenants []ident.TenantID, revoked int64, err error) {
	tenants, err = tx.TenantsOfUser(ctx, user)
	if err != nil {
		return nil, 0, err
	}
	for _, id := range tenants {
		rules, err := tx.TenantRules(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		n, err := tx.RevokeKeysOf(ctx, id, user, rules.Settings.RevokeMode, s.Now(), user, reason)
		if err != nil {
			return nil, 0, err
		}
		revoked += n
	}
	return tenants, revoked, nil
}

// eraseUser removes what is left of a user after their keys were revoked: memberships, sessions,
// failed sign-ins, links and the user.
func (s *Service) eraseUser(ctx context.Context, tx DeleteTx, u User) error {
	if err := tx.RemoveMemberships(ctx, u.ID); err != nil {
		return err
	}
	if err := tx.EndSessions(ctx, u.ID); err != nil {
		return err
	}
	for _, prefix := range []string{bucketPrefix(u.ID), codePrefix(u.ID)} {
		if err := tx.DeleteFailuresOf(ctx, u.Canonical, prefix); err != nil {
			return err
		}
	}
	if err := tx.VoidLinks(ctx, u.ID, s.Now()); err != nil {
		return err
	}
	return tx.DeleteUser(ctx, u.ID, s.Now())
}
