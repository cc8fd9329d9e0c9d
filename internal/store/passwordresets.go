package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
)

const (
	insertReset query = `INSERT INTO links (id, kind, token_hash, user_id, created_at, expires_at, mailed_at)
		VALUES ($1, 'password_reset', $2, $3, $4, $5, $6)`
	selectReset query = `SELECT id, user_id, created_at, expires_at, mailed_at FROM links
		WHERE kind = 'password_reset' AND token_hash = $1 AND used_at IS NULL AND expires_at > $2`
	countResets query = `SELECT COUNT(*) FROM (SELECT 1 FROM links WHERE kind = 'password_reset' AND user_id = $1
		AND created_at > $2
		AND mailed_at IS NOT NULL LIMIT $3) counted`
	voidResets query = `UPDATE links SET expires_at = $2 WHERE kind = 'password_reset' AND user_id = $1
		AND used_at IS NULL AND expires_at > $2`
	// The links of notices in the outbox are those that are mailed.
	selectPendingLink query = `SELECT kind, token_hash, email, mailed_at FROM links WHERE id = $1 AND used_at IS NULL
		AND expires_at > $2`
)

// InsertReset implements identity.PasswordTx.
func (t *Tx) InsertReset(ctx context.Context, l identity.ResetLink, token credential.TokenHash) error {
	return t.exec(ctx, insertReset, l.ID, token[:], l.User, micros(l.CreatedAt), micros(l.ExpiresAt),
		micros(l.MailedAt))
}

// Reset implements identity.Store.
func (s *Store) Reset(ctx context.Context, token credential.TokenHash,
	now time.Time,
) (l identity.ResetLink, err error) {
	err = s.reading.row(ctx, selectReset, token[:], micros(now)).Scan(
		&l.ID, &l.User, nullTime{&l.CreatedAt}, nullTime{&l.ExpiresAt}, nullTime{&l.MailedAt})
	return l, s.fault(err)
}

// CountMailedResets implements identity.PasswordTx.
func (t *Tx) CountMailedResets(ctx context.Context, user ident.UserID, after time.Time, most int) (int, error) {
	return t.countUpTo(ctx, countResets, user, micros(after), most)
}

// UseReset implements identity.PasswordTx.
func (t *Tx) UseReset(ctx context.Context, token credential.TokenHash, now time.Time) error {
	return t.runOne(ctx, useLink, string(credential.ResetToken), token[:], micros(now))
}

// PendingLink implements notice.Store.
func (s *Store) PendingLink(ctx context.Context, id ident.LinkID, now time.Time) (l notice.Link, err error) {
	var hash []byte
	err = s.reading.row(ctx, selectPendingLink, id, micros(now)).Scan(&l.Kind, &hash, nullString(&l.Email),
		nullTime{&l.MailedAt})
	if err != nil {
		return l, s.fault(err)
	}
	copy(l.Hash[:], hash)
	return l, nil
}
