package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/token"
)

const (
	selectSigningKeys query = `SELECT id, algorithm, public_key, private_key, created_at, used_from FROM signing_keys`
	lockSigningKeys   query = `SELECT 1 FROM counters WHERE name = 'signing_key'`
	insertSigningKey  query = `INSERT INTO signing_keys (id, algorithm, public_key, private_key, created_at, used_from)
		VALUES ($1, $2, $3, $4, $5, $6)`
	deleteSigningKey query = `DELETE FROM signing_keys WHERE id = $1`

	listRevokedTokens  query = `SELECT id FROM revoked_tokens WHERE key_id = $1 AND expires_at > $2`
	selectTokenRevoked query = `SELECT COUNT(*) FROM revoked_tokens WHERE key_id = $1 AND id = $2`
	countRevokedTokens query = `SELECT COUNT(*) FROM revoked_tokens WHERE key_id = $1 AND expires_at > $2`
	insertRevokedToken query = `INSERT INTO revoked_tokens (id, key_id, expires_at) VALUES ($1, $2, $3)`
	// The key says until when its revoked tokens must be read.
	extendRevokedTokens query = `UPDATE keys SET tokens_revoked_until = $2
		WHERE id = $1 AND COALESCE(tokens_revoked_until, 0) < $2`
	hasExpiredRevocations    query = `SELECT EXISTS (SELECT 1 FROM revoked_tokens WHERE expires_at <= $1)`
	deleteExpiredRevocations query = `DELETE FROM revoked_tokens WHERE id IN
		(SELECT id FROM revoked_tokens WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2)`
)

// tokensSince is the name of the setting that says when the database was restored.
const tokensSince = "tokens_since"

// SigningKeys implements token.Store.
func (s *Store) SigningKeys(ctx context.Context) ([]token.SigningKey, error) {
	keys, err := collect(ctx, s.verifying, selectSigningKeys, scanSigningKey)
	return keys, s.fault(err)
}

// LockSigningKeys implements token.Tx. It locks a row that always exists, so that two nodes do not
// both create the first key.
func (t *Tx) LockSigningKeys(ctx context.Context) ([]token.SigningKey, error) {
	if err := t.lockRow(ctx, lockSigningKeys); err != nil {
		return nil, err
	}
	return collect(ctx, t, selectSigningKeys, scanSigningKey)
}

func scanSigningKey(row scanner) (k token.SigningKey, err error) {
	err = row.Scan(&k.ID, &k.Algorithm, &k.Public, &k.Private, nullTime{&k.CreatedAt}, nullTime{&k.UsedFrom})
	return k, err
}

// InsertSigningKey implements token.Tx.
func (t *Tx) InsertSigningKey(ctx context.Context, k token.SigningKey) error {
	return t.exec(ctx, insertSigningKey, k.ID, string(k.Algorithm), k.Public, k.Private, micros(k.CreatedAt),
		micros(k.UsedFrom))
}

// DeleteSigningKey implements token.Tx.
func (t *Tx) DeleteSigningKey(ctx context.Context, id string) error {
	return t.runOne(ctx, deleteSigningKey, id)
}

// TokensSince implements token.Store.
func (s *Store) TokensSince(ctx context.Context) (at time.Time, err error) {
	var text string
	err = s.reading.row(ctx, selectSetting, tokensSince).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return at, nil
	}
	if err != nil {
		return at, s.fault(err)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return at, fmt.Errorf("the setting %s is %q", tokensSince, text)
	}
	return time.UnixMicro(n), nil
}

// revokedTokens lists the revoked tokens of a key that have not expired.
func revokedTokens(ctx context.Context, from querier, key ident.KeyID,
	now time.Time,
) (ids []credential.AccessTokenID, err error) {
	err = forEachRow(ctx, from, listRevokedTokens, func(row *sql.Rows) error {
		var text string
		if err := row.Scan(&text); err != nil {
			return err
		}
		raw, err := hex.DecodeString(text)
		var id credential.AccessTokenID
		if err != nil || len(raw) != len(id) {
			return fmt.Errorf("a revoked token has the id %q", text)
		}
		copy(id[:], raw)
		ids = append(ids, id)
		return nil
	}, key, micros(now))
	return ids, err
}

// LockKeyRow implements token.Tx.
func (t *Tx) LockKeyRow(ctx context.Context, tenant ident.TenantID, id ident.KeyID) error {
	return t.lockRow(ctx, lockKey, tenant, id)
}

// TokenRevoked implements token.Tx.
func (t *Tx) TokenRevoked(ctx context.Context, key ident.KeyID, id string) (bool, error) {
	var n int
	err := t.row(ctx, selectTokenRevoked, key, id).Scan(&n)
	return n > 0, err
}

// CountRevokedTokens implements token.Tx.
func (t *Tx) CountRevokedTokens(ctx context.Context, key ident.KeyID, now time.Time) (n int, err error) {
	err = t.row(ctx, countRevokedTokens, key, micros(now)).Scan(&n)
	return n, err
}

// InsertRevokedToken implements token.Tx.
func (t *Tx) InsertRevokedToken(ctx context.Context, key ident.KeyID, id string, expires time.Time) error {
	if err := t.exec(ctx, insertRevokedToken, id, key, micros(expires)); err != nil {
		return err
	}
	return t.exec(ctx, extendRevokedTokens, key, micros(expires))
}

// HasExpiredRevocations implements token.Store.
func (s *Store) HasExpiredRevocations(ctx context.Context, now time.Time) (found bool, err error) {
	err = s.reading.row(ctx, hasExpiredRevocations, micros(now)).Scan(&found)
	return found, s.fault(err)
}

// DeleteExpiredRevocations implements token.Tx.
func (t *Tx) DeleteExpiredRevocations(ctx context.Context, now time.Time, limit int) (int64, error) {
	return t.count(ctx, deleteExpiredRevocations, micros(now), limit)
}
