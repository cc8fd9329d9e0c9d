package policy

import (
	"slices"
	"time"
)

const (
	// IdleNotice is how long before an idle key is disabled its owner gets a notice.
	IdleNotice = 7 * Day
	// IdleMargin is how much later than it is due anything is done about an idle key, because a
	// last use is recorded a little late.
	IdleMargin = time.Minute
	// minIdlePeriod leaves a day before the notice, so that nobody gets a notice about a key that
	// is used every day.
	minIdlePeriod = IdleNotice + Day
)

// IdleRule is a tenant's rule for keys that nobody uses.
type IdleRule struct {
	// Days is after how many days without use a key is disabled; 0 for never.
	Days int
	// Since is when the rule was set.
	Since time.Time
}

// Activity is when a key was last used, refreshed and enabled; zero for never.
type Activity struct{ LastUsedAt, SecretSetAt, EnabledAt time.Time }

// IdleAt returns when a key will be disabled if it stays unused; zero for never. The days count
// from the latest of its last use, the setting of its secret and its enabling. A key is disabled no
// sooner than [IdleNotice] and a day after that, even if the rule has fewer days, and no sooner
// than [IdleNotice] after the rule was set.
func (i IdleRule) IdleAt(k Activity) time.Time {
	if i.Days == 0 || k.SecretSetAt.IsZero() {
		return time.Time{}
	}
	from := latest(k.LastUsedAt, k.SecretSetAt, k.EnabledAt)
	return latest(from.Add(i.period()), i.Since.Add(IdleNotice))
}

// IdleCutoff returns the time such that a key is idle at the given moment if its latest activity
// was then or before; zero if no key can be idle.
func (i IdleRule) IdleCutoff(by time.Time) time.Time {
	if i.Days == 0 || i.Since.Add(IdleNotice).After(by) {
		return time.Time{}
	}
	return by.Add(-i.period())
}

// period returns how long a key may stay unused.
func (i IdleRule) period() time.Duration { return max(time.Duration(i.Days)*Day, minIdlePeriod) }

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
