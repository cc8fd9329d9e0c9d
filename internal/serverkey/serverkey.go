// Package serverkey rotates the keys of the server itself: those that seal what is kept, and those that mark what was issued.
//
// All of them come from the root secret, by purpose and version (see package credential), and the live versions are on record. Rotating adds a version:
//
//	recorded ──settle──▶ used for what is new ──▶ superseded ──▶ retired
//	          every node    │                       │ nothing is
//	          learns of it  └ what is sealed is     │ left under it
//	                          wrapped anew          └ it still opens and recognises
//
// Digests and copies of secrets are sealed, so a job wraps them anew. Sign-ins, links and cursors end by themselves. Ids carry their tags for as long as they
// live, so the tag key is rotated on its own, and an old version of it stays while ids of it do.
package serverkey

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Key is a live version on record.
type Key struct {
	credential.Version
	CreatedAt time.Time
	// EmptiedAt is when all that it had sealed was found wrapped anew; zero before, and where it seals nothing that is kept.
	EmptiedAt time.Time
}

// Versions of the keys.
func Versions(keys []Key) []credential.Version {
	versions := make([]credential.Version, len(keys))
	for i, k := range keys {
		versions[i] = k.Version
	}
	return versions
}

// Set is the purposes whose keys are rotated together, and have the same versions.
type Set []credential.Purpose

// The sets.
var (
	// Seals are all but the tag key.
	Seals = Set{credential.DigestPurpose, credential.CopyPurpose, credential.CursorPurpose, credential.SessionPurpose}
	// Tags mark the ids of keys.
	Tags = Set{credential.TagPurpose}
)

// Span is the time in which a version was used for what was new. Until is zero for the current one.
type Span struct{ From, Until time.Time }

// Row is a sealed text that is kept, with its place.
type Row struct {
	Tenant ident.TenantID
	credential.Row
	Sealed credential.Sealed
}

// Rewrapped is a row and its text under another version.
type Rewrapped struct {
	Row
	Fresh credential.Sealed
}

// Counter counts what is left under a version: sealed texts, ids that answer, or sign-ins and links of its span that live. Cursors are not kept.
type Counter interface {
	Left(ctx context.Context, v credential.Version, used Span, now time.Time) (int64, error)
}

// Store is what server keys read, and how sealed texts are replaced.
type Store interface {
	Counter
	// ServerKeys lists the live versions, by purpose and number.
	ServerKeys(ctx context.Context) ([]Key, error)
	// SealedBefore gives some of the digests or copies under older versions than the one named, behind the place given, in order of places; none at the end.
	SealedBefore(ctx context.Context, purpose credential.Purpose, version int, after credential.Row) ([]Row, error)
	// Rewrap replaces each text that is still as it was read. It says the same as before, so this is no change and has no event.
	Rewrap(ctx context.Context, purpose credential.Purpose, batch []Rewrapped) error
}

// Tx is what changes the record of server keys.
type Tx interface {
	Counter
	// LockServerKeys lists the live versions and holds them.
	LockServerKeys(ctx context.Context) ([]Key, error)
	InsertServerKeys(ctx context.Context, versions []credential.Version, at time.Time) error
	// EmptyServerKey records that nothing is left under a version.
	EmptyServerKey(ctx context.Context, v credential.Version, at time.Time) error
	RetireServerKey(ctx context.Context, v credential.Version, at time.Time) error
}

// Service rotates server keys.
type Service struct {
	Ledger  audit.Ledger[Tx]
	Store   Store
	Keyring *credential.Keyring
	Now     func() time.Time
	// Horizon is the time that work which cannot be undone goes by; it is never ahead of Now.
	Horizon func() time.Time
	// Settle is how long the other nodes may take to learn of a version; zero where there are none.
	Settle time.Duration

	// learning lets nobody put versions into the keyring that were read before those of another.
	learning sync.Mutex
	mu       sync.Mutex
	walked   walk
}

// linger is how long something may still be written under a version that is no longer the current one: what was sealed before, in a write that waits.
const linger = time.Minute

// Learn makes the keyring hold the versions on record, and gives them.
func (s *Service) Learn(ctx context.Context) ([]Key, error) {
	s.learning.Lock()
	defer s.learning.Unlock()
	keys, err := s.Store.ServerKeys(ctx)
	if err != nil {
		return nil, err
	}
	return keys, s.Keyring.Use(Versions(keys))
}

var target = audit.Target{Type: "server"}

// operator lets only whoever owns the machine through.
func operator(who principal.Principal) error {
	if who.Kind() != principal.ByOS {
		return fault.New(fault.Forbidden, "Only the operator may do this.")
	}
	return nil
}

// of are the versions of the set's keys.
func (set Set) of(keys []Key) (of []Key) {
	for _, k := range keys {
		if slices.Contains(set, k.Purpose) {
			of = append(of, k)
		}
	}
	return of
}

// used gives when a version was used for what was new, as far as the versions beside it tell.
func used(v credential.Version, keys []Key) Span {
	span := Span{From: v.From}
	for _, k := range keys {
		if k.Purpose == v.Purpose && k.Number > v.Number && (span.Until.IsZero() || k.From.Before(span.Until)) {
			span.Until = k.From
		}
	}
	return span
}

// lingering is the span with the time in which something may still have been written.
func (s Span) lingering() Span {
	if !s.Until.IsZero() {
		s.Until = s.Until.Add(linger)
	}
	return s
}
