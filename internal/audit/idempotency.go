package audit

import (
	"context"
	"crypto/sha256"

	"github.com/claviger-dev/claviger/internal/fault"
)

// IdempotencyKey identifies a request that makes its change at most once, however often it is sent.
// It is committed with the change. It is unique per principal, method and path. Key is a digest of
// the header's value.
type IdempotencyKey struct {
	Principal, Method, Path, Key string
	Body                         [sha256.Size]byte
}

// IdempotentResult is the stored result of a request: its body and what it changed.
type IdempotentResult struct {
	Body [sha256.Size]byte
	// Target is the id of the event's target.
	Target string
}

// ErrAlreadyReserved is the error of Write for an IdempotencyKey that another request has reserved
// or used.
var ErrAlreadyReserved = fault.New(fault.Conflict,
	"A request with this Idempotency-Key is running or was made just now. Repeat it.")

type idempotencyContextKey struct{}

// WithIdempotencyKey returns a context whose next Write reserves the key. Do not use it for a
// request with more than one Write.
func WithIdempotencyKey(ctx context.Context, o IdempotencyKey) context.Context {
	return context.WithValue(ctx, idempotencyContextKey{}, o)
}

// IdempotencyKeyOf returns the key that WithIdempotencyKey stored in the context.
func IdempotencyKeyOf(ctx context.Context) (o IdempotencyKey, ok bool) {
	o, ok = ctx.Value(idempotencyContextKey{}).(IdempotencyKey)
	return o, ok
}
