package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
)

const (
	insertEmailLink query = `INSERT INTO links (id, kind, token_hash, user_id, email, canonical_email, created_at,
		expires_at, mailed_at) VALUES ($1, 'email_change', $2, $3, $4, $5, $6, $7, $6)`
	// emailLinkColumns are scanned by scanEmailLink, in this order.
	emailLinkColumns       = `id, user_id, email, used_at, created_at, expires_at`
	selectEmailLink  query = `SELECT ` + emailLinkColumns + ` FROM links WHERE kind = 'email_change'
		AND token_hash = $1 AND used_at IS NULL AND expires_at > $2`
	listEmailLinks query = `SELECT ` + emailLinkColumns + ` FROM links WHERE kind = 'email_change' AND user_id = $1
		AND created_at > $2 AND expires_at > $3 ORDER BY created_at`
	nthEmailChange query = `SELECT created_at FROM links WHERE kind = 'email_change' AND user_id = $1
		AND email IS NOT NULL ORDER BY created_at DESC LIMIT 1 OFFSET $2`
	nthEmailChangeTo query = `SELECT created_at FROM outbox WHERE recipient = $1 AND kind = 'email_change_new'
		ORDER BY created_at DESC LIMIT 1 OFFSET $2`
	voidEmailLinks query = `UPDATE links SET expires_at = $2 WHERE kind = 'email_change' AND user_id = $1
		AND created_at > $3 AND expires_at > $2`
	// They contain addresses of the person.
	deleteEmailLinks query = `DELETE FROM links WHERE kind = 'email_change' AND user_id = $1`
	updateEmail      query = `UPDATE users SET email = $2, canonical_email = $3, email_proven_at = $4, updated_at = $4
		WHERE id = $1`
	// The person stays, and has no address until the operator sets one.
	voidEmail query = `UPDATE users SET email = NULL, canonical_email = NULL, email_proven_at = NULL, updated_at = $2
		WHERE id = $1`
)

// emailChangeBound is a time before which no link of a change that has not expired was made.
func emailChangeBound(now time.Time) any { return micros(now.Add(-2 * identity.EmailChangeLifetime)) }

// InsertEmailLink implements identity.EmailTx.
func (t *Tx) InsertEmailLink(ctx context.Context, l identity.EmailLink, token credential.TokenHash) error {
	return t.exec(ctx, insertEmailLink, l.ID, token[:], l.User, nullIfEmpty(l.Email),
		nullIfEmpty(identity.CanonicalEmail(l.Email)), micros(l.CreatedAt), micros(l.ExpiresAt))
}

// EmailLink implements identity.Store.
func (s *Store) EmailLink(ctx context.Context, token credential.TokenHash, now time.Time) (identity.EmailLink, error) {
	l, err := scanEmailLink(s.reading.row(ctx, selectEmailLink, token[:], micros(now)))
	return l, s.fault(err)
}

// EmailLinks implements identity.Store.
func (s *Store) EmailLinks(ctx context.Context, user ident.UserID, now time.Time) ([]identity.EmailLink, error) {
	list, err := collect(ctx, s.reading, listEmailLinks, scanEmailLink, user, emailChangeBound(now), micros(now))
	return list, s.fault(err)
}

// EmailLinks implements identity.EmailTx.
func (t *Tx) EmailLinks(ctx context.Context, user ident.UserID, now time.Time) ([]identity.EmailLink, error) {
	return collect(ctx, t, listEmailLinks, scanEmailLink, user, emailChangeBound(now), micros(now))
}

func scanEmailLink(row scanner) (l identity.EmailLink, err error) {
	err = row.Scan(&l.ID, &l.User, nullString(&l.Email), isSet{&l.Used}, nullTime{&l.CreatedAt},
		nullTime{&l.ExpiresAt})
	return l, err
}

// NthEmailChange implements identity.EmailTx.
func (t *Tx) NthEmailChange(ctx context.Context, user ident.UserID, n int) (time.Time, error) {
	return t.nthMail(ctx, nthEmailChange, user, n-1)
}

// NthEmailChangeTo implements identity.EmailTx.
func (t *Tx) NthEmailChangeTo(ctx context.Context, email string, n int) (time.Time, error) {
	return t.nthMail(ctx, nthEmailChangeTo, identity.CanonicalEmail(email), n-1)
}

// UseEmailLink implements identity.EmailTx.
func (t *Tx) UseEmailLink(ctx context.Context, token credential.TokenHash, now time.Time) error {
	return t.runOne(ctx, useLink, string(credential.EmailChangeToken), token[:], micros(now))
}

// VoidLinks implements identity.EndTx.
func (t *Tx) VoidLinks(ctx context.Context, user ident.UserID, now time.Time) error {
	if err := t.exec(ctx, voidResets, user, micros(now)); err != nil {
		return err
	}
	return t.VoidEmailChange(ctx, user, now)
}

// VoidEmailChange implements identity.EmailTx.
func (t *Tx) VoidEmailChange(ctx context.Context, user ident.UserID, now time.Time) error {
	return t.exec(ctx, voidEmailLinks, user, micros(now), emailChangeBound(now))
}

// SetEmail implements identity.EmailTx.
func (t *Tx) SetEmail(ctx context.Context, user ident.UserID, email, canonical string, at time.Time) error {
	err := t.runOne(ctx, updateEmail, user, email, canonical, micros(at))
	if t.store.backend.Classify(err) == Duplicate {
		return fault.New(fault.Conflict, "Another person has this e-mail address. Nothing was changed.")
	}
	if err != nil {
		return err
	}
	return t.reindexPerson(ctx, user)
}

// VoidEmail implements journal.PeopleTx.
func (t *Tx) VoidEmail(ctx context.Context, user ident.UserID, at time.Time) error {
	return t.runOne(ctx, voidEmail, user, micros(at))
}
