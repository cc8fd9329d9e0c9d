package identity

import (
	"context"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// The delays between failed sign-ins of one bucket.
const (
	freeFailures = 5 // cause no delay: people mistype
	maxDelay     = time.Hour
	// FailureWindow is how long failures count after the last one.
	FailureWindow = 24 * time.Hour
)

// MaxGuessesADay is how many passwords are checked in one bucket within any 24 hours, as long as
// none is right. It follows from the delays: 17 within 69 minutes, then one an hour.
const MaxGuessesADay = 40

// Failures counts the attempts in one bucket since the last that succeeded. An attempt counts from
// before its password is checked.
type Failures struct {
	Count int
	// LastAt is the time of the last one; zero for none.
	LastAt time.Time
}

// Due returns the earliest time at which the password of another attempt is checked.
func (f Failures) Due() time.Time {
	switch over := f.Count - freeFailures; {
	case over <= 0:
		return f.LastAt
	case over >= 12: // 2^12 seconds are more than an hour
		return f.LastAt.Add(maxDelay)
	default:
		return f.LastAt.Add(time.Second << over)
	}
}

// At returns the failures that still count at a time: none once FailureWindow has passed.
func (f Failures) At(now time.Time) Failures {
	if !now.Before(f.LastAt.Add(FailureWindow)) {
		return Failures{}
	}
	return f
}

// allows reports whether the password of an attempt is checked now.
func (f Failures) allows(now time.Time) bool { return !now.Before(f.At(now).Due()) }

// A person has several buckets of failures. One is named after their canonical address: it counts
// attempts from clients that the person has not signed in from. The others are named after the
// person's id and either a known client (address and device) or the session in which they change
// their password. Codes of the second factor have buckets of their own, which a new password does
// not empty: a person who can set one must not guess more codes than others. So somebody who only
// knows the address fills the first bucket and none of the others. No address is spelt like the
// name of another bucket, since it has no space.

// clientBucket returns the bucket of the client that a sign-in comes from. known is false where the
// person has not signed in from its address (of IPv6, its /56). Each known device has a bucket, and
// all other devices share one. clients are those of KnownClients.
func clientBucket(user ident.UserID, clients []string, from principal.Origin) (bucket string, known bool) {
	at := admission.ForAddress(from.IP)
	for _, client := range clients {
		ip, isAddress := strings.CutPrefix(client, "address ")
		known = known || isAddress && from.IP != "" && admission.ForAddress(ip) == at
	}
	_, device := from.ClientNames()
	if !slices.Contains(clients, device) {
		device = "another device"
	}
	return bucketPrefix(user) + string(at) + " " + device, known
}

// sessionBucket returns the bucket of a session in which the password is changed.
func sessionBucket(s principal.Session) string {
	return bucketPrefix(s.User.ID) + "session " + string(s.ID)
}

// codePrefix is the prefix of the names of a person's buckets for codes. bucketPrefix is not a
// prefix of it.
func codePrefix(user ident.UserID) string { return string(user) + codeMark + " " }

// codeMark stands behind the id of a person in the name of a bucket for codes.
const codeMark = ":code"

// UserOfBucket returns the person whose bucket has the name; "" for the bucket of an address.
func UserOfBucket(name string) ident.UserID {
	id, _, found := strings.Cut(name, " ")
	if !found {
		return ""
	}
	return ident.UserID(strings.TrimSuffix(id, codeMark))
}

// bucketPrefix is the prefix of the names of a person's buckets, except the one of their address.
func bucketPrefix(user ident.UserID) string { return string(user) + " " }

// seed keeps outsiders from knowing which addresses share a row.
var seed = maphash.MakeSeed()

// stripe maps an address to one of n numbers. It stays the same while the process runs.
func stripe(canonical string, n int) int {
	return int(maphash.String(seed, canonical) % uint64(n))
}

// sharedBuckets is how many rows count the attempts that no bucket of a person counts.
const sharedBuckets = 1024

// sharedBucket names the row for an attempt that no bucket of a person counts, so that every
// attempt writes once. No address is spelt like that.
func sharedBucket(canonical string) string {
	return "?" + strconv.Itoa(stripe(canonical, sharedBuckets))
}

// failureRetention is how long failures are kept after they no longer count.
const failureRetention = policy.Day

// RemoveOldFailures removes the failures that no longer count.
func (s *Service) RemoveOldFailures(ctx context.Context) error {
	return s.Store.DeleteOldFailures(ctx, s.Horizon().Add(-FailureWindow-failureRetention))
}
