package policy

import (
	"slices"
	"time"
)

// IdleNotice is how long before it is disabled for idleness the owner of a key is told so.
const IdleNotice = 7 * Day

// Idleness is what a tenant makes of keys that nobody uses.
type Idleness struct {
	// Days after which a key is disabled; 0 for never.
	Days int
	// Since is when it came to be so.
	Since time.Time
}

// Idle is what decides when a key counts as idle; a time that is not set is zero.
type Idle struct{ LastUsedAt, SecretSetAt, EnabledAt time.Time }

// IdleAt is when a key will be disabled for idleness if it stays unused; zero for never. It counts from the last use or, where that is later, from when the
// secret was set or the key was enabled, and leaves room for the notice: a key is not disabled within it, also where the tenant asks for fewer days, or has
// asked only since.
func (i Idleness) IdleAt(k Idle) time.Time {
	if i.Days == 0 || k.SecretSetAt.IsZero() {
		return time.Time{}
	}
	from := latest(k.LastUsedAt, k.SecretSetAt, k.EnabledAt)
	return latest(from.Add(max(time.Duration(i.Days)*Day, IdleNotice)), i.Since.Add(IdleNotice))
}

// IdleSince gives the latest last sign of life of a key that is idle by the given moment; zero where there can be none.
func (i Idleness) IdleSince(by time.Time) time.Time {
	if i.Days == 0 || i.Since.Add(IdleNotice).After(by) {
		return time.Time{}
	}
	return by.Add(-max(time.Duration(i.Days)*Day, IdleNotice))
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
