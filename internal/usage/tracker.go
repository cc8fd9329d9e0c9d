package usage

import (
	"sync/atomic"
	"time"
)

// minGap is the least time between two recorded uses of a secret.
const minGap = time.Second

// Tracker knows which uses of one key are recorded already, so that few requests reach the
// [Recorder]. It is kept beside the cached facts of the key. Call Init before any other method. It
// is safe for concurrent use.
type Tracker struct {
	// current and previous are the last recorded uses of the two secrets, in microseconds.
	current, previous atomic.Int64
	// scopes are the last recorded days of the key's scopes, in the order of the scopes.
	scopes []atomic.Int32
}

// Init sets the last use on record and the number of the key's scopes. None of the scopes counts as
// recorded.
func (t *Tracker) Init(lastUsedAt time.Time, scopes int) {
	t.current.Store(lastUsedAt.UnixMicro())
	t.scopes = make([]atomic.Int32, scopes)
}

// Due reports whether a use of the current or previous secret must be recorded: it is a second
// later than the last recorded one. The caller must record it then, because no other call returns
// true for it.
func (t *Tracker) Due(now time.Time, previous bool) bool {
	last := &t.current
	if previous { // counted separately, or its uses would not show beside those of the current one
		last = &t.previous
	}
	recorded := last.Load()
	at := now.UnixMicro()
	return at-recorded >= minGap.Microseconds() && last.CompareAndSwap(recorded, at)
}

// ScopeDue reports whether a use of the scope with this index must be recorded, and on which day:
// it is the scope's first use of the day of the key's last use. Call Due for the use itself before.
func (t *Tracker) ScopeDue(index int) (on time.Time, due bool) {
	last := &t.scopes[index]
	today := int32(max(t.current.Load(), t.previous.Load()) / dayMicros)
	recorded := last.Load()
	if recorded >= today || !last.CompareAndSwap(recorded, today) {
		return time.Time{}, false
	}
	return firstMoment(today), true
}
