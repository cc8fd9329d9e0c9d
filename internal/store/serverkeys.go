package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/serverkey"
)

const (
	selectServerKeys query = `SELECT purpose, version, used_from, created_at, emptied_at FROM server_keys
		WHERE retired_at IS NULL ORDER BY purpose, version`
	lockServerKeys  query = `SELECT 1 FROM server_keys ORDER BY purpose, version`
	insertServerKey query = `INSERT INTO server_keys (purpose, version, created_at, used_from)
		VALUES ($1, $2, $3, $4)`
	markServerKeyDrained query = `UPDATE server_keys SET emptied_at = $3 WHERE purpose = $1 AND version = $2`
	retireServerKey      query = `UPDATE server_keys SET retired_at = $3 WHERE purpose = $1 AND version = $2`

	countDigests query = `SELECT (SELECT COUNT(*) FROM key_secrets WHERE digest_version = $1)
		+ (SELECT COUNT(*) FROM second_factors WHERE secret_version = $1)`
	countCopies query = `SELECT COUNT(*) FROM key_secrets WHERE copy_version = $1`
	// An id counts while it identifies a valid secret, or will once it is claimed. A previous one
	// counts until it is deleted.
	countIDs query = `SELECT COUNT(*) FROM key_secrets s JOIN keys k ON k.id = s.key_id
		WHERE s.tag_version = $1 AND (s.digest IS NOT NULL OR (k.secret_set_at IS NULL AND k.revoked_at IS NULL))
		AND (s.position = 'current' OR s.until > $2)`
	countManagementDigests query = `SELECT COUNT(*) FROM management_key_secrets WHERE digest_version = $1`
	countManagementIDs     query = `SELECT COUNT(*) FROM management_key_secrets s
		JOIN management_keys k ON k.id = s.key_id WHERE s.tag_version = $1
		AND k.revoked_at IS NULL AND k.expires_at > $2
		AND (s.position = 'current' OR s.until > $2)`
	countLinkTokens query = `SELECT (SELECT COUNT(*) FROM sessions WHERE created_at >= $1 AND created_at < $2
		AND expires_at > $3)
		+ (SELECT COUNT(*) FROM links WHERE created_at >= $1 AND created_at < $2 AND expires_at > $3
		AND used_at IS NULL)`

	// At most a hundred rows at a time, so that no other write waits long.
	digestsBefore query = sealedBefore + `s.digest, s.digest_version` + sealedRows + `s.digest_version < $1` +
		sealedOrder
	copiesBefore query = sealedBefore + `s.copy, s.copy_version` + sealedRows + `s.copy_version < $1` +
		sealedOrder
	managementDigestsBefore query = sealedBefore + `s.digest, s.digest_version FROM management_key_secrets s
		JOIN management_keys k ON k.id = s.key_id WHERE s.digest_version < $1` + sealedOrder
	factorsBefore query = `SELECT '', user_id, 1, secret, secret_version FROM second_factors
		WHERE secret_version < $1 AND (user_id, 1) > ($2, $3) ORDER BY user_id LIMIT 100`
	// Only if the text is still the one that was read: a refresh, a revocation or another node may
	// have replaced it.
	reencryptDigest query = `UPDATE key_secrets SET digest = $3, digest_version = $4 WHERE key_id = $1 AND serial = $2
		AND digest = $5 AND digest_version = $6`
	reencryptManagementDigest query = `UPDATE management_key_secrets SET digest = $3, digest_version = $4
		WHERE key_id = $1 AND serial = $2 AND digest = $5 AND digest_version = $6`
	reencryptFactor query = `UPDATE second_factors SET secret = $3, secret_version = $4
		WHERE user_id = $1 AND $2 > 0 AND secret = $5 AND secret_version = $6`
	reencryptCopy query = `UPDATE key_secrets SET copy = $3, copy_version = $4 WHERE key_id = $1 AND serial = $2
		AND copy = $5 AND copy_version = $6`
)

// Parts of the queries for texts that are sealed under older versions.
const (
	sealedBefore = `SELECT k.tenant_id, s.key_id, s.serial, `
	sealedRows   = ` FROM key_secrets s JOIN keys k ON k.id = s.key_id WHERE `
	sealedOrder  = ` AND (s.key_id, s.serial) > ($2, $3) ORDER BY s.key_id, s.serial LIMIT 100`
)

// ServerKeys implements serverkey.Store.
func (s *Store) ServerKeys(ctx context.Context) ([]serverkey.Key, error) {
	keys, err := serverKeys(ctx, s.reading)
	return keys, s.fault(err)
}

// LockServerKeys implements serverkey.Tx.
func (t *Tx) LockServerKeys(ctx context.Context) ([]serverkey.Key, error) {
	if err := t.lockRows(ctx, lockServerKeys); err != nil {
		return nil, err
	}
	return serverKeys(ctx, t)
}

func serverKeys(ctx context.Context, from querier) (keys []serverkey.Key, err error) {
	err = forEachRow(ctx, from, selectServerKeys, func(row *sql.Rows) error {
		var k serverkey.Key
		if err := row.Scan(&k.Purpose, &k.Number, nullTime{&k.From}, nullTime{&k.CreatedAt},
			nullTime{&k.DrainedAt}); err != nil {
			return err
		}
		keys = append(keys, k)
		return nil
	})
	return keys, err
}

// InsertServerKeys implements serverkey.Tx.
func (t *Tx) InsertServerKeys(ctx context.Context, versions []credential.Version, at time.Time) error {
	for _, v := range versions {
		if err := t.exec(ctx, insertServerKey, string(v.Purpose), v.Number, micros(at), micros(v.From)); err != nil {
			return err
		}
	}
	return nil
}

// DrainServerKey implements serverkey.Tx.
func (t *Tx) DrainServerKey(ctx context.Context, v credential.Version, at time.Time) error {
	return t.runOne(ctx, markServerKeyDrained, string(v.Purpose), v.Number, micros(at))
}

// RetireServerKey implements serverkey.Tx.
func (t *Tx) RetireServerKey(ctx context.Context, v credential.Version, at time.Time) error {
	return t.runOne(ctx, retireServerKey, string(v.Purpose), v.Number, micros(at))
}

// CountRemaining implements serverkey.Store.
func (s *Store) CountRemaining(ctx context.Context, v credential.Version, used serverkey.UsePeriod,
	now time.Time,
) (int64, error) {
	n, err := countRemaining(ctx, s.reading, v, used, now)
	return n, s.fault(err)
}

// CountRemaining implements serverkey.Tx.
func (t *Tx) CountRemaining(ctx context.Context, v credential.Version, used serverkey.UsePeriod,
	now time.Time,
) (int64, error) {
	return countRemaining(ctx, t, v, used, now)
}

// countRemaining returns 0 for purposes of which nothing is stored.
func countRemaining(ctx context.Context, from querier, v credential.Version, used serverkey.UsePeriod,
	now time.Time,
) (n int64, err error) {
	var count query
	var args []any
	switch v.Purpose {
	case credential.DigestPurpose:
		count, args = countDigests, []any{v.Number}
	case credential.CopyPurpose:
		count, args = countCopies, []any{v.Number}
	case credential.TagPurpose:
		count, args = countIDs, []any{v.Number, micros(now.Add(-policy.Grace))}
	case credential.ManagementDigestPurpose:
		count, args = countManagementDigests, []any{v.Number}
	case credential.ManagementTagPurpose:
		count, args = countManagementIDs, []any{v.Number, micros(now.Add(-policy.Grace))}
	case credential.SessionPurpose:
		until := used.Until
		if until.IsZero() {
			until = now.Add(time.Hour) // clocks of other nodes may be ahead
		}
		count, args = countLinkTokens, []any{used.From.UnixMicro(), micros(until), micros(now)}
	default:
		return 0, nil
	}
	err = from.row(ctx, count, args...).Scan(&n)
	return n, err
}

// SealedBefore implements serverkey.Store.
func (s *Store) SealedBefore(ctx context.Context, purpose credential.Purpose, version int,
	after credential.Row,
) (rows []serverkey.Row, err error) {
	q := digestsBefore
	switch purpose {
	case credential.CopyPurpose:
		q = copiesBefore
	case credential.ManagementDigestPurpose:
		q = managementDigestsBefore
	case credential.SecondFactorPurpose:
		q = factorsBefore
	}
	err = forEachRow(ctx, s.reading, q, func(row *sql.Rows) error {
		var r serverkey.Row
		if err := row.Scan(&r.Tenant, &r.Key, &r.Serial, &r.Sealed.Bytes, &r.Sealed.Version); err != nil {
			return err
		}
		rows = append(rows, r)
		return nil
	}, version, after.Key, after.Serial)
	return rows, s.fault(err)
}

// Reencrypt implements serverkey.Store. It writes the batch in one transaction, outside of the
// ledger.
func (s *Store) Reencrypt(ctx context.Context, purpose credential.Purpose, batch []serverkey.Reencrypted) error {
	q := reencryptDigest
	switch purpose {
	case credential.CopyPurpose:
		q = reencryptCopy
	case credential.ManagementDigestPurpose:
		q = reencryptManagementDigest
	case credential.SecondFactorPurpose:
		q = reencryptFactor
	}
	return s.unauditedTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, r := range batch {
			if _, err := tx.ExecContext(ctx, string(q), r.Key, r.Serial, r.New.Bytes, r.New.Version, r.Sealed.Bytes,
				r.Sealed.Version); err != nil {
				return err
			}
		}
		return nil
	})
}
