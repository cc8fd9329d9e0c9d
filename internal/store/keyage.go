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

// idleSince is a condition for keys of tenant $1 that are usable and were not used, enabled or set
// after $2. The batch goes from ($3, $4) to ($5, $6) and ends before $2. The times are compared
// once more alone, because PostgreSQL cannot estimate how few rows lie between two pairs.
const idleSince = `k.tenant_id = $1 AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.disabled_at IS NULL
		AND k.secret_set_at >= $3 AND k.secret_set_at <= $5 AND (k.secret_set_at, k.id) > ($3, $4)
		AND (k.secret_set_at, k.id) <= ($5, $6)
		AND COALESCE(k.enabled_at, 0) <= $2 AND COALESCE(used.last_used_at, 0) <= $2 ORDER BY k.secret_set_at, k.id`

// These queries return at most a hundred keys by their age. Each uses an index of its own.
const (
	keysExpiredBy query = `SELECT tenant_id, id FROM keys WHERE revoked_at IS NULL AND forgotten_at IS NULL
		AND expires_at <= $1 ORDER BY expires_at, id LIMIT 100`
	// keysSetBy has no order: an index finds the keys of each tenant, and keys of several tenants
	// would have to be sorted.
	keysSetBy query = `SELECT k.tenant_id, k.id FROM tenants t CROSS JOIN keys k WHERE t.account_id = $1
		AND k.tenant_id = t.id
		AND k.revoked_at IS NULL AND k.forgotten_at IS NULL AND k.secret_set_at <= $2 LIMIT 100`
	previousOverBy query = `SELECT k.tenant_id, k.id FROM key_secrets s CROSS JOIN keys k
		WHERE k.id = s.key_id AND s.position = 'previous' AND s.until <= $1 ORDER BY s.until, s.key_id LIMIT 100`
	selectIdleTenants query = `SELECT id FROM tenants WHERE idle_since IS NOT NULL ORDER BY id`
	listIdleKeys      query = `SELECT k.id, k.slot, k.expires_at, k.secret_set_at FROM keys k` + keyUses + `
		WHERE ` + idleSince
	// selectLastOfBatch returns the last key of a full batch; no row if the batch is not full.
	selectLastOfBatch query = `SELECT secret_set_at, id FROM keys WHERE tenant_id = $1 AND revoked_at IS NULL
		AND forgotten_at IS NULL
		AND secret_set_at >= $3 AND secret_set_at <= $2 AND (secret_set_at, id) > ($3, $4) ORDER BY secret_set_at, id
		LIMIT 1 OFFSET $5`
	selectPolicies query = `SELECT account_id, reason, days, since, until FROM policy_rules ORDER BY account_id, serial`

	markKeyForgotten query = `UPDATE keys SET forgotten_at = $2, slot = NULL WHERE id = $1`
	deleteDigests    query = `UPDATE key_secrets
		SET digest = NULL, digest_version = NULL, copy = NULL, copy_version = NULL WHERE key_id = $1`
)

// Policies implements key.SweepStore and notice.Store.
func (s *Store) Policies(ctx context.Context) (map[ident.AccountID][]policy.Rule, error) {
	all, err := policiesOf(ctx, s.reading)
	return all, s.fault(err)
}

// policiesOf reads the rules of all accounts that have rules.
func policiesOf(ctx context.Context, from querier) (map[ident.AccountID][]policy.Rule, error) {
	all := map[ident.AccountID][]policy.Rule{}
	err := forEachRow(ctx, from, selectPolicies, func(row *sql.Rows) error {
		var account ident.AccountID
		var r policy.Rule
		if err := row.Scan(&account, &r.Reason, &r.Days, nullTime{&r.Since}, nullTime{&r.Until}); err != nil {
			return err
		}
		all[account] = append(all[account], r)
		return nil
	})
	return all, err
}

// KeysExpiredBy implements key.SweepStore.
func (s *Store) KeysExpiredBy(ctx context.Context, by time.Time) ([]key.Ref, error) {
	return s.listRefs(ctx, keysExpiredBy, micros(by))
}

// KeysSetBy implements key.SweepStore.
func (s *Store) KeysSetBy(ctx context.Context, account ident.AccountID, by time.Time) ([]key.Ref, error) {
	return s.listRefs(ctx, keysSetBy, account, micros(by))
}

// KeysWithPreviousEndedBy implements key.SweepStore.
func (s *Store) KeysWithPreviousEndedBy(ctx context.Context, by time.Time) ([]key.Ref, error) {
	return s.listRefs(ctx, previousOverBy, micros(by))
}

// IdleTenants implements key.SweepStore and notice.Store.
func (s *Store) IdleTenants(ctx context.Context) ([]ident.TenantID, error) {
	tenants, err := ids[ident.TenantID](ctx, s.reading, selectIdleTenants)
	return tenants, s.fault(err)
}

// IdleKeys implements key.SweepStore.
func (s *Store) IdleKeys(
	ctx context.Context, tenant ident.TenantID, since time.Time, after key.Position,
) (idle []key.SlotHolder, last *key.Position, err error) {
	last, err = s.lastOfBatch(ctx, tenant, since, after)
	if err != nil {
		return nil, nil, err
	}
	idle, err = slotHolders(ctx, s.reading, listIdleKeys, batchArgs(tenant, since, after, last)...)
	return idle, last, s.fault(err)
}

// lastOfBatch returns the position of the last key in the batch after a position; nil for the last
// batch.
func (s *Store) lastOfBatch(
	ctx context.Context, tenant ident.TenantID, since time.Time, after key.Position,
) (*key.Position, error) {
	return s.lastPosition(ctx, selectLastOfBatch, tenant, micros(since), after.At.UnixMicro(), after.Key,
		policy.TraversalPageSize-1)
}

// lastID sorts after every id.
const lastID = "~"

// batchArgs returns the arguments of a query over idleSince for one batch. The position of the zero
// time is before all others.
func batchArgs(tenant ident.TenantID, since time.Time, after key.Position, last *key.Position) []any {
	args := []any{tenant, micros(since), after.At.UnixMicro(), after.Key}
	if last == nil {
		return append(args, micros(since), lastID)
	}
	return append(args, last.At.UnixMicro(), last.Key)
}

// listRefs returns the tenants and ids of the keys that a query finds.
func (s *Store) listRefs(ctx context.Context, q query, args ...any) (list []key.Ref, err error) {
	err = forEachRow(ctx, s.reading, q, func(row *sql.Rows) error {
		var r key.Ref
		if err := row.Scan(&r.Tenant, &r.Key); err != nil {
			return err
		}
		list = append(list, r)
		return nil
	}, args...)
	return list, s.fault(err)
}

// ForgetDigests implements key.SweepTx.
func (t *Tx) ForgetDigests(ctx context.Context, id ident.KeyID, at time.Time) error {
	if err := t.exec(ctx, deleteDigests, id); err != nil {
		return err
	}
	return t.runOne(ctx, markKeyForgotten, id, micros(at))
}
