package identity

import (
	"hash/maphash"
	"strconv"
	"time"
)

// MaxFailures is how many sign-ins may fail before the password must be set anew.
const MaxFailures = 100

// The delays between failed sign-ins.
const (
	freeFailures = 5 // cost nothing: people mistype
	maxDelay     = time.Hour
)

// Failures are the attempts on one address that were judged since the last that succeeded. An attempt counts from before it is judged.
type Failures struct {
	Count int
	// LastAt is when the last of them was; zero for none.
	LastAt time.Time
}

// Due gives the first instant at which another attempt is judged; never is set where none is any more.
func (f Failures) Due() (at time.Time, never bool) {
	switch over := f.Count - freeFailures; {
	case f.Count >= MaxFailures:
		return time.Time{}, true
	case over <= 0:
		return f.LastAt, false
	case over >= 12: // 2^12 seconds are more than an hour
		return f.LastAt.Add(maxDelay), false
	default:
		return f.LastAt.Add(time.Second << over), false
	}
}

// permit reports whether an attempt is judged now.
func (f Failures) permit(now time.Time) bool {
	at, never := f.Due()
	return !never && !now.Before(at)
}

// seed keeps from outsiders which addresses fall together.
var seed = maphash.MakeSeed()

// share spreads addresses over so many places. An address keeps its own while the process runs.
func share(canonical string, places int) int {
	return int(maphash.String(seed, canonical) % uint64(places))
}

// buckets is how many rows stand in for addresses that have none of their own.
const buckets = 1024

// bucket names the row that is written for an attempt that no account's own row counts. No address is spelt like that.
func bucket(canonical string) string { return "?" + strconv.Itoa(share(canonical, buckets)) }
