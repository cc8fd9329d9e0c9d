package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
)

const keyUses = ` LEFT JOIN key_uses used ON used.key_id = k.id`

// silentSince holds for the keys of tenant $1 that could be used and have shown no sign of life after $2.
const silentSince = `k.tenant_id = $1 AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.secret_set_at <= $2 AND k.disabled_at IS NULL
		AND COALESCE(k.enabled_at, 0) <= $2 AND COALESCE(used.last_used_at, 0) <= $2`

// Keys are looked for by their age a hundred at a time, each list by an index of its own.
const (
	keysExpiredBy query = `SELECT tenant_id, id FROM keys WHERE revoked_at IS NULL AND forgotten_at IS NULL AND expires_at <= $1 ORDER BY expires_at, id LIMIT 100`
	// keysSetBy is in no order: each tenant's keys are found by an index, and those of several tenants would have to be sorted.
	keysSetBy query = `SELECT k.tenant_id, k.id FROM tenants t CROSS JOIN keys k WHERE t.account_id = $1 AND k.tenant_id = t.id
		AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.secret_set_at <= $2 LIMIT 100`
	previousOverBy query = `SELECT k.tenant_id, k.id FROM key_secrets s CROSS JOIN keys k
		WHERE k.id = s.key_id AND s.position = 'previous' AND s.until <= $1 ORDER BY s.until, s.key_id LIMIT 100`
	selectIdleTenants query = `SELECT id FROM tenants WHERE idle_since IS NOT NULL ORDER BY id`
	listIdleKeys      query = `SELECT k.id, k.slot, k.expires_at, k.secret_set_at FROM keys k` + keyUses + `
		WHERE ` + silentSince + ` AND (k.secret_set_at, k.id) > ($3, $4) ORDER BY k.secret_set_at, k.id LIMIT 100`
	selectPolicies query = `SELECT account_id, reason, days, since, until FROM policy_rules ORDER BY account_id, serial`

	forgetKey     query = `UPDATE keys SET forgotten_at = $2, slot = NULL WHERE id = $1`
	forgetDigests query = `UPDATE key_secrets SET digest = NULL, digest_version = NULL, copy = NULL, copy_version = NULL WHERE key_id = $1`
)

// Policies implements key.Store and notice.Store.
func (s *Store) Policies(ctx context.Context) (map[ident.AccountID][]policy.Rule, error) {
	all, err := policiesOf(ctx, s.reading)
	return all, s.fault(err)
}

// policiesOf reads the rules of every account that has any.
func policiesOf(ctx context.Context, from reader) (map[ident.AccountID][]policy.Rule, error) {
	all := map[ident.AccountID][]policy.Rule{}
	err := each(ctx, from, selectPolicies, func(row *sql.Rows) error {
		var account ident.AccountID
		var r policy.Rule
		if err := row.Scan(&account, &r.Reason, &r.Days, when{&r.Since}, when{&r.Until}); err != nil {
			return err
		}
		all[account] = append(all[account], r)
		return nil
	})
	return all, err
}

// KeysExpiredBy implements key.Store.
func (s *Store) KeysExpiredBy(ctx context.Context, by time.Time) ([]key.Ref, error) {
	return s.refs(ctx, keysExpiredBy, micros(by))
}

// KeysSetBy implements key.Store.
func (s *Store) KeysSetBy(ctx context.Context, account ident.AccountID, by time.Time) ([]key.Ref, error) {
	return s.refs(ctx, keysSetBy, account, micros(by))
}

// PreviousOverBy implements key.Store.
func (s *Store) PreviousOverBy(ctx context.Context, by time.Time) ([]key.Ref, error) {
	return s.refs(ctx, previousOverBy, micros(by))
}

// IdleTenants implements key.Store and notice.Store.
func (s *Store) IdleTenants(ctx context.Context) ([]ident.TenantID, error) {
	tenants, err := ids[ident.TenantID](ctx, s.reading, selectIdleTenants)
	return tenants, s.fault(err)
}

// IdleKeys implements key.Store.
func (s *Store) IdleKeys(ctx context.Context, tenant ident.TenantID, since time.Time, after key.Hold) ([]key.Hold, error) {
	held, err := holds(ctx, s.reading, listIdleKeys, tenant, micros(since), after.SecretSetAt.UnixMicro(), after.Key)
	return held, s.fault(err)
}

// refs reads a list of keys.
func (s *Store) refs(ctx context.Context, q query, args ...any) (list []key.Ref, err error) {
	err = each(ctx, s.reading, q, func(row *sql.Rows) error {
		var r key.Ref
		if err := row.Scan(&r.Tenant, &r.Key); err != nil {
			return err
		}
		list = append(list, r)
		return nil
	}, args...)
	return list, s.fault(err)
}

// ForgetDigests implements key.Tx.
func (t *Tx) ForgetDigests(ctx context.Context, id ident.KeyID, at time.Time) error {
	if err := t.exec(ctx, forgetDigests, id); err != nil {
		return err
	}
	return t.one(ctx, forgetKey, id, micros(at))
}
