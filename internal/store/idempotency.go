package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
)

// remembered is how long an Idempotency-Key counts.
const remembered = 24 * time.Hour

const (
	forgetOnces query = `DELETE FROM idempotency WHERE created_at <= $1`
	insertOnce  query = `INSERT INTO idempotency (principal, method, path, idempotency_key, body_hash, answer, created_at) VALUES ($1, $2, $3, $4, $5, '', $6)`
	updateOnce  query = `UPDATE idempotency SET answer = $5 WHERE principal = $1 AND method = $2 AND path = $3 AND idempotency_key = $4`
	selectOnce  query = `SELECT body_hash, answer FROM idempotency WHERE principal = $1 AND method = $2 AND path = $3 AND idempotency_key = $4 AND created_at > $5`
)

// claim takes the request's Idempotency-Key before anything is changed: another transaction with the same one waits here until this one is over, and then
// finds it taken. What has run out goes first.
func (t *Tx) claim(ctx context.Context, o audit.Once) error {
	now := t.store.Now()
	if err := t.exec(ctx, forgetOnces, micros(t.store.Horizon().Add(-remembered))); err != nil {
		return err
	}
	err := t.exec(ctx, insertOnce, o.Principal, o.Method, o.Path, o.Key, o.Body[:], micros(now))
	if t.store.backend.Classify(err) == Duplicate {
		return audit.ErrRepeated
	}
	return err
}

// remember keeps what the request has changed.
func (t *Tx) remember(ctx context.Context, o audit.Once, e audit.Event) error {
	return t.one(ctx, updateOnce, o.Principal, o.Method, o.Path, o.Key, e.Target.ID)
}

// Made gives what is kept of a request of this Idempotency-Key, or fault.NotFound.
func (s *Store) Made(ctx context.Context, o audit.Once) (m audit.Made, err error) {
	var body []byte
	err = s.reading.row(ctx, selectOnce, o.Principal, o.Method, o.Path, o.Key, micros(s.Now().Add(-remembered))).Scan(&body, &m.Target)
	if err != nil {
		return m, s.fault(err)
	}
	copy(m.Body[:], body)
	return m, nil
}
