package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
)

// idempotencyWindow is how long an Idempotency-Key protects a request.
const idempotencyWindow = 24 * time.Hour

const (
	deleteOldIdempotencyKeys query = `DELETE FROM idempotency WHERE created_at <= $1`
	insertIdempotencyKey     query = `INSERT INTO idempotency (principal, method, path, idempotency_key, body_hash,
		answer, created_at) VALUES ($1, $2, $3, $4, $5, '', $6)`
	updateIdempotencyKey query = `UPDATE idempotency SET answer = $5 WHERE principal = $1 AND method = $2
		AND path = $3 AND idempotency_key = $4`
	selectIdempotencyKey query = `SELECT body_hash, answer FROM idempotency WHERE principal = $1 AND method = $2
		AND path = $3 AND idempotency_key = $4 AND created_at > $5`
)

// reserve reserves the request's Idempotency-Key before anything is changed. Another transaction
// with the same key waits here until this one has ended, and then finds the key reserved. Expired
// keys are deleted first.
func (t *Tx) reserve(ctx context.Context, o audit.IdempotencyKey) error {
	now := t.store.Now()
	if err := t.exec(ctx, deleteOldIdempotencyKeys, micros(t.store.Horizon().Add(-idempotencyWindow))); err != nil {
		return err
	}
	err := t.exec(ctx, insertIdempotencyKey, o.Principal, o.Method, o.Path, o.Key, o.Body[:], micros(now))
	if t.store.backend.Classify(err) == Duplicate {
		return audit.ErrAlreadyReserved
	}
	return err
}

// recordResult stores what the request changed.
func (t *Tx) recordResult(ctx context.Context, o audit.IdempotencyKey, e audit.Event) error {
	return t.runOne(ctx, updateIdempotencyKey, o.Principal, o.Method, o.Path, o.Key, e.Target.ID)
}

// IdempotentResult returns the stored result of a request with this Idempotency-Key, or
// fault.NotFound.
func (s *Store) IdempotentResult(ctx context.Context, o audit.IdempotencyKey) (m audit.IdempotentResult, err error) {
	var body []byte
	err = s.reading.row(ctx, selectIdempotencyKey, o.Principal, o.Method, o.Path, o.Key,
		micros(s.Now().Add(-idempotencyWindow))).Scan(&body, &m.Target)
	if err != nil {
		return m, s.fault(err)
	}
	copy(m.Body[:], body)
	return m, nil
}
