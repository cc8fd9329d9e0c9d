package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
)

const (
	claimColumns = `l.id, l.tenant_id, l.key_id, l.user_id, l.created_by, l.token_hash, l.created_at, l.expires_at`

	insertClaim query = `INSERT INTO links (id, kind, tenant_id, key_id, user_id, created_by, token_hash, created_at, expires_at)
		VALUES ($1, 'claim', $2, $3, $4, $5, $6, $7, $8)`
	selectClaim query = `SELECT ` + claimColumns + ` FROM links l WHERE l.kind = 'claim' AND l.token_hash = $1 AND l.user_id = $2 AND l.used_at IS NULL AND l.expires_at > $3`
	useClaim    query = `UPDATE links SET used_at = $3 WHERE kind = 'claim' AND token_hash = $1 AND user_id = $2 AND used_at IS NULL AND expires_at > $3`
	// lateClaims begins with the keys that wait for a secret: claims that ran out stay for a while after their key is gone.
	lateClaims query = `SELECT k.tenant_id, k.id FROM keys k CROSS JOIN links l
		WHERE k.secret_set_at IS NULL AND k.revoked_at IS NULL AND l.key_id = k.id AND l.kind = 'claim' AND l.used_at IS NULL
		AND l.expires_at <= $1 LIMIT 100`
)

// InsertClaim implements key.Tx.
func (t *Tx) InsertClaim(ctx context.Context, c key.Claim) error {
	return t.exec(ctx, insertClaim, c.ID, c.Tenant, c.Key, c.Owner, c.CreatedBy, c.Ticket[:], micros(c.CreatedAt), micros(c.ExpiresAt))
}

// UseClaim implements key.Tx.
func (t *Tx) UseClaim(ctx context.Context, ticket credential.TicketHash, owner ident.UserID, now time.Time) error {
	return t.one(ctx, useClaim, ticket[:], owner, micros(now))
}

// Claim implements key.Store.
func (s *Store) Claim(ctx context.Context, ticket credential.TicketHash, owner ident.UserID, now time.Time) (key.Claim, error) {
	c, err := scanClaim(s.reading.row(ctx, selectClaim, ticket[:], owner, micros(now)))
	return c, s.fault(err)
}

// LateClaims implements key.Store.
func (s *Store) LateClaims(ctx context.Context, now time.Time) ([]key.Ref, error) {
	return s.refs(ctx, lateClaims, micros(now))
}

func scanClaim(row scanner) (c key.Claim, err error) {
	var hash []byte
	err = row.Scan(&c.ID, &c.Tenant, &c.Key, &c.Owner, &c.CreatedBy, &hash, when{&c.CreatedAt}, when{&c.ExpiresAt})
	if err != nil {
		return c, err
	}
	copy(c.Ticket[:], hash)
	return c, nil
}
