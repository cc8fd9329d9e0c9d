package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
)

const (
	selectFailures query = `SELECT failures, last_at FROM sign_in_failures WHERE canonical_email = $1`
	insertFailures query = `INSERT INTO sign_in_failures (canonical_email, failures, last_at) VALUES ($1, $2, $3)
		ON CONFLICT (canonical_email) DO NOTHING`
	updateFailures query = `UPDATE sign_in_failures SET failures = $2, last_at = $3 WHERE canonical_email = $1
		AND failures = $4 AND last_at = $5`
	upsertFailures query = `INSERT INTO sign_in_failures (canonical_email, failures, last_at) VALUES ($1, 1, $2)
		ON CONFLICT (canonical_email) DO UPDATE
		SET failures = sign_in_failures.failures + 1, last_at = excluded.last_at`
	deleteFailures query = `DELETE FROM sign_in_failures WHERE canonical_email = $1`
	// The buckets of a person begin with their id. $2 is the first text that does not have this
	// prefix.
	deleteFailuresOf  query = `DELETE FROM sign_in_failures WHERE canonical_email >= $1 AND canonical_email < $2`
	deleteOldFailures query = `DELETE FROM sign_in_failures WHERE last_at < $1`
	listFailures      query = `SELECT f.canonical_email, f.failures, f.last_at, u.id FROM sign_in_failures f
		LEFT JOIN users u ON u.canonical_email = f.canonical_email
		WHERE f.last_at >= $1 AND (f.last_at, f.canonical_email) > ($2, $3) AND f.failures >= $4
		ORDER BY f.last_at, f.canonical_email LIMIT 200`
)

// signIn is the admission caller for one address: its attempts are counted one after the other.
func signIn(canonical string) admission.Caller { return admission.Caller("sign-in " + canonical) }

// Failures implements identity.Store.
func (s *Store) Failures(ctx context.Context, bucket string) (f identity.Failures, err error) {
	err = s.reading.row(ctx, selectFailures, bucket).Scan(&f.Count, nullTime{&f.LastAt})
	if errors.Is(err, sql.ErrNoRows) {
		return identity.Failures{}, nil
	}
	return f, s.fault(err)
}

// ReserveAttempt implements identity.Store. Like the two methods below it bypasses the ledger (see
// ARCHITECTURE.md).
func (s *Store) ReserveAttempt(ctx context.Context, bucket string, was, is identity.Failures) (bool, error) {
	var n int64
	var err error
	if was == (identity.Failures{}) {
		n, err = s.execUnauditedOf(ctx, signIn(bucket), insertFailures, bucket, is.Count, micros(is.LastAt))
	} else {
		n, err = s.execUnauditedOf(ctx, signIn(bucket), updateFailures, bucket, is.Count, micros(is.LastAt), was.Count,
			micros(was.LastAt))
	}
	return n == 1, err
}

// CountAttempt implements identity.Store.
func (s *Store) CountAttempt(ctx context.Context, bucket string, at time.Time) error {
	_, err := s.execUnauditedOf(ctx, signIn(bucket), upsertFailures, bucket, micros(at))
	return err
}

// DeleteFailures implements identity.Store.
func (s *Store) DeleteFailures(ctx context.Context, bucket string) error {
	_, err := s.execUnauditedOf(ctx, signIn(bucket), deleteFailures, bucket)
	return err
}

// DeleteOldFailures implements identity.Store.
func (s *Store) DeleteOldFailures(ctx context.Context, before time.Time) error {
	_, err := s.execUnaudited(ctx, deleteOldFailures, micros(before))
	return err
}

// DeleteFailuresOf implements identity.ForgetFailuresTx.
func (t *Tx) DeleteFailuresOf(ctx context.Context, canonical, prefix string) error {
	if err := t.exec(ctx, deleteFailures, canonical); err != nil {
		return err
	}
	return t.exec(ctx, deleteFailuresOf, prefix, afterPrefix(prefix))
}

// afterPrefix returns the first text, in byte order, that sorts after all texts with the prefix.
func afterPrefix(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string(prefix[last]+1)
}

// FailedSignIns implements notice.Store.
func (s *Store) FailedSignIns(ctx context.Context, since time.Time, least int,
	after notice.FailurePosition,
) ([]notice.FailedAttempts, error) {
	list, err := collect(ctx, s.reading, listFailures, scanGuesses, micros(since), after.At.UnixMicro(), after.Bucket,
		least)
	return list, s.fault(err)
}

func scanGuesses(row scanner) (g notice.FailedAttempts, err error) {
	err = row.Scan(&g.Position.Bucket, &g.Count, nullTime{&g.Position.At}, nullString(&g.User))
	if err != nil {
		return g, err
	}
	if g.User == "" {
		g.User = identity.UserOfBucket(g.Position.Bucket)
	}
	return g, nil
}
