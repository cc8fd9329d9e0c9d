package gateway

import "sync/atomic"

// Counts are what the gateway has done since it started. They are safe for concurrent use.
type Counts struct {
	inProgress                            atomic.Int64
	answered, unreachable, timeout, ended atomic.Uint64
}

// InProgress returns how many requests are being forwarded, open WebSocket connections included.
func (c *Counts) InProgress() int64 { return c.inProgress.Load() }

// Each emits the counts of requests to the API by result: answered, unreachable (502), timeout
// (504), and ended (an open response whose credential lost its authority).
func (c *Counts) Each(emit func(n uint64, result ...string)) {
	emit(c.answered.Load(), "answered")
	emit(c.unreachable.Load(), "unreachable")
	emit(c.timeout.Load(), "timeout")
	emit(c.ended.Load(), "ended")
}
