package policy

import (
	"slices"
	"time"
)

const (
	// IdleNotice is how long before it is disabled for idleness the owner of a key is told so.
	IdleNotice = 7 * Day
	// IdleMargin is how much later than it falls due anything is done about an idle key: a last use may come on record a little late.
	IdleMargin = time.Minute
	// shortestIdle leaves a day before the notice: of a key that is used daily nobody is told anything.
	shortestIdle = IdleNotice + Day
)

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
// secret was set or the key was enabled, and leaves room for the notice and a day before it: a key is not disabled within them, also where the tenant asks for fewer days; nor
// within the notice since the tenant has asked.
func (i Idleness) IdleAt(k Idle) time.Time {
	if i.Days == 0 || k.SecretSetAt.IsZero() {
		return time.Time{}
	}
	from := latest(k.LastUsedAt, k.SecretSetAt, k.EnabledAt)
	return latest(from.Add(i.span()), i.Since.Add(IdleNotice))
}

// IdleSince gives the latest last sign of life of a key that is idle by the given moment; zero where there can be none.
func (i Idleness) IdleSince(by time.Time) time.Time {
	if i.Days == 0 || i.Since.Add(IdleNotice).After(by) {
		return time.Time{}
	}
	return by.Add(-i.span())
}

// span is how long a key is left unused.
func (i Idleness) span() time.Duration { return max(time.Duration(i.Days)*Day, shortestIdle) }

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
