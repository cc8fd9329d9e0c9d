package serverkey

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/principal"
)

// sealingPurposes are the purposes whose encrypted texts are stored, and so re-encrypted.
var sealingPurposes = Set{credential.DigestPurpose, credential.CopyPurpose, credential.ManagementDigestPurpose}

// storedPurposes are the purposes of which encrypted texts are stored. Second factors have the
// versions of digests, and count among what is left under those.
var storedPurposes = append(slices.Clone(sealingPurposes), credential.SecondFactorPurpose)

// repeatAfter is after how long all texts are read again while older versions are live, to find
// what was written long after it was encrypted.
const repeatAfter = time.Hour

// progress describes a pass through all encrypted texts.
type progress struct {
	// to is the version under which everything was re-encrypted; 0 for none.
	to int
	// final is set where the pass began after the last write under an older version.
	final bool
	at    time.Time
}

// RunOnce loads the versions on record, and re-encrypts under the current one everything that is
// under an older one. Where it was interrupted, the next call goes on. All nodes may run it at a
// time.
func (s *Service) RunOnce(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, err := s.Sync(ctx)
	if err != nil {
		return err
	}
	current, now := s.Keyring.SealingVersion(), s.Now()
	next := progress{to: current.Number, final: !now.Before(current.From.Add(writeGrace)), at: now}
	if len(olderKeys(keys, current)) == 0 || s.done.covers(next) {
		return nil
	}
	unreadable, err := s.reencryptAll(ctx, current)
	if err != nil {
		return err
	}
	if unreadable > 0 {
		s.done = next // another pass right now would get no further
		return fmt.Errorf("%d encrypted texts of versions before %d cannot be decrypted, and stay as they are",
			unreadable,
			current.Number)
	}
	drained := true
	if next.final {
		drained, err = s.recordDrained(ctx, current)
	}
	if drained && err == nil {
		s.done = next
	}
	return err
}

// covers reports whether the pass makes another one unnecessary for now.
func (w progress) covers(next progress) bool {
	since := next.at.Sub(w.at) // negative where the clock was set back
	return w.to == next.to && w.final == next.final && since >= 0 && since < repeatAfter
}

// olderKeys returns the keys older than the current version under which texts may be stored.
func olderKeys(keys []Key, current credential.Version) (old []Key) {
	for _, k := range sealingPurposes.of(keys) {
		if k.Number < current.Number {
			old = append(old, k)
		}
	}
	return old
}

// reencryptAll reads all encrypted texts once, and returns how many cannot be decrypted.
func (s *Service) reencryptAll(ctx context.Context, current credential.Version) (unreadable int, err error) {
	for _, purpose := range storedPurposes {
		for after := (credential.Row{}); ; {
			rows, err := s.Store.SealedBefore(ctx, purpose, current.Number, after)
			if err != nil {
				return unreadable, err
			}
			if len(rows) == 0 {
				break
			}
			fresh := s.reencryptRows(purpose, rows)
			if err := s.Store.Reencrypt(ctx, purpose, fresh); err != nil {
				return unreadable, err
			}
			unreadable += len(rows) - len(fresh)
			after = rows[len(rows)-1].Row
		}
	}
	return unreadable, nil
}

// reencryptRows returns the rows that can be decrypted, with their texts under the current version.
func (s *Service) reencryptRows(purpose credential.Purpose, rows []Row) (fresh []Reencrypted) {
	for _, r := range rows {
		sealed, err := s.reencrypt(purpose, r)
		if err == nil {
			fresh = append(fresh, Reencrypted{r, sealed})
		}
	}
	return fresh
}

// reencrypt returns the text of a row under the current version.
func (s *Service) reencrypt(purpose credential.Purpose, r Row) (credential.Sealed, error) {
	switch purpose {
	case credential.CopyPurpose:
		secret, err := s.Keyring.OpenCopy(r.Sealed, r.Tenant, r.Row)
		if err != nil {
			return credential.Sealed{}, err
		}
		return s.Keyring.SealCopy(secret, r.Tenant, r.Row), nil
	case credential.ManagementDigestPurpose:
		digest, err := s.Keyring.OpenManagementDigest(r.Sealed, r.Row)
		if err != nil {
			return credential.Sealed{}, err
		}
		return s.Keyring.SealManagementDigest(digest, r.Row)
	case credential.SecondFactorPurpose:
		secret, err := s.Keyring.OpenSecondFactor(r.Sealed, r.Row)
		if err != nil {
			return credential.Sealed{}, err
		}
		return s.Keyring.SealSecondFactor(secret, r.Row), nil
	}
	digest, err := s.Keyring.OpenDigest(r.Sealed, r.Row)
	if err != nil {
		return credential.Sealed{}, err
	}
	return s.Keyring.SealDigest(digest, r.Row), nil
}

// recordDrained records once that nothing is left under the older keys. drained is false where
// something is left after all, which another pass finds.
func (s *Service) recordDrained(ctx context.Context, current credential.Version) (drained bool, err error) {
	err = s.Ledger.Write(ctx, principal.System(), func(ctx context.Context, tx Tx) (audit.Event, error) {
		keys, err := tx.LockServerKeys(ctx)
		if err != nil {
			return audit.Event{}, err
		}
		old := slices.DeleteFunc(olderKeys(keys, current), func(k Key) bool { return !k.DrainedAt.IsZero() })
		remaining, err := s.remaining(ctx, tx, old, keys)
		if err != nil {
			return audit.Event{}, err
		}
		drained = remaining == nil
		if !drained || len(old) == 0 {
			return audit.Event{}, audit.ErrNothing
		}
		for _, k := range old {
			if err := tx.DrainServerKey(ctx, k.Version, s.Now()); err != nil {
				return audit.Event{}, err
			}
		}
		return audit.By(principal.System(), audit.ActionRootKeyRewrap, target).With("keys",
			sealingPurposes.String()).With("version", strconv.Itoa(current.Number)), nil
	})
	return drained, err
}
