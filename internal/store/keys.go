package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// keyColumns are scanned by scanKey, in this order.
const keyColumns = `k.id, k.number, k.tenant_id, k.name, k.description,
	k.owner_id, o.email, COALESCE(o.name, sa.name, su.name), su.external_id,
	COALESCE(sa.deleted_at, su.deleted_at, ended.ended_at), CASE WHEN o.id IS NOT NULL AND m.user_id IS NULL
	THEN k.created_at ELSE COALESCE(o.disabled_at, sa.disabled_at, su.disabled_at, m.disabled_at) END,
	k.created_by, c.email, COALESCE(c.name, mk.name), k.all_applications, k.delivery,
	k.created_at, k.updated_at, k.secret_set_at, k.expires_at, k.slot, used.last_used_at, used.last_used_ip,
	k.disabled_at, k.disabled_by, k.disabled_by_admin, k.enabled_at, k.forgotten_at, k.revoked_at, k.revoked_reason,
	k.allowed_cidrs, k.metadata`

const keyTables = ` FROM keys k LEFT JOIN users o ON o.id = k.owner_id
	LEFT JOIN service_accounts sa ON sa.id = k.owner_id LEFT JOIN subjects su ON su.id = k.owner_id
	LEFT JOIN members m ON m.tenant_id = k.tenant_id AND m.user_id = k.owner_id
	LEFT JOIN ended_owners ended ON ended.tenant_id = k.tenant_id AND ended.owner_id = k.owner_id
	LEFT JOIN users c ON c.id = k.created_by LEFT JOIN management_keys mk ON mk.id = k.created_by
	LEFT JOIN key_uses used ON used.key_id = k.id`

const (
	selectKey         query = `SELECT ` + keyColumns + keyTables + ` WHERE k.tenant_id = $1 AND k.id = $2`
	selectNumberedKey query = `SELECT ` + keyColumns + keyTables + ` WHERE k.tenant_id = $1 AND k.number = $2`
	selectSecrets     query = `SELECT key_id, position, serial, lookup, public_id, tag_version, last4, style, prefix,
		label, domain, set_at, set_by, until, last_used_at FROM key_secrets WHERE key_id IN ($1…)`
	selectGrants         query = `SELECT key_id, scope, application_id FROM key_grants WHERE key_id IN ($1…)`
	selectKeyOwners      query = `SELECT id, owner_id FROM keys WHERE tenant_id = $1 AND id IN ($2…)`
	selectKeyOwner       query = `SELECT owner_id FROM keys WHERE tenant_id = $1 AND id = $2`
	lockKey              query = `SELECT 1 FROM keys WHERE tenant_id = $1 AND id = $2`
	lockActiveMembership query = `SELECT 1 FROM members WHERE tenant_id = $1 AND user_id = $2 AND disabled_at IS NULL`
	selectSlotHolders    query = `SELECT id, slot, expires_at, secret_set_at FROM keys WHERE tenant_id = $1
		AND owner_id = $2 AND slot IS NOT NULL ORDER BY slot`
	selectHighestSlot query = `SELECT COALESCE(MAX(slot), 0) FROM keys WHERE tenant_id = $1 AND owner_id = $2`
	// countSlotHolders stops at a limit, which bounds its cost.
	countSlotHolders query = `SELECT COUNT(*)
		FROM (SELECT 1 FROM keys WHERE tenant_id = $1 AND owner_id = $2 AND slot IS NOT NULL LIMIT $3) held`
	freeExpiredSlots query = `UPDATE keys SET slot = NULL WHERE tenant_id = $1 AND owner_id = $2 AND slot IS NOT NULL
		AND (expires_at <= $3 OR secret_set_at <= $4)`
	freeSlots       query = `UPDATE keys SET slot = NULL WHERE id IN ($1…)`
	deleteKey       query = `DELETE FROM keys WHERE id = $1`
	deleteUses      query = `DELETE FROM key_uses WHERE key_id = $1`
	deleteScopeUses query = `DELETE FROM key_scope_uses WHERE key_id = $1`
	insertKeyScope  query = `INSERT INTO key_grants (key_id, tenant_id, scope) VALUES ($1, $2, $3)`
	insertKeyApp    query = `INSERT INTO key_grants (key_id, tenant_id, application_id) VALUES ($1, $2, $3)`
	deleteGrants    query = `DELETE FROM key_grants WHERE key_id = $1`

	insertKey query = `INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications,
		delivery, slot,
		created_at, updated_at, secret_set_at, expires_at, number, allowed_cidrs, metadata)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
	insertSecret query = `INSERT INTO key_secrets (key_id, position, serial, lookup, public_id, tag_version, last4,
		style, prefix, label, domain,
		digest, digest_version, copy, copy_version, set_at, set_by)
		VALUES ($1, 'current', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
	editKey query = `UPDATE keys SET name = $2, description = $3, all_applications = $4, expires_at = $5,
		updated_at = $6, allowed_cidrs = $7, metadata = $8 WHERE id = $1`
	// Revoking a key deletes the sealed copy of a recoverable secret. The digest stays, so that the
	// holder learns why the key is refused.
	revokeKey query = `UPDATE keys SET revoked_at = $2, revoked_by = $3, revoked_reason = $4, slot = NULL,
		updated_at = $2 WHERE id = $1`
	setDisabled query = `UPDATE keys SET disabled_at = $2, disabled_by = $3, disabled_by_admin = $4, enabled_at = $5,
		updated_at = $6 WHERE id = $1`
	// revokeKeysOf revokes all keys of an owner in a tenant. Keys that are already revoked keep
	// their reason.
	revokeKeysOf query = `UPDATE keys SET revoked_at = $3, revoked_by = $4, revoked_reason = $5, slot = NULL,
		updated_at = $3
		WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL`
	deleteCopiesOfOwner query = `UPDATE key_secrets SET copy = NULL, copy_version = NULL
		WHERE key_id IN (SELECT id FROM keys WHERE tenant_id = $1 AND owner_id = $2)`
	deleteKeysOf query = `DELETE FROM keys WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL`
	deleteUsesOf query = `DELETE FROM key_uses
		WHERE key_id IN (SELECT id FROM keys WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL)`
	deleteScopeUsesOf query = `DELETE FROM key_scope_uses
		WHERE key_id IN (SELECT id FROM keys WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL)`
	updateKeySecret query = `UPDATE keys SET slot = $2, secret_set_at = $3, expires_at = $4, updated_at = $5
		WHERE id = $1`
	// A secret that was replaced is never shown again.
	makeSecretPrevious query = `UPDATE key_secrets
		SET position = 'previous', until = $2, copy = NULL, copy_version = NULL WHERE key_id = $1
		AND position = 'current'`
	dropSecret    query = `DELETE FROM key_secrets WHERE key_id = $1 AND position = $2`
	updateKeyTime query = `UPDATE keys SET updated_at = $2 WHERE id = $1`
	deleteCopy    query = `UPDATE key_secrets SET copy = NULL, copy_version = NULL WHERE key_id = $1`
	// The rows that give authority are locked by Tx.lockRows.
	lockPerson              query = `SELECT 1 FROM users WHERE id = $1`
	lockAccountRoleInTenant query = `SELECT 1 FROM account_members WHERE user_id = $1
		AND account_id = (SELECT account_id FROM tenants WHERE id = $2)`
	selectAuthority query = `SELECT u.id, u.email, u.name, m.role, am.role FROM users u
		JOIN tenants t ON t.id = $1
		JOIN accounts a ON a.id = t.account_id AND a.disabled_at IS NULL
		LEFT JOIN members m ON m.tenant_id = t.id AND m.user_id = u.id AND m.disabled_at IS NULL
		LEFT JOIN account_members am ON am.account_id = t.account_id AND am.user_id = u.id
		WHERE u.id = $2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL`
)

// Key implements key.Store.
func (s *Store) Key(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (key.Key, error) {
	k, err := s.readKey(ctx, s.reading, selectKey, tenant, id)
	return k, s.fault(err)
}

// KeyByNumber implements key.Store.
func (s *Store) KeyByNumber(ctx context.Context, tenant ident.TenantID, number int64) (key.Key, error) {
	k, err := s.readKey(ctx, s.reading, selectNumberedKey, tenant, number)
	return k, s.fault(err)
}

// LockKey implements key.LockTx.
func (t *Tx) LockKey(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (key.Key, error) {
	if err := t.lockRow(ctx, lockKey, tenant, id); err != nil {
		return key.Key{}, err
	}
	k, err := t.store.readKey(ctx, t, selectKey, tenant, id)
	return k, t.store.fault(err)
}

// readKey runs a query over keyColumns that selects at most one key.
func (s *Store) readKey(ctx context.Context, from querier, q query, args ...any) (key.Key, error) {
	keys, err := s.readKeys(ctx, from, q, args...)
	if err == nil && len(keys) == 0 {
		err = fault.NotFound
	}
	if err != nil {
		return key.Key{}, err
	}
	return keys[0], nil
}

// readKeys runs a query over keyColumns and adds the secrets and grants of each key, and the last
// uses that are not on record yet.
func (s *Store) readKeys(ctx context.Context, from querier, q query, args ...any) (keys []key.Key, err error) {
	keys, err = collect(ctx, from, q, scanKey, args...)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	place := make(map[ident.KeyID]*key.Key, len(keys))
	ids := make([]ident.KeyID, len(keys))
	for i := range keys {
		ids[i], place[keys[i].ID] = keys[i].ID, &keys[i]
	}
	if err := s.addSecrets(ctx, from, ids, place); err != nil {
		return nil, err
	}
	if err := addGrants(ctx, from, ids, place); err != nil {
		return nil, err
	}
	s.addUses(keys)
	if err := addOpenClaims(ctx, from, keys); err != nil {
		return nil, err
	}
	return keys, addStewards(ctx, from, keys)
}

func scanKey(row scanner) (k key.Key, err error) {
	err = row.Scan(&k.ID, nullInt{&k.Number}, &k.Tenant, &k.Name, &k.Description, &k.Owner.ID,
		nullString(&k.Owner.Email),
		nullString(&k.Owner.Name), nullString(&k.Owner.ExternalID), nullTime{&k.OwnerDeletedAt},
		isSet{&k.OwnerDisabled},
		&k.CreatedBy.ID, nullString(&k.CreatedBy.Email), nullString(&k.CreatedBy.Name), &k.Applications.All,
		&k.Delivery,
		nullTime{&k.CreatedAt}, nullTime{&k.UpdatedAt}, nullTime{&k.SecretSetAt}, nullTime{&k.ExpiresAt},
		nullInt{&k.Slot},
		nullTime{&k.LastUsedAt}, nullString(&k.LastUsedIP),
		nullTime{&k.DisabledAt}, nullString(&k.DisabledBy), &k.DisabledByAdmin, nullTime{&k.EnabledAt},
		nullTime{&k.ForgottenAt},
		nullTime{&k.RevokedAt}, nullString(&k.RevokedReason),
		storedAddresses{&k.Addresses}, storedMetadata{&k.Metadata})
	return k, err
}

func (s *Store) addSecrets(
	ctx context.Context, from querier, ids []ident.KeyID, place map[ident.KeyID]*key.Key,
) error {
	q, args := expand(selectSecrets, 1, ids)
	return forEachRow(ctx, from, q, func(row *sql.Rows) error {
		var id ident.KeyID
		var position string
		var read key.Secret
		var old key.Previous
		err := row.Scan(&id, &position, &read.Serial, &read.Lookup, &read.PublicID, &read.TagVersion, &read.Last4,
			&read.Shape.Style, &read.Shape.Prefix, &read.Shape.Label, &read.Shape.Domain,
			nullTime{&old.SetAt}, nullString(&read.SetBy), nullTime{&old.Until}, nullTime{&old.LastUsedAt})
		if err != nil {
			return err
		}
		k := place[id]
		k.Lookups = append(k.Lookups, read.Lookup)
		if position == "current" {
			k.PublicID = read.PublicID
			k.Last4 = read.Last4
			k.Shape = read.Shape
			k.Serial = read.Serial
			k.TagVersion = read.TagVersion
			k.SetBy = read.SetBy
		} else {
			old.PublicID, old.Last4 = read.PublicID, read.Last4
			old.SetBy = read.SetBy
			s.addPreviousUse(id, read.Serial, &old)
			k.Previous = old
		}
		return nil
	}, args...)
}

func addGrants(ctx context.Context, from querier, ids []ident.KeyID, place map[ident.KeyID]*key.Key) error {
	q, args := expand(selectGrants, 1, ids)
	err := forEachRow(ctx, from, q, func(row *sql.Rows) error {
		var id ident.KeyID
		var granted scope.Scope
		var application string
		if err := row.Scan(&id, nullString(&granted), nullString(&application)); err != nil {
			return err
		}
		k := place[id]
		if granted != "" {
			k.Scopes = append(k.Scopes, granted)
		} else {
			k.Applications.IDs = append(k.Applications.IDs, application)
		}
		return nil
	}, args...)
	for _, k := range place {
		k.Scopes = scope.NewSet(k.Scopes...)
	}
	return err
}

// LockPeople implements account.Tx.
func (t *Tx) LockPeople(ctx context.Context, people ...ident.UserID) error {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(people))) {
		if err := t.lockRows(ctx, lockPerson, id); err != nil {
			return err
		}
	}
	return nil
}

// Authority implements key.AuthorityTx and tenancy.AuthorityTx.
func (t *Tx) Authority(ctx context.Context, tenant ident.TenantID,
	user ident.UserID,
) (a principal.Authority, err error) {
	if err := t.lockRows(ctx, lockPerson, user); err != nil {
		return a, err
	}
	if err := t.lockRows(ctx, lockAccountRoleInTenant, user, tenant); err != nil {
		return a, err
	}
	if err := t.lockRows(ctx, lockActiveMembership, tenant, user); err != nil {
		return a, err
	}
	err = t.row(ctx, selectAuthority, tenant, user).
		Scan(&a.Person.ID, nullString(&a.Person.Email), nullString(&a.Person.Name), nullString(&a.Member),
			nullString(&a.Account))
	if errors.Is(err, sql.ErrNoRows) {
		return principal.Authority{}, nil
	}
	return a, err
}

// KeyRight implements tenancy.KeyRightTx.
func (t *Tx) KeyRight(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (r tenancy.KeyRight, err error) {
	owner, err := t.KeyOwner(ctx, tenant, id)
	if err != nil {
		return r, err
	}
	if err := t.readOwnerRight(ctx, tenant, owner, &r); err != nil { // the owner is locked before the key
		return r, err
	}
	k, err := t.LockKey(ctx, tenant, id)
	if err != nil {
		return r, err
	}
	r.Owner.Ended = r.Owner.Ended || !k.OwnerDeletedAt.IsZero()
	r.Scopes, r.Applications = k.Scopes, k.Applications
	r.Addresses, r.Serial = k.Addresses, k.Serial
	r.OwnSecret, r.OwnPrevious = k.OwnerSetSecret(), k.OwnerSetPrevious()
	r.Dates = policy.KeyDates{
		RevokedAt: k.RevokedAt, DisabledAt: k.DisabledAt, ExpiresAt: k.ExpiresAt, SecretSetAt: k.SecretSetAt,
		Slot: k.Slot,
	}
	r.Previous = policy.SecretDates{Previous: true, SetAt: k.Previous.SetAt, Until: k.Previous.Until}
	return r, nil
}

// readOwnerRight reads and locks what the owner of a key may do.
func (t *Tx) readOwnerRight(ctx context.Context, tenant ident.TenantID, id ident.PartyID,
	r *tenancy.KeyRight,
) (err error) {
	if user := id.User(); user != "" {
		r.Person, err = t.Authority(ctx, tenant, user)
		// A person who is disabled or deleted has no authority, and therefore no membership.
		r.Owner = policy.Dependencies{Owner: r.Person.Person.ID != "", Member: r.Person.Member != ""}
		return err
	}
	owner, err := t.Owner(ctx, tenant, id)
	r.Rights = owner.Rights
	r.Owner = policy.Dependencies{Owner: owner.Active, Member: true, Ended: !owner.Exists}
	return err
}

// KeyOwners implements tenancy.Store.
func (s *Store) KeyOwners(ctx context.Context, tenant ident.TenantID,
	keys []ident.KeyID,
) (map[ident.KeyID]ident.PartyID, error) {
	owners := map[ident.KeyID]ident.PartyID{}
	if len(keys) == 0 {
		return owners, nil
	}
	q, args := expand(selectKeyOwners, 2, keys, tenant)
	err := forEachRow(ctx, s.reading, q, func(row *sql.Rows) error {
		var id ident.KeyID
		var owner ident.PartyID
		if err := row.Scan(&id, &owner); err != nil {
			return err
		}
		owners[id] = owner
		return nil
	}, args...)
	return owners, s.fault(err)
}

// KeyOwner implements key.ChangeTx.
func (t *Tx) KeyOwner(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (owner ident.PartyID, err error) {
	err = t.row(ctx, selectKeyOwner, tenant, id).Scan(&owner)
	return owner, t.store.fault(err)
}

// SlotHolders implements key.SlotTx.
func (t *Tx) SlotHolders(ctx context.Context, tenant ident.TenantID, owner ident.PartyID) ([]key.SlotHolder, error) {
	return slotHolders(ctx, t, selectSlotHolders, tenant, owner)
}

func slotHolders(ctx context.Context, from querier, q query, args ...any) (held []key.SlotHolder, err error) {
	err = forEachRow(ctx, from, q, func(row *sql.Rows) error {
		var h key.SlotHolder
		if err := row.Scan(&h.Key, nullInt{&h.Slot}, nullTime{&h.ExpiresAt}, nullTime{&h.SecretSetAt}); err != nil {
			return err
		}
		held = append(held, h)
		return nil
	}, args...)
	return held, err
}

// HighestSlot implements key.SlotTx.
func (t *Tx) HighestSlot(ctx context.Context, tenant ident.TenantID, owner ident.PartyID) (slot int64, err error) {
	err = t.row(ctx, selectHighestSlot, tenant, owner).Scan(&slot)
	return slot, err
}

// CountSlotHolders implements key.SlotTx.
func (t *Tx) CountSlotHolders(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, most int) (int, error) {
	return t.countUpTo(ctx, countSlotHolders, tenant, owner, most)
}

// FreeExpiredSlots implements key.SlotTx.
func (t *Tx) FreeExpiredSlots(
	ctx context.Context, tenant ident.TenantID, owner ident.PartyID, expiredBy, setBy time.Time,
) error {
	return t.exec(ctx, freeExpiredSlots, tenant, owner, expiredBy.UnixMicro(), setBy.UnixMicro())
}

// FreeSlots implements key.SlotTx.
func (t *Tx) FreeSlots(ctx context.Context, keys []ident.KeyID) error {
	q, args := expand(freeSlots, 1, keys)
	return t.exec(ctx, q, args...)
}

// NextKeyNumber implements key.CreateTx.
func (t *Tx) NextKeyNumber(ctx context.Context) (int64, error) { return t.nextNumber(ctx, "key") }

// InsertKey implements key.CreateTx.
func (t *Tx) InsertKey(ctx context.Context, k key.Key, s key.Secret) error {
	err := t.markSlotTaken(t.exec(ctx, insertKey, k.ID, k.Tenant, k.Owner.ID, k.CreatedBy.ID, k.Name, k.Description,
		k.Applications.All, string(k.Delivery), nullIfZero(k.Slot),
		micros(k.CreatedAt), micros(k.UpdatedAt), micros(k.SecretSetAt), micros(k.ExpiresAt), nullIfZero(k.Number),
		addressesText(k.Addresses), nullIfEmpty(k.Metadata.Text())))
	if err != nil {
		return err
	}
	if err := t.insertSecret(ctx, k.ID, s); err != nil {
		return err
	}
	if err := t.indexKey(ctx, k.Tenant, k.ID, k.Name, s.PublicID); err != nil {
		return err
	}
	return t.insertGrants(ctx, k)
}

func (t *Tx) insertSecret(ctx context.Context, id ident.KeyID, s key.Secret) error {
	digest, digestVersion := nullIfUnsealed(s.Digest)
	secret, copyVersion := nullIfUnsealed(s.Copy)
	return t.exec(ctx, insertSecret, id, s.Serial, s.Lookup, s.PublicID, s.TagVersion, s.Last4, string(s.Shape.Style),
		s.Shape.Prefix, s.Shape.Label, s.Shape.Domain,
		digest, digestVersion, secret, copyVersion, micros(s.SetAt), nullIfEmpty(s.SetBy))
}

// nullIfUnsealed stores a missing sealed text as NULL: the digest of a secret that nobody has
// claimed yet, or the copy of a secret that is shown once.
func nullIfUnsealed(s credential.Sealed) (text, version any) {
	if len(s.Bytes) == 0 {
		return nil, nil
	}
	return s.Bytes, s.Version
}

// markSlotTaken marks a duplicate as contention, so that the change runs again. Only a slot that
// another transaction took meanwhile can be a duplicate here.
func (t *Tx) markSlotTaken(err error) error {
	if t.store.backend.Classify(err) == Duplicate {
		return errors.Join(errContention, err)
	}
	return err
}

// insertGrants inserts the scopes and applications of a key.
func (t *Tx) insertGrants(ctx context.Context, k key.Key) error {
	for _, name := range k.Scopes {
		if err := t.exec(ctx, insertKeyScope, k.ID, k.Tenant, string(name)); err != nil {
			return err
		}
	}
	for _, id := range k.Applications.IDs {
		if err := t.exec(ctx, insertKeyApp, k.ID, k.Tenant, id); err != nil {
			return err
		}
	}
	return nil
}

// EditKey implements key.ChangeTx.
func (t *Tx) EditKey(ctx context.Context, k key.Key) error {
	err := t.runOne(ctx, editKey, k.ID, k.Name, k.Description, k.Applications.All, micros(k.ExpiresAt),
		micros(k.UpdatedAt), addressesText(k.Addresses), nullIfEmpty(k.Metadata.Text()))
	if err != nil {
		return err
	}
	if err := t.reindexKey(ctx, k.Tenant, k.ID, k.Name, k.PublicID); err != nil {
		return err
	}
	if err := t.exec(ctx, deleteGrants, k.ID); err != nil {
		return err
	}
	return t.insertGrants(ctx, k)
}

// ReplaceSecret implements key.SecretTx.
func (t *Tx) ReplaceSecret(ctx context.Context, k key.Key, s key.Secret) error {
	if err := t.exec(ctx, dropSecret, k.ID, "previous"); err != nil {
		return err
	}
	retire, args := dropSecret, []any{k.ID, "current"}
	if !k.Previous.Until.IsZero() {
		retire, args = makeSecretPrevious, []any{k.ID, micros(k.Previous.Until)}
	}
	if err := t.runOne(ctx, retire, args...); err != nil {
		return err
	}
	if err := t.insertSecret(ctx, k.ID, s); err != nil {
		return err
	}
	if err := t.reindexKey(ctx, k.Tenant, k.ID, k.Name, s.PublicID); err != nil {
		return err
	}
	return t.markSlotTaken(t.runOne(ctx, updateKeySecret, k.ID, nullIfZero(k.Slot), micros(k.SecretSetAt),
		micros(k.ExpiresAt),
		micros(k.UpdatedAt)))
}

// EndPrevious implements key.EndTx.
func (t *Tx) EndPrevious(ctx context.Context, id ident.KeyID, at time.Time) error {
	if err := t.runOne(ctx, dropSecret, id, "previous"); err != nil {
		return err
	}
	return t.runOne(ctx, updateKeyTime, id, micros(at))
}

// RevokeKey implements key.EndTx.
func (t *Tx) RevokeKey(ctx context.Context, id ident.KeyID, at time.Time, by ident.PartyID, reason string) error {
	if err := t.runOne(ctx, revokeKey, id, micros(at), nullIfEmpty(by), nullIfEmpty(reason)); err != nil {
		return err
	}
	return t.exec(ctx, deleteCopy, id)
}

// RevokeKeysOf implements identity.DeleteTx, tenancy.MemberTx and journal.KeyTx. It ends the user
// as an owner of keys in the tenant. Nodes of the version before this one do not know owners that
// ended: until the upgrade is finished, it writes the rows of all keys.
func (t *Tx) RevokeKeysOf(ctx context.Context, tenant ident.TenantID, owner ident.UserID, mode policy.RevokeMode,
	at time.Time, by ident.UserID, reason string,
) (int64, error) {
	upgraded, err := t.store.isUpgraded(ctx, t)
	if err != nil {
		return 0, err
	}
	if !upgraded {
		return t.revokeAllKeysOf(ctx, tenant, owner, mode, at, by, reason)
	}
	n, err := t.EndOwner(ctx, tenancy.EndedOwner{
		Tenant: tenant, ID: ident.PartyID(owner), At: at, By: ident.PartyID(by), Reason: reason,
	}, mode)
	return int64(n), err
}

// revokeAllKeysOf does for all keys of a user in a tenant what [Tx.RevokeKey] and [Tx.DeleteKey] do
// for one key.
func (t *Tx) revokeAllKeysOf(ctx context.Context, tenant ident.TenantID, owner ident.UserID, mode policy.RevokeMode,
	at time.Time, by ident.UserID, reason string,
) (int64, error) {
	revoke := revokeKeysOf
	args := []any{micros(at), nullIfEmpty(by), nullIfEmpty(reason)}
	besides := []query{deleteCopiesOfOwner}
	if mode == policy.Delete {
		revoke = deleteKeysOf
		args = nil
		besides = []query{deleteUsesOf, deleteScopeUsesOf, deleteWordsOfOwner}
	}
	for _, q := range besides {
		if err := t.exec(ctx, q, tenant, owner); err != nil {
			return 0, err
		}
	}
	return t.count(ctx, revoke, append([]any{tenant, owner}, args...)...)
}

// DeleteKey implements key.EndTx.
func (t *Tx) DeleteKey(ctx context.Context, id ident.KeyID) error {
	for _, q := range []query{deleteUses, deleteScopeUses, deleteWords} {
		if err := t.exec(ctx, q, id); err != nil {
			return err
		}
	}
	return t.runOne(ctx, deleteKey, id)
}

// SetDisabled implements key.EndTx.
func (t *Tx) SetDisabled(ctx context.Context, k key.Key) error {
	return t.runOne(ctx, setDisabled, k.ID, micros(k.DisabledAt), nullIfEmpty(k.DisabledBy), k.DisabledByAdmin,
		micros(k.EnabledAt), micros(k.UpdatedAt))
}
