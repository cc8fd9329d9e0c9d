package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/identity"
)

const (
	selectFailures query = `SELECT failures, last_at FROM sign_in_failures WHERE canonical_email = $1`
	insertFailures query = `INSERT INTO sign_in_failures (canonical_email, failures, last_at) VALUES ($1, $2, $3) ON CONFLICT (canonical_email) DO NOTHING`
	updateFailures query = `UPDATE sign_in_failures SET failures = $2, last_at = $3 WHERE canonical_email = $1 AND failures = $4 AND last_at = $5`
	upsertFailures query = `INSERT INTO sign_in_failures (canonical_email, failures, last_at) VALUES ($1, 1, $2) ON CONFLICT (canonical_email) DO UPDATE
		SET failures = sign_in_failures.failures + 1, last_at = excluded.last_at`
	deleteFailures query = `DELETE FROM sign_in_failures WHERE canonical_email = $1`
)

// signIn is who counts an attempt: sign-ins with one address are counted one after the other.
func signIn(canonical string) admission.Caller { return admission.Caller("sign-in " + canonical) }

// Failures implements identity.Store.
func (s *Store) Failures(ctx context.Context, canonical string) (f identity.Failures, err error) {
	err = s.reading.row(ctx, selectFailures, canonical).Scan(&f.Count, when{&f.LastAt})
	if errors.Is(err, sql.ErrNoRows) {
		return identity.Failures{}, nil
	}
	return f, s.fault(err)
}

// ClaimAttempt implements identity.Store. Like the two below it goes past the ledger: see ARCHITECTURE.md.
func (s *Store) ClaimAttempt(ctx context.Context, canonical string, was, is identity.Failures) (bool, error) {
	var n int64
	var err error
	if was == (identity.Failures{}) {
		n, err = s.asideOf(ctx, signIn(canonical), insertFailures, canonical, is.Count, micros(is.LastAt))
	} else {
		n, err = s.asideOf(ctx, signIn(canonical), updateFailures, canonical, is.Count, micros(is.LastAt), was.Count, micros(was.LastAt))
	}
	return n == 1, err
}

// CountAttempt implements identity.Store.
func (s *Store) CountAttempt(ctx context.Context, bucket string, at time.Time) error {
	_, err := s.asideOf(ctx, signIn(bucket), upsertFailures, bucket, micros(at))
	return err
}

// ForgetFailures implements identity.Store.
func (s *Store) ForgetFailures(ctx context.Context, canonical string) error {
	_, err := s.asideOf(ctx, signIn(canonical), deleteFailures, canonical)
	return err
}

// ForgetFailures implements identity.Tx.
func (t *Tx) ForgetFailures(ctx context.Context, canonical string) error {
	return t.exec(ctx, deleteFailures, canonical)
}
