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
	"github.com/claviger-dev/claviger/internal/text"
)

// keyColumns are scanned by scanKey, in this order.
const keyColumns = `k.id, k.tenant_id, k.name, k.description, o.id, o.email, o.name, c.id, c.email, c.name, k.all_applications, k.delivery,
	k.created_at, k.updated_at, k.secret_set_at, k.expires_at, k.slot, used.last_used_at, used.last_used_ip, k.disabled_at, k.disabled_by, k.disabled_by_admin, k.enabled_at, k.forgotten_at, k.revoked_at, k.revoked_reason`

const keyTables = ` FROM keys k JOIN users o ON o.id = k.owner_id JOIN users c ON c.id = k.created_by LEFT JOIN key_uses used ON used.key_id = k.id`

// Parts of the lists: where a page begins, what is looked for, and how it runs.
const (
	tenantKeys = ` WHERE k.tenant_id = $1 AND (k.created_at, k.id) < ($2, $3)`
	// ownKeys begin with the keys: SQLite keeps the order of a CROSS JOIN, and from the memberships it would have to sort.
	ownKeys = ` FROM keys k CROSS JOIN members m CROSS JOIN tenants t CROSS JOIN accounts a CROSS JOIN users o CROSS JOIN users c
		LEFT JOIN key_uses used ON used.key_id = k.id
		WHERE m.tenant_id = k.tenant_id AND m.user_id = k.owner_id AND m.disabled_at IS NULL AND t.id = k.tenant_id AND t.disabled_at IS NULL
		AND a.id = t.account_id AND a.disabled_at IS NULL AND o.id = k.owner_id AND c.id = k.created_by
		AND k.owner_id = $1 AND (k.created_at, k.id) < ($2, $3)`
	matchingKeys = ` AND (k.search LIKE $5 ESCAPE '\' OR o.canonical_email LIKE $5 ESCAPE '\')`
	newestKeys   = ` ORDER BY k.created_at DESC, k.id DESC LIMIT $4`
)

const (
	selectKey       query = `SELECT ` + keyColumns + keyTables + ` WHERE k.tenant_id = $1 AND k.id = $2`
	listKeys        query = `SELECT ` + keyColumns + keyTables + tenantKeys + newestKeys
	listKeysOf      query = `SELECT ` + keyColumns + keyTables + tenantKeys + ` AND k.owner_id = $5` + newestKeys
	searchKeys      query = `SELECT ` + keyColumns + keyTables + tenantKeys + matchingKeys + newestKeys
	searchKeysOf    query = `SELECT ` + keyColumns + keyTables + tenantKeys + matchingKeys + ` AND k.owner_id = $6` + newestKeys
	listOwnKeys     query = `SELECT ` + keyColumns + ownKeys + newestKeys
	searchOwnKeys   query = `SELECT ` + keyColumns + ownKeys + matchingKeys + newestKeys
	selectSecrets   query = `SELECT key_id, position, serial, lookup, public_id, tag_version, last4, style, prefix, label, domain, set_at, until, last_used_at FROM key_secrets WHERE key_id IN ($1…)`
	selectGrants    query = `SELECT key_id, scope, application_id FROM key_grants WHERE key_id IN ($1…)`
	selectKeyOwner  query = `SELECT owner_id FROM keys WHERE tenant_id = $1 AND id = $2`
	lockKey         query = `UPDATE keys SET updated_at = updated_at WHERE tenant_id = $1 AND id = $2`
	lockMember      query = `UPDATE members SET updated_at = updated_at WHERE tenant_id = $1 AND user_id = $2 AND disabled_at IS NULL`
	selectHolds     query = `SELECT id, slot, expires_at, secret_set_at FROM keys WHERE tenant_id = $1 AND owner_id = $2 AND slot IS NOT NULL ORDER BY slot`
	selectHighest   query = `SELECT COALESCE(MAX(slot), 0) FROM keys WHERE tenant_id = $1 AND owner_id = $2`
	freeSlots       query = `UPDATE keys SET slot = NULL WHERE id IN ($1…)`
	deleteKey       query = `DELETE FROM keys WHERE id = $1`
	deleteUses      query = `DELETE FROM key_uses WHERE key_id = $1`
	deleteScopeUses query = `DELETE FROM key_scope_uses WHERE key_id = $1`
	insertKeyScope  query = `INSERT INTO key_grants (key_id, scope) VALUES ($1, $2)`
	insertKeyApp    query = `INSERT INTO key_grants (key_id, application_id) VALUES ($1, $2)`
	deleteGrants    query = `DELETE FROM key_grants WHERE key_id = $1`

	insertKey query = `INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, search, all_applications, delivery, slot,
		created_at, updated_at, secret_set_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
	insertSecret query = `INSERT INTO key_secrets (key_id, position, serial, lookup, public_id, tag_version, last4, style, prefix, label, domain,
		digest, digest_version, copy, copy_version, set_at)
		VALUES ($1, 'current', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`
	editKey query = `UPDATE keys SET name = $2, description = $3, search = $4, all_applications = $5, expires_at = $6, updated_at = $7 WHERE id = $1`
	// The sealed copy of a recoverable secret goes with the key's authority; the digest stays, so that the holder is told why.
	revokeKey   query = `UPDATE keys SET revoked_at = $2, revoked_by = $3, revoked_reason = $4, slot = NULL, updated_at = $2 WHERE id = $1`
	setDisabled query = `UPDATE keys SET disabled_at = $2, disabled_by = $3, disabled_by_admin = $4, enabled_at = $5, updated_at = $6 WHERE id = $1`
	// All of an owner in a tenant at once; what is revoked already keeps its reason.
	revokeKeysOf query = `UPDATE keys SET revoked_at = $3, revoked_by = $4, revoked_reason = $5, slot = NULL, updated_at = $3
		WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL`
	forgetCopiesOf query = `UPDATE key_secrets SET copy = NULL, copy_version = NULL
		WHERE key_id IN (SELECT id FROM keys WHERE tenant_id = $1 AND owner_id = $2)`
	deleteKeysOf query = `DELETE FROM keys WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL`
	deleteUsesOf query = `DELETE FROM key_uses
		WHERE key_id IN (SELECT id FROM keys WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL)`
	deleteScopeUsesOf query = `DELETE FROM key_scope_uses
		WHERE key_id IN (SELECT id FROM keys WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL)`
	renewKey query = `UPDATE keys SET search = $2, slot = $3, secret_set_at = $4, expires_at = $5, updated_at = $6 WHERE id = $1`
	// A secret that was replaced is never shown again.
	demoteSecret query = `UPDATE key_secrets SET position = 'previous', until = $2, copy = NULL, copy_version = NULL WHERE key_id = $1 AND position = 'current'`
	dropSecret   query = `DELETE FROM key_secrets WHERE key_id = $1 AND position = $2`
	touchKey     query = `UPDATE keys SET updated_at = $2 WHERE id = $1`
	forgetCopy   query = `UPDATE key_secrets SET copy = NULL, copy_version = NULL WHERE key_id = $1`
	// Rows that give authority are locked by UPDATEs that change nothing.
	lockPerson   query = `UPDATE users SET updated_at = updated_at WHERE id = $1`
	lockStanding query = `UPDATE account_members SET role = role WHERE user_id = $1 AND account_id = (SELECT account_id FROM tenants WHERE id = $2)`
	selectRight  query = `SELECT u.id, u.email, u.name, m.role, am.role FROM users u JOIN tenants t ON t.id = $1
		JOIN accounts a ON a.id = t.account_id AND a.disabled_at IS NULL
		LEFT JOIN members m ON m.tenant_id = t.id AND m.user_id = u.id AND m.disabled_at IS NULL
		LEFT JOIN account_members am ON am.account_id = t.account_id AND am.user_id = u.id
		WHERE u.id = $2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL`
)

// Key implements key.Store.
func (s *Store) Key(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (key.Key, error) {
	k, err := oneKey(ctx, s.reading, tenant, id)
	return k, s.fault(err)
}

// Keys implements key.Store.
func (s *Store) Keys(ctx context.Context, tenant ident.TenantID, filter key.Filter, page key.Page) ([]key.Key, error) {
	q, args := listKeys, append([]any{tenant}, pageArgs(page.BeforeTime, string(page.BeforeID), page.Limit)...)
	switch {
	case filter.Owner != "" && filter.Query != "":
		q, args = searchKeysOf, append(args, pattern(filter.Query), filter.Owner)
	case filter.Owner != "":
		q, args = listKeysOf, append(args, filter.Owner)
	case filter.Query != "":
		q, args = searchKeys, append(args, pattern(filter.Query))
	}
	keys, err := manyKeys(ctx, s.reading, q, args...)
	return keys, s.fault(err)
}

// OwnKeys implements key.Store.
func (s *Store) OwnKeys(ctx context.Context, filter key.Filter, page key.Page) ([]key.Key, error) {
	q, args := listOwnKeys, append([]any{filter.Owner}, pageArgs(page.BeforeTime, string(page.BeforeID), page.Limit)...)
	if filter.Query != "" {
		q, args = searchOwnKeys, append(args, pattern(filter.Query))
	}
	keys, err := manyKeys(ctx, s.reading, q, args...)
	return keys, s.fault(err)
}

// LockKey implements key.Tx. The lock is an UPDATE that changes nothing: both engines know it, and neither has another in common.
func (t *Tx) LockKey(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (key.Key, error) {
	if err := t.one(ctx, lockKey, tenant, id); err != nil {
		return key.Key{}, err
	}
	k, err := oneKey(ctx, t, tenant, id)
	return k, t.store.fault(err)
}

func oneKey(ctx context.Context, from reader, tenant ident.TenantID, id ident.KeyID) (key.Key, error) {
	keys, err := manyKeys(ctx, from, selectKey, tenant, id)
	if err == nil && len(keys) == 0 {
		err = fault.NotFound
	}
	if err != nil {
		return key.Key{}, err
	}
	return keys[0], nil
}

// manyKeys runs one of the queries over keyColumns and adds what lies in the tables below.
func manyKeys(ctx context.Context, from reader, q query, args ...any) (keys []key.Key, err error) {
	keys, err = collect(ctx, from, q, scanKey, args...)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	place := make(map[ident.KeyID]*key.Key, len(keys))
	ids := make([]ident.KeyID, len(keys))
	for i := range keys {
		ids[i], place[keys[i].ID] = keys[i].ID, &keys[i]
	}
	if err := addSecrets(ctx, from, ids, place); err != nil {
		return nil, err
	}
	return keys, addGrants(ctx, from, ids, place)
}

func scanKey(row scanner) (k key.Key, err error) {
	err = row.Scan(&k.ID, &k.Tenant, &k.Name, &k.Description, &k.Owner.ID, nullable(&k.Owner.Email), nullable(&k.Owner.Name),
		&k.CreatedBy.ID, nullable(&k.CreatedBy.Email), nullable(&k.CreatedBy.Name), &k.Applications.All, &k.Delivery,
		when{&k.CreatedAt}, when{&k.UpdatedAt}, when{&k.SecretSetAt}, when{&k.ExpiresAt}, number{&k.Slot}, when{&k.LastUsedAt}, nullable(&k.LastUsedIP),
		when{&k.DisabledAt}, nullable(&k.DisabledBy), &k.DisabledByAdmin, when{&k.EnabledAt}, when{&k.ForgottenAt}, when{&k.RevokedAt}, nullable(&k.RevokedReason))
	return k, err
}

func addSecrets(ctx context.Context, from reader, ids []ident.KeyID, place map[ident.KeyID]*key.Key) error {
	q, args := expand(selectSecrets, 1, ids)
	return each(ctx, from, q, func(row *sql.Rows) error {
		var id ident.KeyID
		var position string
		var s key.Secret
		var old key.Previous
		err := row.Scan(&id, &position, &s.Serial, &s.Lookup, &s.PublicID, &s.TagVersion, &s.Last4,
			&s.Shape.Style, &s.Shape.Prefix, &s.Shape.Label, &s.Shape.Domain,
			when{&old.SetAt}, when{&old.Until}, when{&old.LastUsedAt})
		if err != nil {
			return err
		}
		k := place[id]
		k.Lookups = append(k.Lookups, s.Lookup)
		if position == "current" {
			k.PublicID, k.Last4, k.Shape, k.Serial, k.TagVersion = s.PublicID, s.Last4, s.Shape, s.Serial, s.TagVersion
		} else {
			old.PublicID, old.Last4 = s.PublicID, s.Last4
			k.Previous = old
		}
		return nil
	}, args...)
}

func addGrants(ctx context.Context, from reader, ids []ident.KeyID, place map[ident.KeyID]*key.Key) error {
	q, args := expand(selectGrants, 1, ids)
	err := each(ctx, from, q, func(row *sql.Rows) error {
		var id ident.KeyID
		var granted scope.Scope
		var application string
		if err := row.Scan(&id, nullable(&granted), nullable(&application)); err != nil {
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

// LockPeople implements tenancy.Tx.
func (t *Tx) LockPeople(ctx context.Context, people ...ident.UserID) error {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(people))) {
		if err := t.exec(ctx, lockPerson, id); err != nil {
			return err
		}
	}
	return nil
}

// Authority implements key.Tx.
func (t *Tx) Authority(ctx context.Context, tenant ident.TenantID, user ident.UserID) (a principal.Authority, err error) {
	if err := t.exec(ctx, lockPerson, user); err != nil {
		return a, err
	}
	if err := t.exec(ctx, lockStanding, user, tenant); err != nil {
		return a, err
	}
	if err := t.exec(ctx, lockMember, tenant, user); err != nil {
		return a, err
	}
	err = t.row(ctx, selectRight, tenant, user).
		Scan(&a.Person.ID, nullable(&a.Person.Email), nullable(&a.Person.Name), nullable(&a.Member), nullable(&a.Account))
	if errors.Is(err, sql.ErrNoRows) {
		return principal.Authority{}, nil
	}
	return a, err
}

// KeyRight implements tenancy.Tx.
func (t *Tx) KeyRight(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (r tenancy.KeyRight, err error) {
	person, err := t.KeyOwner(ctx, tenant, id)
	if err != nil {
		return r, err
	}
	owner, err := t.Authority(ctx, tenant, person) // before the key, as everywhere
	if err != nil {
		return r, err
	}
	k, err := t.LockKey(ctx, tenant, id)
	return tenancy.KeyRight{
		Owner: owner, Scopes: k.Scopes, Applications: k.Applications, Serial: k.Serial,
		Dates: policy.KeyDates{
			RevokedAt: k.RevokedAt, DisabledAt: k.DisabledAt, ExpiresAt: k.ExpiresAt, SecretSetAt: k.SecretSetAt, Slot: k.Slot,
		},
		Previous: policy.SecretDates{Previous: true, SetAt: k.Previous.SetAt, Until: k.Previous.Until},
	}, err
}

// KeyOwner implements key.Tx.
func (t *Tx) KeyOwner(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (owner ident.UserID, err error) {
	err = t.row(ctx, selectKeyOwner, tenant, id).Scan(&owner)
	return owner, t.store.fault(err)
}

// Holds implements key.Tx.
func (t *Tx) Holds(ctx context.Context, tenant ident.TenantID, owner ident.UserID) ([]key.Hold, error) {
	return holds(ctx, t, selectHolds, tenant, owner)
}

func holds(ctx context.Context, from reader, q query, args ...any) (held []key.Hold, err error) {
	err = each(ctx, from, q, func(row *sql.Rows) error {
		var h key.Hold
		if err := row.Scan(&h.Key, number{&h.Slot}, when{&h.ExpiresAt}, when{&h.SecretSetAt}); err != nil {
			return err
		}
		held = append(held, h)
		return nil
	}, args...)
	return held, err
}

// HighestSlot implements key.Tx.
func (t *Tx) HighestSlot(ctx context.Context, tenant ident.TenantID, owner ident.UserID) (slot int64, err error) {
	err = t.row(ctx, selectHighest, tenant, owner).Scan(&slot)
	return slot, err
}

// FreeSlots implements key.Tx.
func (t *Tx) FreeSlots(ctx context.Context, keys []ident.KeyID) error {
	q, args := expand(freeSlots, 1, keys)
	return t.exec(ctx, q, args...)
}

// InsertKey implements key.Tx.
func (t *Tx) InsertKey(ctx context.Context, k key.Key, s key.Secret) error {
	err := t.placed(t.exec(ctx, insertKey, k.ID, k.Tenant, k.Owner.ID, k.CreatedBy.ID, k.Name, k.Description, searched(k), k.Applications.All, string(k.Delivery), positive(k.Slot),
		micros(k.CreatedAt), micros(k.UpdatedAt), micros(k.SecretSetAt), micros(k.ExpiresAt)))
	if err != nil {
		return err
	}
	if err := t.insertSecret(ctx, k.ID, s); err != nil {
		return err
	}
	return t.grant(ctx, k)
}

func (t *Tx) insertSecret(ctx context.Context, id ident.KeyID, s key.Secret) error {
	digest, digestVersion := sealedArgs(s.Digest)
	secret, copyVersion := sealedArgs(s.Copy)
	return t.exec(ctx, insertSecret, id, s.Serial, s.Lookup, s.PublicID, s.TagVersion, s.Last4, string(s.Shape.Style), s.Shape.Prefix, s.Shape.Label, s.Shape.Domain,
		digest, digestVersion, secret, copyVersion, micros(s.SetAt))
}

// sealedArgs stores what there is not as NULL: the digest of a secret that nobody has claimed yet, the copy of one that is shown once.
func sealedArgs(s credential.Sealed) (text, version any) {
	if len(s.Bytes) == 0 {
		return nil, nil
	}
	return s.Bytes, s.Version
}

// placed marks a duplicate, which can only be the slot that another transaction took meanwhile: the change is run again.
func (t *Tx) placed(err error) error {
	if t.store.backend.Classify(err) == Duplicate {
		return errors.Join(errContention, err)
	}
	return err
}

// searched is the text that a search looks through.
func searched(k key.Key) string { return text.Fold(k.Name) + " " + text.Fold(k.PublicID) }

// grant writes the key's scopes and applications.
func (t *Tx) grant(ctx context.Context, k key.Key) error {
	for _, name := range k.Scopes {
		if err := t.exec(ctx, insertKeyScope, k.ID, string(name)); err != nil {
			return err
		}
	}
	for _, id := range k.Applications.IDs {
		if err := t.exec(ctx, insertKeyApp, k.ID, id); err != nil {
			return err
		}
	}
	return nil
}

// EditKey implements key.Tx.
func (t *Tx) EditKey(ctx context.Context, k key.Key) error {
	err := t.one(ctx, editKey, k.ID, k.Name, k.Description, searched(k), k.Applications.All, micros(k.ExpiresAt), micros(k.UpdatedAt))
	if err != nil {
		return err
	}
	if err := t.exec(ctx, deleteGrants, k.ID); err != nil {
		return err
	}
	return t.grant(ctx, k)
}

// ReplaceSecret implements key.Tx.
func (t *Tx) ReplaceSecret(ctx context.Context, k key.Key, s key.Secret) error {
	if err := t.exec(ctx, dropSecret, k.ID, "previous"); err != nil {
		return err
	}
	retire, args := dropSecret, []any{k.ID, "current"}
	if !k.Previous.Until.IsZero() {
		retire, args = demoteSecret, []any{k.ID, micros(k.Previous.Until)}
	}
	if err := t.one(ctx, retire, args...); err != nil {
		return err
	}
	if err := t.insertSecret(ctx, k.ID, s); err != nil {
		return err
	}
	return t.placed(t.one(ctx, renewKey, k.ID, searched(k), positive(k.Slot), micros(k.SecretSetAt), micros(k.ExpiresAt), micros(k.UpdatedAt)))
}

// EndPrevious implements key.Tx.
func (t *Tx) EndPrevious(ctx context.Context, id ident.KeyID, at time.Time) error {
	if err := t.one(ctx, dropSecret, id, "previous"); err != nil {
		return err
	}
	return t.one(ctx, touchKey, id, micros(at))
}

// RevokeKey implements key.Tx.
func (t *Tx) RevokeKey(ctx context.Context, id ident.KeyID, at time.Time, by ident.UserID, reason string) error {
	if err := t.one(ctx, revokeKey, id, micros(at), optional(by), optional(reason)); err != nil {
		return err
	}
	return t.exec(ctx, forgetCopy, id)
}

// RevokeKeysOf implements identity.Tx and tenancy.Tx, as [Tx.RevokeKey] and [Tx.DeleteKey] do for one key.
func (t *Tx) RevokeKeysOf(ctx context.Context, tenant ident.TenantID, owner ident.UserID, mode policy.RevokeMode, at time.Time, by ident.UserID, reason string) (int64, error) {
	revoke, args, besides := revokeKeysOf, []any{micros(at), optional(by), optional(reason)}, []query{forgetCopiesOf}
	if mode == policy.Delete {
		revoke, args, besides = deleteKeysOf, nil, []query{deleteUsesOf, deleteScopeUsesOf}
	}
	for _, q := range besides {
		if err := t.exec(ctx, q, tenant, owner); err != nil {
			return 0, err
		}
	}
	return t.count(ctx, revoke, append([]any{tenant, owner}, args...)...)
}

// DeleteKey implements key.Tx.
func (t *Tx) DeleteKey(ctx context.Context, id ident.KeyID) error {
	for _, q := range []query{deleteUses, deleteScopeUses} {
		if err := t.exec(ctx, q, id); err != nil {
			return err
		}
	}
	return t.one(ctx, deleteKey, id)
}

// SetDisabled implements key.Tx.
func (t *Tx) SetDisabled(ctx context.Context, k key.Key) error {
	return t.one(ctx, setDisabled, k.ID, micros(k.DisabledAt), optional(k.DisabledBy), k.DisabledByAdmin, micros(k.EnabledAt), micros(k.UpdatedAt))
}
