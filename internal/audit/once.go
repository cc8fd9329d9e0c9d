package audit

import (
	"context"
	"crypto/sha256"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Once is a request that changes something at most once, however often it is sent: its Idempotency-Key commits with its change. It counts per principal, method
// and path. Key is a digest of what was sent.
type Once struct {
	Principal, Method, Path, Key string
	Body                         [sha256.Size]byte
}

// Made is what is kept of a request that was made: what it was and what it changed.
type Made struct {
	Body [sha256.Size]byte
	// Target is the id of the event's target.
	Target string
}

// ErrRepeated is what Write fails with for a Once that has committed already.
var ErrRepeated = fault.New(fault.Conflict, "A request with this Idempotency-Key is running or was made just now. Repeat it.")

type onceKey struct{}

// WithOnce makes the next Write in the context one that commits once. A request with more than one Write must not carry it.
func WithOnce(ctx context.Context, o Once) context.Context {
	return context.WithValue(ctx, onceKey{}, o)
}

// OnceOf gives what WithOnce put there.
func OnceOf(ctx context.Context) (o Once, ok bool) {
	o, ok = ctx.Value(onceKey{}).(Once)
	return o, ok
}
