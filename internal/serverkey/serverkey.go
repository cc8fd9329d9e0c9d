// Package serverkey rotates the keys of the server itself: those that encrypt what is stored, and
// those that mark what was issued.
//
// All of them are derived from the root secret, by purpose and version (see package credential).
// The database records the live versions. Rotation adds a version:
//
//	recorded ──PropagationDelay──▶ current ──▶ superseded ──▶ retired
//	            every node          │           │ nothing is
//	            learns of it        └ stored    │ left under it
//	                                  texts are └ it still decrypts
//	                                  re-encrypted  and recognises
//
// A job re-encrypts digests and copies of secrets. Sign-ins, links and cursors expire. The id of a
// key carries its tag for as long as the key exists, so the tag key is rotated on its own, and an
// old version of it stays while there are ids with its tag.
//
// Only the operator rotates, lists and retires versions (checkOperator).
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
	// DrainedAt is when everything under it was found to be re-encrypted; zero before that, and for
	// a key that encrypts nothing that is stored.
	DrainedAt time.Time
}

// Versions returns the versions of the keys.
func Versions(keys []Key) []credential.Version {
	versions := make([]credential.Version, len(keys))
	for i, k := range keys {
		versions[i] = k.Version
	}
	return versions
}

// Set lists purposes whose keys are rotated together, and so have the same version numbers.
type Set []credential.Purpose

// The sets.
var (
	// Seals are all purposes except the tag keys.
	Seals = Set{
		credential.DigestPurpose, credential.CopyPurpose, credential.CursorPurpose, credential.SessionPurpose,
		credential.ManagementDigestPurpose,
	}
	// Tags are the keys that mark the ids of keys and of management keys.
	Tags = Set{credential.TagPurpose, credential.ManagementTagPurpose}
)

// UsePeriod is when a version was the current one. Until is zero for the current version.
type UsePeriod struct{ From, Until time.Time }

// Row is an encrypted text in the database, with its position.
type Row struct {
	Tenant ident.TenantID
	credential.Row
	Sealed credential.Sealed
}

// Reencrypted is a row and its text under the current version.
type Reencrypted struct {
	Row
	New credential.Sealed
}

// Counter counts what needs a version.
type Counter interface {
	// CountRemaining counts what is left under a version: encrypted texts, ids of keys that can
	// still be used, or live sign-ins and links from its use period. Cursors are not stored.
	CountRemaining(ctx context.Context, v credential.Version, used UsePeriod, now time.Time) (int64, error)
}

// Store reads the versions on record, and replaces encrypted texts.
type Store interface {
	Counter
	// ServerKeys lists the live versions, by purpose and number.
	ServerKeys(ctx context.Context) ([]Key, error)
	// SealedBefore returns the next digests, copies or second factors under versions older than the
	// given one, after a position; none at the end.
	SealedBefore(ctx context.Context, purpose credential.Purpose, version int, after credential.Row) ([]Row, error)
	// Reencrypt replaces each text that is still as it was read. The content stays the same, so
	// this is not an audited change.
	Reencrypt(ctx context.Context, purpose credential.Purpose, batch []Reencrypted) error
}

// Tx is what a change of the versions on record reads and writes.
type Tx interface {
	Counter
	// LockServerKeys lists the live versions and locks them.
	LockServerKeys(ctx context.Context) ([]Key, error)
	InsertServerKeys(ctx context.Context, versions []credential.Version, at time.Time) error
	// DrainServerKey records that nothing is left under a version.
	DrainServerKey(ctx context.Context, v credential.Version, at time.Time) error
	RetireServerKey(ctx context.Context, v credential.Version, at time.Time) error
}

// Service rotates server keys.
type Service struct {
	Ledger  audit.Ledger[Tx]
	Store   Store
	Keyring *credential.Keyring
	Now     func() time.Time
	// Horizon is the time that work which cannot be undone goes by. It is never later than Now.
	Horizon func() time.Time
	// PropagationDelay is the time between recording a version and using it, within which every
	// other node learns of it; zero where there are none.
	PropagationDelay time.Duration

	// syncing keeps an older list of versions from replacing a newer one in the keyring.
	syncing sync.Mutex
	// mu serializes passes of re-encryption.
	mu   sync.Mutex
	done progress
}

// writeGrace is how long after a version was superseded something may still be written under it, by
// a write that encrypted before and then had to wait.
const writeGrace = time.Minute

// Sync loads the versions on record into the keyring, and returns them.
func (s *Service) Sync(ctx context.Context) ([]Key, error) {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	keys, err := s.Store.ServerKeys(ctx)
	if err != nil {
		return nil, err
	}
	return keys, s.Keyring.Use(Versions(keys))
}

var target = audit.Target{Type: "server"}

// checkOperator refuses everybody but the operator.
func checkOperator(who principal.Principal) error {
	if who.Kind() != principal.KindOperator {
		return fault.New(fault.Forbidden, "Only the operator may do this. Run the command on the server.")
	}
	return nil
}

// of returns the keys of the set.
func (set Set) of(keys []Key) (of []Key) {
	for _, k := range keys {
		if slices.Contains(set, k.Purpose) {
			of = append(of, k)
		}
	}
	return of
}

// usePeriod returns when a version was the current one, given all live versions.
func usePeriod(v credential.Version, keys []Key) UsePeriod {
	period := UsePeriod{From: v.From}
	for _, k := range keys {
		if k.Purpose == v.Purpose && k.Number > v.Number && (period.Until.IsZero() || k.From.Before(period.Until)) {
			period.Until = k.From
		}
	}
	return period
}

// withGrace returns the period extended by writeGrace.
func (p UsePeriod) withGrace() UsePeriod {
	if !p.Until.IsZero() {
		p.Until = p.Until.Add(writeGrace)
	}
	return p
}
