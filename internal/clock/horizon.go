package clock

import "time"

// CatchUpFactor is how many times as fast as elapsed time the horizon follows a clock that is ahead
// of it. After a downtime, or a start with a wrong clock, the horizon moves two hours in each hour.
const CatchUpFactor = 2

// horizon is the time up to which irreversible work may go, at an elapsed time.
type horizon struct {
	at    time.Time
	since time.Duration
}

// advance returns the horizon at the elapsed time, when the time is now. It is never ahead of now.
func (h horizon) advance(elapsed time.Duration, now time.Time) horizon {
	if passed := elapsed - h.since; passed > 0 {
		h.at = h.at.Add(CatchUpFactor * passed)
		h.since = elapsed
	}
	if h.at.After(now) {
		h.at = now
	}
	return h
}
