package clock

import "time"

// CatchUp is how many times as fast as elapsed time irreversible work may follow a clock that is
// ahead of it. After a downtime, or a start with a clock that is wrong, an hour of running lets it
// come two hours further.
const CatchUp = 2

// horizon is how far irreversible work has come, and at which elapsed time.
type horizon struct {
	at    time.Time
	since time.Duration
}

// advance returns the horizon at that elapsed time, when it is now. It never goes back.
func (h horizon) advance(elapsed time.Duration, now time.Time) horizon {
	if passed := elapsed - h.since; passed > 0 {
		if next := h.at.Add(CatchUp * passed); next.Before(now) {
			h.at = next
		} else if now.After(h.at) {
			h.at = now
		}
		h.since = elapsed
	}
	return h
}
