package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
)

const (
	claimColumns = `l.id, l.tenant_id, l.key_id, l.user_id, l.created_by, l.token_hash, l.mailed_at, l.created_at,
		l.expires_at`

	insertClaim query = `INSERT INTO links (id, kind, tenant_id, key_id, user_id, created_by, token_hash, created_at,
		expires_at, mailed_at)
		VALUES ($1, 'claim', $2, $3, $4, $5, $6, $7, $8, $9)`
	selectClaim query = `SELECT ` + claimColumns +
		` FROM links l WHERE l.kind = 'claim' AND l.token_hash = $1 AND l.user_id = $2 AND l.used_at IS NULL
			AND l.expires_at > $3`
	// The claim of a key that was revoked meanwhile is not found.
	selectLiveClaim query = `SELECT l.id FROM links l JOIN keys k ON k.id = l.key_id WHERE l.kind = 'claim'
		AND l.token_hash = $1
		AND l.used_at IS NULL AND l.expires_at > $2 AND k.secret_set_at IS NULL AND k.revoked_at IS NULL`
	useClaim query = `UPDATE links SET used_at = $3 WHERE kind = 'claim' AND token_hash = $1 AND user_id = $2
		AND used_at IS NULL AND expires_at > $3`
	deleteClaims     query = `DELETE FROM links WHERE kind = 'claim' AND key_id = $1 AND used_at IS NULL`
	selectOpenClaims query = `SELECT key_id, mailed_at, expires_at FROM links
		WHERE kind = 'claim' AND key_id IN ($1…) AND used_at IS NULL`
	// lateClaims starts from the keys that wait for a secret, because expired claims are kept for a
	// while after their key was deleted.
	lateClaims query = `SELECT k.tenant_id, k.id FROM keys k CROSS JOIN links l
		WHERE k.secret_set_at IS NULL AND k.revoked_at IS NULL AND l.key_id = k.id AND l.kind = 'claim'
		AND l.used_at IS NULL
		AND l.expires_at <= $1 LIMIT 100`
)

// InsertClaim implements key.NewClaimTx.
func (t *Tx) InsertClaim(ctx context.Context, c key.Claim) error {
	return t.exec(ctx, insertClaim, c.ID, c.Tenant, c.Key, c.Owner, c.CreatedBy, c.Token[:], micros(c.CreatedAt),
		micros(c.ExpiresAt), micros(c.MailedAt))
}

// DeleteClaims implements key.ClaimTx.
func (t *Tx) DeleteClaims(ctx context.Context, id ident.KeyID) error {
	return t.exec(ctx, deleteClaims, id)
}

// UseClaim implements key.ClaimTx.
func (t *Tx) UseClaim(ctx context.Context, token credential.TokenHash, owner ident.UserID, now time.Time) error {
	return t.runOne(ctx, useClaim, token[:], owner, micros(now))
}

// Claim implements key.Store.
func (s *Store) Claim(ctx context.Context, token credential.TokenHash, owner ident.UserID,
	now time.Time,
) (key.Claim, error) {
	c, err := scanClaim(s.reading.row(ctx, selectClaim, token[:], owner, micros(now)))
	return c, s.fault(err)
}

// CheckClaim implements key.Store.
func (s *Store) CheckClaim(ctx context.Context, token credential.TokenHash, now time.Time) error {
	var id ident.LinkID
	return s.fault(s.reading.row(ctx, selectLiveClaim, token[:], micros(now)).Scan(&id))
}

// addOpenClaims adds the links by which the owners of keys can claim them. It reads nothing where
// all keys have a secret.
func addOpenClaims(ctx context.Context, from querier, keys []key.Key) error {
	waiting := map[ident.KeyID]*key.Key{}
	var ids []ident.KeyID
	for i, k := range keys {
		if k.Delivery == key.ByLink && k.SecretSetAt.IsZero() && k.RevokedAt.IsZero() {
			waiting[k.ID] = &keys[i]
			ids = append(ids, k.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	q, args := expand(selectOpenClaims, 1, ids)
	return forEachRow(ctx, from, q, func(row *sql.Rows) error {
		var id ident.KeyID
		var open key.OpenClaim
		if err := row.Scan(&id, nullTime{&open.MailedAt}, nullTime{&open.ExpiresAt}); err != nil {
			return err
		}
		waiting[id].Open = open
		return nil
	}, args...)
}

// KeysUnclaimedBy implements key.SweepStore.
func (s *Store) KeysUnclaimedBy(ctx context.Context, now time.Time) ([]key.Ref, error) {
	return s.listRefs(ctx, lateClaims, micros(now))
}

func scanClaim(row scanner) (c key.Claim, err error) {
	var hash []byte
	err = row.Scan(&c.ID, &c.Tenant, &c.Key, &c.Owner, &c.CreatedBy, &hash, nullTime{&c.MailedAt},
		nullTime{&c.CreatedAt},
		nullTime{&c.ExpiresAt})
	if err != nil {
		return c, err
	}
	copy(c.Token[:], hash)
	return c, nil
}
