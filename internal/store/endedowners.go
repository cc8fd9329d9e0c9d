package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

const (
	// countKeysToEnd stops at a limit, which bounds its cost.
	countKeysToEnd query = `SELECT COUNT(*) FROM (SELECT 1 FROM keys WHERE tenant_id = $1 AND owner_id = $2
		AND revoked_at IS NULL LIMIT $3) counted`
	selectKeysToEnd query = `SELECT created_at, id FROM keys WHERE tenant_id = $1 AND owner_id = $2
		AND (created_at, id) > ($3, $4) AND revoked_at IS NULL ORDER BY created_at, id LIMIT $5`
	insertEndedOwner query = `INSERT INTO ended_owners (tenant_id, owner_id, ended_at, ended_by, reason)
		VALUES ($1, $2, $3, $4, $5)`
	selectEndedOwner query = `SELECT tenant_id, owner_id, ended_at, ended_by, reason FROM ended_owners
		WHERE tenant_id = $1 AND owner_id = $2`
	listEndedOwners query = `SELECT tenant_id, owner_id, ended_at, ended_by, reason FROM ended_owners
		ORDER BY ended_at, tenant_id, owner_id LIMIT 100`
	lockEndedOwner   query = `SELECT 1 FROM ended_owners WHERE tenant_id = $1 AND owner_id = $2`
	deleteEndedOwner query = `DELETE FROM ended_owners WHERE tenant_id = $1 AND owner_id = $2`

	// These do for some keys of an owner what RevokeKey and DeleteKey do for one.
	revokeTheseKeys query = `UPDATE keys SET revoked_at = $1, revoked_by = $2, revoked_reason = $3, slot = NULL,
		updated_at = $1 WHERE id IN ($4…)`
	deleteTheseCopies    query = `UPDATE key_secrets SET copy = NULL, copy_version = NULL WHERE key_id IN ($1…)`
	deleteTheseUses      query = `DELETE FROM key_uses WHERE key_id IN ($1…)`
	deleteTheseScopeUses query = `DELETE FROM key_scope_uses WHERE key_id IN ($1…)`
	deleteTheseKeys      query = `DELETE FROM keys WHERE id IN ($1…)`
)

// maxEndedCounted bounds the number that EndOwner returns.
const maxEndedCounted = 10_000

// EndOwner implements tenancy.EndOwnerTx.
func (t *Tx) EndOwner(ctx context.Context, o tenancy.EndedOwner, mode policy.RevokeMode) (int, error) {
	ended, err := t.hasEnded(ctx, o.Tenant, o.ID)
	if err != nil || ended { // a user who left the tenant a moment ago
		return 0, err
	}
	all, err := t.countUpTo(ctx, countKeysToEnd, o.Tenant, o.ID, maxEndedCounted)
	if err != nil {
		return 0, err
	}
	written, _, err := t.revokeNextKeys(ctx, o, mode, tenancy.KeyPosition{}, tenancy.MaxEndedAtOnce-t.endedKeys)
	t.endedKeys += written
	if err != nil || written == all {
		return all, err
	}
	return all, t.exec(ctx, insertEndedOwner, o.Tenant, o.ID, micros(o.At), nullIfEmpty(o.By), o.Reason)
}

// hasEnded reports whether a job revokes the keys of an owner.
func (t *Tx) hasEnded(ctx context.Context, tenant ident.TenantID, id ident.PartyID) (bool, error) {
	_, err := scanEndedOwner(t.row(ctx, selectEndedOwner, tenant, id))
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// checkNotEnding returns fault.Conflict while a job revokes the keys of an owner.
func (t *Tx) checkNotEnding(ctx context.Context, tenant ident.TenantID, id ident.PartyID) error {
	ended, err := t.hasEnded(ctx, tenant, id)
	if err != nil || !ended {
		return err
	}
	return fault.Retry(fault.Conflict, endedOwnerRetry,
		"The person left this tenant, and their keys are still being revoked. Try again in a moment.")
}

// endedOwnerRetry is when a person may join again whose keys are being revoked.
const endedOwnerRetry = 5 * time.Second

// LockEndedOwner implements tenancy.EndedOwnersTx.
func (t *Tx) LockEndedOwner(ctx context.Context, tenant ident.TenantID,
	id ident.PartyID,
) (tenancy.EndedOwner, error) {
	if err := t.lockRow(ctx, lockEndedOwner, tenant, id); err != nil {
		return tenancy.EndedOwner{}, err
	}
	return scanEndedOwner(t.row(ctx, selectEndedOwner, tenant, id))
}

// RevokeEnded implements tenancy.EndedOwnersTx.
func (t *Tx) RevokeEnded(ctx context.Context, o tenancy.EndedOwner, mode policy.RevokeMode,
	after tenancy.KeyPosition,
) (n int, last *tenancy.KeyPosition, err error) {
	n, last, err = t.revokeNextKeys(ctx, o, mode, after, tenancy.MaxEndedAtOnce)
	if err == nil && last == nil {
		err = t.runOne(ctx, deleteEndedOwner, o.Tenant, o.ID)
	}
	return n, last, err
}

// revokeNextKeys revokes up to most keys of an owner after a position, and returns how many and the
// position of the last; nil if there are no more.
func (t *Tx) revokeNextKeys(ctx context.Context, o tenancy.EndedOwner, mode policy.RevokeMode,
	after tenancy.KeyPosition, most int,
) (n int, last *tenancy.KeyPosition, err error) {
	found, err := collect(ctx, t, selectKeysToEnd, scanKeyPosition, o.Tenant, o.ID, after.At.UnixMicro(), after.ID,
		most)
	if err != nil || len(found) == 0 {
		return 0, nil, err
	}
	ids := make([]ident.KeyID, len(found))
	for i, k := range found {
		ids[i] = k.ID
	}
	if err := t.endKeys(ctx, ids, o, mode); err != nil {
		return 0, nil, err
	}
	if len(found) == most {
		last = &found[len(found)-1]
	}
	return len(found), last, nil
}

// endKeys revokes the keys, or deletes them.
func (t *Tx) endKeys(ctx context.Context, ids []ident.KeyID, o tenancy.EndedOwner, mode policy.RevokeMode) error {
	changes := []query{deleteTheseCopies}
	if mode == policy.Delete {
		changes = []query{deleteTheseUses, deleteTheseScopeUses, deleteTheseWords, deleteTheseKeys}
	}
	for _, q := range changes {
		q, args := expand(q, 1, ids)
		if err := t.exec(ctx, q, args...); err != nil {
			return err
		}
	}
	if mode == policy.Delete {
		return nil
	}
	q, args := expand(revokeTheseKeys, 4, ids, micros(o.At), nullIfEmpty(o.By), nullIfEmpty(o.Reason))
	return t.exec(ctx, q, args...)
}

// EndedOwners implements tenancy.EndedOwnersStore.
func (s *Store) EndedOwners(ctx context.Context) ([]tenancy.EndedOwner, error) {
	list, err := collect(ctx, s.reading, listEndedOwners, scanEndedOwner)
	return list, s.fault(err)
}

func scanEndedOwner(row scanner) (o tenancy.EndedOwner, err error) {
	err = row.Scan(&o.Tenant, &o.ID, nullTime{&o.At}, nullString(&o.By), &o.Reason)
	return o, err
}

func scanKeyPosition(row scanner) (k tenancy.KeyPosition, err error) {
	err = row.Scan(nullTime{&k.At}, &k.ID)
	return k, err
}
