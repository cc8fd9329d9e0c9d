package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// managementColumns are scanned by scanManagementKey, in this order. Each row has one of the
// secrets, the current one or the previous one.
const managementColumns = `k.id, k.tenant_id, k.name, k.permissions, k.ceilings, k.expires_at, k.created_by, c.email,
	c.name, k.created_at, k.updated_at, k.secret_set_at, k.revoked_at, k.revoked_by, k.revoked_reason,
	k.hour_started_at, k.hour_count, sa.id, sa.name, sa.role, sa.disabled_at, sa.deleted_at, used.last_used_at,
	used.last_used_ip, s.position, s.serial, s.public_id, s.tag_version, s.last4, s.set_at, s.set_by, s.until`

const managementTables = ` FROM management_keys k JOIN service_accounts sa ON sa.id = k.service_account_id
	JOIN management_key_secrets s ON s.key_id = k.id LEFT JOIN users c ON c.id = k.created_by
	LEFT JOIN management_key_uses used ON used.key_id = k.id`

const (
	selectManagementKey query = `SELECT ` + managementColumns + managementTables +
		` WHERE k.id = $1 AND k.tenant_id = $2`
	listManagementKeys query = `SELECT id FROM management_keys
		WHERE service_account_id = $1 AND (created_at, id) < ($2, $3) AND tenant_id = $5
		ORDER BY created_at DESC, id DESC LIMIT $4`
	selectManagementLookup query = `SELECT k.id, k.tenant_id, s.serial, s.digest, s.digest_version
		FROM management_key_secrets s JOIN management_keys k ON k.id = s.key_id
		WHERE s.lookup = $1 AND s.digest IS NOT NULL`
	lockManagementKey     query = `SELECT 1 FROM management_keys WHERE tenant_id = $1 AND id = $2`
	selectManagementOwner query = `SELECT id FROM service_accounts WHERE tenant_id = $1 AND id = $2
		AND deleted_at IS NULL`
	countLiveManagementKeys query = `SELECT service_account_id, COUNT(*) FROM management_keys
		WHERE tenant_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND service_account_id IN ($3…)
		GROUP BY service_account_id`
	countManagementKeys query = `SELECT COUNT(*) FROM management_keys WHERE service_account_id = $1
		AND revoked_at IS NULL AND expires_at > $2`
	insertManagementKey query = `INSERT INTO management_keys (id, tenant_id, service_account_id, name, permissions,
		ceilings, expires_at, created_by, created_at, updated_at, secret_set_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	insertManagementSecret query = `INSERT INTO management_key_secrets (key_id, position, serial, lookup, public_id,
		tag_version, last4, digest, digest_version, set_at, set_by)
		VALUES ($1, 'current', $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	editManagementKey query = `UPDATE management_keys SET name = $2, permissions = $3, ceilings = $4, expires_at = $5,
		updated_at = $6 WHERE id = $1`
	updateManagementSecret query = `UPDATE management_keys SET secret_set_at = $2, expires_at = $3, updated_at = $4
		WHERE id = $1`
	makeManagementPrevious query = `UPDATE management_key_secrets SET position = 'previous', until = $2
		WHERE key_id = $1 AND position = 'current'`
	dropManagementSecret query = `DELETE FROM management_key_secrets WHERE key_id = $1 AND position = $2`
	touchManagementKey   query = `UPDATE management_keys SET updated_at = $2 WHERE id = $1`
	revokeManagementKey  query = `UPDATE management_keys SET revoked_at = $2, revoked_by = $3, revoked_reason = $4,
		updated_at = $2 WHERE id = $1`
	deleteManagementKey  query = `DELETE FROM management_keys WHERE id = $1`
	deleteManagementUses query = `DELETE FROM management_key_uses WHERE key_id = $1`
	// The digests of revoked management keys are kept with them, so that their holders learn why.
	managementKeysExpiredBy query = `SELECT k.tenant_id, k.service_account_id, k.id
		FROM management_keys k WHERE k.revoked_at IS NULL AND k.expires_at <= $1
		AND (SELECT s.digest IS NOT NULL FROM management_key_secrets s WHERE s.key_id = k.id AND s.position = 'current')
		ORDER BY k.expires_at, k.id LIMIT 100`
	managementPreviousOverBy query = `SELECT k.tenant_id, k.service_account_id, k.id
		FROM management_key_secrets s CROSS JOIN management_keys k
		WHERE k.id = s.key_id AND s.position = 'previous' AND s.until <= $1 ORDER BY s.until, s.key_id LIMIT 100`
	lockManagementDigests   query = `SELECT 1 FROM management_key_secrets WHERE key_id = $1 AND digest IS NOT NULL`
	deleteManagementDigests query = `UPDATE management_key_secrets SET digest = NULL, digest_version = NULL
		WHERE key_id = $1`
	countManagementHour query = `UPDATE management_keys SET hour_started_at = $2, hour_count = $3 WHERE id = $1`
	upsertManagementUse query = `INSERT INTO management_key_uses (key_id, last_used_at, last_used_ip)
		VALUES ($1, $2, $3) ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at,
		last_used_ip = excluded.last_used_ip
		WHERE excluded.last_used_at >= management_key_uses.last_used_at`
)

// storedRights scans what a management key may do, but for its permissions, which have a column of
// their own.
type storedRights struct {
	Owners    []ident.PartyType `json:"owners"`
	Ceilings  policy.Ceilings   `json:"ceilings"`
	Addresses policy.Addresses  `json:"allowed_cidrs"`
}

// rightsText returns the stored forms of permissions and ceilings.
func rightsText(r policy.ManagementRights) (permissions, ceilings string, err error) {
	list, err := json.Marshal(r.Permissions)
	if err != nil {
		return "", "", err
	}
	rest, err := json.Marshal(storedRights{r.Owners, r.Ceilings, r.Addresses})
	return string(list), string(rest), err
}

func parseRights(permissions, ceilings string) (r policy.ManagementRights, err error) {
	var rest storedRights
	err = errors.Join(json.Unmarshal([]byte(permissions), &r.Permissions), json.Unmarshal([]byte(ceilings), &rest))
	r.Owners, r.Ceilings = rest.Owners, rest.Ceilings
	r.Addresses = rest.Addresses
	return r, err
}

// scanManagementKey scans a row into a management key. The second row of a key adds its other
// secret.
func scanManagementKey(row scanner, k *machine.ManagementKey) error {
	var permissions, ceilings, position, publicID, last4 string
	var disabled, deleted bool
	var serial, tagVersion int
	var count int64
	var setAt, until time.Time
	var setBy ident.PartyID
	err := row.Scan(&k.ID, &k.Tenant, &k.Name, &permissions, &ceilings, nullTime{&k.ExpiresAt}, &k.CreatedBy.ID,
		nullString(&k.CreatedBy.Email), nullString(&k.CreatedBy.Name), nullTime{&k.CreatedAt}, nullTime{&k.UpdatedAt},
		nullTime{&k.SecretSetAt}, nullTime{&k.RevokedAt}, nullString(&k.RevokedBy), nullString(&k.RevokedReason),
		nullTime{&k.Hour.Began}, nullInt{&count}, &k.ServiceAccount.ID, &k.ServiceAccount.Name, &k.ServiceAccount.Role,
		isSet{&disabled}, isSet{&deleted}, nullTime{&k.LastUsedAt}, nullString(&k.LastUsedIP),
		&position, &serial, &publicID, &tagVersion, &last4, nullTime{&setAt}, nullString(&setBy), nullTime{&until})
	if err != nil {
		return err
	}
	k.Hour.Count = int(count)
	k.ServiceAccount.Exists = !deleted
	k.ServiceAccount.Active = !deleted && !disabled
	if position == "current" {
		k.Serial, k.PublicID = serial, publicID
		k.TagVersion, k.Last4 = tagVersion, last4
		k.SetBy = setBy
	} else {
		k.Previous = machine.PreviousSecret{PublicID: publicID, Last4: last4, SetAt: setAt, SetBy: setBy, Until: until}
	}
	k.Rights, err = parseRights(permissions, ceilings)
	return err
}

func readManagementKey(ctx context.Context, from querier, tenant ident.TenantID,
	id ident.ManagementKeyID,
) (k machine.ManagementKey, err error) {
	err = forEachRow(ctx, from, selectManagementKey, func(row *sql.Rows) error { return scanManagementKey(row, &k) },
		id, tenant)
	if err == nil && k.ID == "" {
		err = fault.NotFound
	}
	return k, err
}

// ManagementKey implements machine.ManagementKeyStore.
func (s *Store) ManagementKey(ctx context.Context, tenant ident.TenantID,
	id ident.ManagementKeyID,
) (machine.ManagementKey, error) {
	k, err := readManagementKey(ctx, s.reading, tenant, id)
	return k, s.fault(err)
}

// ServiceAccountExists implements machine.ManagementKeyStore.
func (s *Store) ServiceAccountExists(ctx context.Context, tenant ident.TenantID, id ident.ServiceAccountID) error {
	var found ident.ServiceAccountID
	return s.fault(s.reading.row(ctx, selectManagementOwner, tenant, id).Scan(&found))
}

// ManagementKeysOf implements machine.ManagementKeyStore.
func (s *Store) ManagementKeysOf(ctx context.Context, tenant ident.TenantID, account ident.ServiceAccountID,
	page machine.ManagementKeyPage,
) (list []machine.ManagementKey, err error) {
	args := append([]any{account}, pageArgs(page.BeforeTime, string(page.BeforeID), page.Limit)...)
	ids, err := collect(ctx, s.reading, listManagementKeys, func(row scanner) (id ident.ManagementKeyID, err error) {
		err = row.Scan(&id)
		return id, err
	}, append(args, tenant)...)
	for _, id := range ids {
		k, err := readManagementKey(ctx, s.reading, tenant, id)
		if errors.Is(err, fault.NotFound) { // it was deleted meanwhile
			continue
		}
		if err != nil {
			return nil, s.fault(err)
		}
		list = append(list, k)
	}
	return list, s.fault(err)
}

// ManagementKeyByLookup implements machine.ManagementKeyStore.
func (s *Store) ManagementKeyByLookup(ctx context.Context,
	lookup string,
) (k machine.ManagementKey, secrets []machine.ManagementSecret, err error) {
	var id ident.ManagementKeyID
	var tenant ident.TenantID
	err = forEachRow(ctx, s.reading, selectManagementLookup, func(row *sql.Rows) error {
		var secret machine.ManagementSecret
		if err := row.Scan(&id, &tenant, &secret.Serial, &secret.Digest.Bytes, &secret.Digest.Version); err != nil {
			return err
		}
		secrets = append(secrets, secret)
		return nil
	}, lookup)
	if err == nil && id == "" {
		err = fault.NotFound
	}
	if err == nil {
		k, err = readManagementKey(ctx, s.reading, tenant, id)
	}
	return k, secrets, s.fault(err)
}

// RecordManagementUse implements machine.ManagementKeyStore. It writes outside of the ledger (see
// ARCHITECTURE.md).
func (s *Store) RecordManagementUse(ctx context.Context, id ident.ManagementKeyID, at time.Time, ip string) error {
	_, err := s.execUnauditedOf(ctx, admission.CallerFrom(ctx), upsertManagementUse, id, micros(at), nullIfEmpty(ip))
	return err
}

// LockManagementOwner implements machine.ManagementKeyTx.
func (t *Tx) LockManagementOwner(ctx context.Context, tenant ident.TenantID,
	id ident.ServiceAccountID,
) (o machine.ManagementOwner, err error) {
	owner, err := t.Owner(ctx, tenant, ident.PartyID(id))
	if err == nil && !owner.Exists {
		err = fault.NotFound
	}
	return machine.ManagementOwner{
		Party: owner.Party, Role: owner.Rights.Role, Active: owner.Active, Exists: owner.Exists,
	}, err
}

// LockManagementKey implements machine.ManagementKeyTx and journal.ManagementKeyTx.
func (t *Tx) LockManagementKey(ctx context.Context, tenant ident.TenantID,
	id ident.ManagementKeyID,
) (machine.ManagementKey, error) {
	if err := t.lockRow(ctx, lockManagementKey, tenant, id); err != nil {
		return machine.ManagementKey{}, err
	}
	k, err := readManagementKey(ctx, t, tenant, id)
	return k, t.store.fault(err)
}

// CountManagementKeys implements machine.ManagementKeyTx.
func (t *Tx) CountManagementKeys(ctx context.Context, account ident.ServiceAccountID,
	now time.Time,
) (n int, err error) {
	err = t.row(ctx, countManagementKeys, account, micros(now)).Scan(&n)
	return n, err
}

// InsertManagementKey implements machine.ManagementKeyTx.
func (t *Tx) InsertManagementKey(ctx context.Context, k machine.ManagementKey, s machine.ManagementSecret) error {
	permissions, ceilings, err := rightsText(k.Rights)
	if err != nil {
		return err
	}
	err = t.exec(ctx, insertManagementKey, k.ID, k.Tenant, k.ServiceAccount.ID, k.Name, permissions, ceilings,
		micros(k.ExpiresAt), k.CreatedBy.ID, micros(k.CreatedAt), micros(k.UpdatedAt), micros(k.SecretSetAt))
	if err != nil {
		return err
	}
	return t.insertManagementSecret(ctx, k.ID, s)
}

func (t *Tx) insertManagementSecret(ctx context.Context, id ident.ManagementKeyID, s machine.ManagementSecret) error {
	return t.exec(ctx, insertManagementSecret, id, s.Serial, s.Lookup, s.PublicID, s.TagVersion, s.Last4,
		s.Digest.Bytes, s.Digest.Version, micros(s.SetAt), nullIfEmpty(s.SetBy))
}

// EditManagementKey implements machine.ManagementKeyTx and journal.ManagementKeyTx.
func (t *Tx) EditManagementKey(ctx context.Context, k machine.ManagementKey) error {
	permissions, ceilings, err := rightsText(k.Rights)
	if err != nil {
		return err
	}
	return t.runOne(ctx, editManagementKey, k.ID, k.Name, permissions, ceilings, micros(k.ExpiresAt),
		micros(k.UpdatedAt))
}

// ReplaceManagementSecret implements machine.ManagementKeyTx.
func (t *Tx) ReplaceManagementSecret(ctx context.Context, k machine.ManagementKey, s machine.ManagementSecret) error {
	if err := t.exec(ctx, dropManagementSecret, k.ID, "previous"); err != nil {
		return err
	}
	retire, args := dropManagementSecret, []any{k.ID, "current"}
	if !k.Previous.Until.IsZero() {
		retire, args = makeManagementPrevious, []any{k.ID, micros(k.Previous.Until)}
	}
	if err := t.runOne(ctx, retire, args...); err != nil {
		return err
	}
	if err := t.insertManagementSecret(ctx, k.ID, s); err != nil {
		return err
	}
	return t.runOne(ctx, updateManagementSecret, k.ID, micros(k.SecretSetAt), micros(k.ExpiresAt), micros(k.UpdatedAt))
}

// EndPreviousManagementSecret implements machine.ManagementKeyTx and journal.ManagementKeyTx.
func (t *Tx) EndPreviousManagementSecret(ctx context.Context, id ident.ManagementKeyID, at time.Time) error {
	if err := t.runOne(ctx, dropManagementSecret, id, "previous"); err != nil {
		return err
	}
	return t.runOne(ctx, touchManagementKey, id, micros(at))
}

// RevokeManagementKey implements machine.ManagementKeyTx and journal.ManagementKeyTx.
func (t *Tx) RevokeManagementKey(ctx context.Context, id ident.ManagementKeyID, at time.Time, by ident.PartyID,
	reason string,
) error {
	return t.runOne(ctx, revokeManagementKey, id, micros(at), nullIfEmpty(by), nullIfEmpty(reason))
}

// DeleteManagementKey implements machine.ManagementKeyTx.
func (t *Tx) DeleteManagementKey(ctx context.Context, id ident.ManagementKeyID) error {
	if err := t.exec(ctx, deleteManagementUses, id); err != nil {
		return err
	}
	return t.runOne(ctx, deleteManagementKey, id)
}

// ManagementAuthority implements key.AuthorityTx. The service account is locked before.
func (t *Tx) ManagementAuthority(ctx context.Context, tenant ident.TenantID,
	id ident.ManagementKeyID,
) (principal.ManagementAuthority, error) {
	k, err := t.LockManagementKey(ctx, tenant, id)
	if err != nil {
		return principal.ManagementAuthority{}, err
	}
	return k.Authority(), nil
}

// CountManagementHour implements key.AuthorityTx.
func (t *Tx) CountManagementHour(ctx context.Context, id ident.ManagementKeyID, h principal.HourlyCount) error {
	return t.runOne(ctx, countManagementHour, id, micros(h.Began), h.Count)
}

// ManagementKeysExpiredBy implements machine.ManagementKeyStore.
func (s *Store) ManagementKeysExpiredBy(ctx context.Context, by time.Time) ([]machine.ManagementKeyRef, error) {
	return s.listManagementRefs(ctx, managementKeysExpiredBy, by)
}

// ManagementKeysWithPreviousEndedBy implements machine.ManagementKeyStore.
func (s *Store) ManagementKeysWithPreviousEndedBy(ctx context.Context,
	by time.Time,
) ([]machine.ManagementKeyRef, error) {
	return s.listManagementRefs(ctx, managementPreviousOverBy, by)
}

func (s *Store) listManagementRefs(ctx context.Context, q query, by time.Time) ([]machine.ManagementKeyRef, error) {
	list, err := collect(ctx, s.reading, q,
		func(row scanner) (r machine.ManagementKeyRef, err error) {
			err = row.Scan(&r.Tenant, &r.Account, &r.ID)
			return r, err
		}, micros(by))
	return list, s.fault(err)
}

// ForgetManagementDigests implements machine.ManagementKeyTx.
func (t *Tx) ForgetManagementDigests(ctx context.Context, id ident.ManagementKeyID) (int, error) {
	n, err := t.countLocked(ctx, lockManagementDigests, []any{id})
	if err != nil || n == 0 {
		return 0, err
	}
	return n, t.exec(ctx, deleteManagementDigests, id)
}

// CountLiveManagementKeys implements machine.ManagementKeyStore.
func (s *Store) CountLiveManagementKeys(ctx context.Context, tenant ident.TenantID, accounts []ident.ServiceAccountID,
	now time.Time,
) (map[ident.ServiceAccountID]int, error) {
	counts := map[ident.ServiceAccountID]int{}
	q, args := expand(countLiveManagementKeys, 3, accounts, tenant, now.UnixMicro())
	err := forEachRow(ctx, s.reading, q, func(row *sql.Rows) error {
		var id ident.ServiceAccountID
		var n int
		if err := row.Scan(&id, &n); err != nil {
			return err
		}
		counts[id] = n
		return nil
	}, args...)
	return counts, s.fault(err)
}
