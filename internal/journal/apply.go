package journal

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// Tx is what is changed in a database that was just brought back.
type Tx interface {
	LockKey(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (key.Key, error)
	RevokeKey(ctx context.Context, id ident.KeyID, at time.Time, by ident.UserID, reason string) error
	SetDisabled(ctx context.Context, k key.Key) error
	EditKey(ctx context.Context, k key.Key) error
	EndPrevious(ctx context.Context, id ident.KeyID, at time.Time) error
	Holds(ctx context.Context, tenant ident.TenantID, owner ident.UserID) ([]key.Hold, error)

	LockUser(ctx context.Context, user ident.UserID) (identity.User, error)
	SetUserDisabled(ctx context.Context, user ident.UserID, disabled bool, at time.Time) error
	TenantsOfUser(ctx context.Context, user ident.UserID) ([]ident.TenantID, error)
	RevokeKeysOf(ctx context.Context, tenant ident.TenantID, owner ident.UserID, mode policy.RevokeMode, at time.Time, by ident.UserID, reason string) (int64, error)
	LeaveAll(ctx context.Context, user ident.UserID) error
	DeleteUser(ctx context.Context, user ident.UserID, at time.Time) error

	Member(ctx context.Context, tenant ident.TenantID, user ident.UserID) (tenancy.Member, error)
	UpdateMember(ctx context.Context, m tenancy.Member, at time.Time) error
	DeleteMember(ctx context.Context, tenant ident.TenantID, user ident.UserID) error
	Candidate(ctx context.Context, account ident.AccountID, user ident.UserID) (o tenancy.Officer, belongs bool, err error)
	DeleteStanding(ctx context.Context, account ident.AccountID, user ident.UserID) error
	LockTenant(ctx context.Context, id ident.TenantID) (tenancy.Tenant, error)
	UpdateTenant(ctx context.Context, t tenancy.Tenant) error
	LockAccount(ctx context.Context, id ident.AccountID) (tenancy.Account, error)
	UpdateAccount(ctx context.Context, a tenancy.Account) error
	Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error)
	SetPolicy(ctx context.Context, account ident.AccountID, p policy.Policy) error
}

// Taken counts what authority was taken away from.
type Taken struct {
	Keys, Users, Members, Officers, Tenants, Accounts, Policies int
}

// On adds the counts to an event.
func (t Taken) On(e audit.Event) audit.Event {
	for name, n := range map[string]int{"keys": t.Keys, "users": t.Users, "members": t.Members, "officers": t.Officers, "tenants": t.Tenants, "accounts": t.Accounts, "policies": t.Policies} {
		if n > 0 {
			e = e.With(name, strconv.Itoa(n))
		}
	}
	return e
}

const reason = "Ended after the backup that was restored."

// Apply takes from the database what the journal says was taken away, and is not yet. What is not there is passed over.
func (s *State) Apply(ctx context.Context, tx Tx, now time.Time) (t Taken, err error) {
	a := applying{tx: tx, now: now}
	err = errors.Join(
		each(s.keys, func(id ident.KeyID, k *keyState) error { return count(&t.Keys)(a.key(ctx, id, k)) }),
		each(s.users, func(id ident.UserID, last userState) error { return count(&t.Users)(a.user(ctx, id, last)) }),
		eachOf(s.members, membership.compare, func(at membership, m *memberState) error { return count(&t.Members)(a.member(ctx, at, m)) }),
		eachOf(s.officers, standing.compare, func(at standing, left time.Time) error { return count(&t.Officers)(a.officer(ctx, at, left)) }),
		each(s.tenants, func(id ident.TenantID, off bool) error { return count(&t.Tenants)(a.tenant(ctx, id, off)) }),
		each(s.accounts, func(id ident.AccountID, off bool) error { return count(&t.Accounts)(a.account(ctx, id, off)) }),
		each(s.policies, func(id ident.AccountID, last map[policy.Reason]policyState) error {
			return count(&t.Policies)(a.policy(ctx, id, last))
		}),
	)
	return t, err
}

// each calls do for every entry in the order of the ids.
func each[ID ident.ID, V any](all map[ID]V, do func(ID, V) error) error {
	return eachOf(all, cmp.Compare[ID], do)
}

// eachOf calls do for every entry in an order; what is not there is no failure.
func eachOf[K comparable, V any](all map[K]V, compare func(a, b K) int, do func(K, V) error) error {
	for _, k := range slices.SortedFunc(maps.Keys(all), compare) {
		if err := do(k, all[k]); err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

func (at membership) compare(to membership) int {
	return cmp.Or(cmp.Compare(at.tenant, to.tenant), cmp.Compare(at.user, to.user))
}

func (at standing) compare(to standing) int {
	return cmp.Or(cmp.Compare(at.account, to.account), cmp.Compare(at.user, to.user))
}

// count adds one where something was taken.
func count(n *int) func(taken bool, err error) error {
	return func(taken bool, err error) error {
		if taken {
			*n++
		}
		return err
	}
}

type applying struct {
	tx  Tx
	now time.Time
}

func (a applying) key(ctx context.Context, id ident.KeyID, last *keyState) (taken bool, err error) {
	k, err := a.tx.LockKey(ctx, last.tenant, id)
	if err != nil || !k.RevokedAt.IsZero() {
		return false, err
	}
	if last.revoked || k.Serial < last.serial { // of a refresh the new secret is lost, and the old one was to end
		return true, a.tx.RevokeKey(ctx, id, a.now, "", reason)
	}
	if last.endedPreviousOf == k.Serial && !k.Previous.Until.IsZero() {
		taken, err = true, a.tx.EndPrevious(ctx, id, a.now)
	}
	if err == nil && !last.expires.IsZero() && (k.ExpiresAt.IsZero() || last.expires.Before(k.ExpiresAt)) {
		k.ExpiresAt, k.UpdatedAt = last.expires, a.now
		taken, err = true, a.tx.EditKey(ctx, k)
	}
	if err == nil && last.disabled && k.DisabledAt.IsZero() {
		k.DisabledAt, k.DisabledByAdmin, k.UpdatedAt = a.now, true, a.now
		taken, err = true, a.tx.SetDisabled(ctx, k)
	}
	return taken, err
}

func (a applying) user(ctx context.Context, id ident.UserID, last userState) (taken bool, err error) {
	u, err := a.tx.LockUser(ctx, id)
	switch {
	case err != nil:
		return false, err
	case last.deleted:
		return true, a.delete(ctx, id)
	case last.disabled && !u.Disabled:
		return true, a.tx.SetUserDisabled(ctx, id, true, a.now)
	}
	return false, nil
}

func (a applying) delete(ctx context.Context, id ident.UserID) error {
	tenants, err := a.tx.TenantsOfUser(ctx, id)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if _, err := a.tx.RevokeKeysOf(ctx, t, id, policy.Tombstone, a.now, "", reason); err != nil {
			return err
		}
	}
	if err := a.tx.LeaveAll(ctx, id); err != nil {
		return err
	}
	return a.tx.DeleteUser(ctx, id, a.now)
}

func (a applying) member(ctx context.Context, at membership, last *memberState) (taken bool, err error) {
	if !last.left.IsZero() {
		if taken, err = a.leave(ctx, at, last.left); err != nil {
			return taken, err
		}
	}
	m, err := a.tx.Member(ctx, at.tenant, at.user)
	switch {
	case err != nil:
		return taken, err
	case m.CreatedAt.Before(last.left):
		return true, a.tx.DeleteMember(ctx, at.tenant, at.user)
	case last.disabled && !m.Disabled:
		m.Disabled = true
		return true, a.tx.UpdateMember(ctx, m, a.now)
	}
	return taken, nil
}

// leave revokes what keys a person had made until they left.
func (a applying) leave(ctx context.Context, at membership, left time.Time) (taken bool, err error) {
	held, err := a.tx.Holds(ctx, at.tenant, at.user)
	if err != nil {
		return false, err
	}
	for _, h := range held {
		k, err := a.tx.LockKey(ctx, at.tenant, h.Key)
		if err != nil {
			return taken, err
		}
		if k.RevokedAt.IsZero() && k.CreatedAt.Before(left) {
			if err := a.tx.RevokeKey(ctx, k.ID, a.now, "", reason); err != nil {
				return taken, err
			}
			taken = true
		}
	}
	return taken, nil
}

// officer ends a role in an account that was taken away, also where the person got one anew.
func (a applying) officer(ctx context.Context, at standing, left time.Time) (taken bool, err error) {
	o, _, err := a.tx.Candidate(ctx, at.account, at.user)
	if err != nil || o.Role == "" || !o.CreatedAt.Before(left) {
		return false, err
	}
	return true, a.tx.DeleteStanding(ctx, at.account, at.user)
}

func (a applying) tenant(ctx context.Context, id ident.TenantID, off bool) (taken bool, err error) {
	t, err := a.tx.LockTenant(ctx, id)
	if err != nil || !off || t.Disabled {
		return false, err
	}
	t.Disabled, t.UpdatedAt = true, a.now
	return true, a.tx.UpdateTenant(ctx, t)
}

func (a applying) account(ctx context.Context, id ident.AccountID, off bool) (taken bool, err error) {
	c, err := a.tx.LockAccount(ctx, id)
	if err != nil || !off || c.Disabled {
		return false, err
	}
	c.Disabled, c.UpdatedAt = true, a.now
	return true, a.tx.UpdateAccount(ctx, c)
}

// policy tightens an account's to the last word, as of when that was said. A looser one is for its owner to say again.
func (a applying) policy(ctx context.Context, id ident.AccountID, last map[policy.Reason]policyState) (taken bool, err error) {
	if _, err := a.tx.LockAccount(ctx, id); err != nil {
		return false, err
	}
	p, err := a.tx.Policy(ctx, id)
	if err != nil {
		return false, err
	}
	for _, reason := range slices.SortedFunc(maps.Keys(last), func(a, b policy.Reason) int { return last[a].since.Compare(last[b].since) }) {
		if is, was := last[reason], policy.InForce(p.Rules, reason).Days; is.days > 0 && (was == 0 || is.days < was) {
			p.Rules, taken = policy.Revise(p.Rules, reason, is.days, is.since), true
		}
	}
	if !taken {
		return false, nil
	}
	return true, a.tx.SetPolicy(ctx, id, p)
}
