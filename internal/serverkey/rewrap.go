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

// sealing are the purposes whose texts are kept, and wrapped anew.
var sealing = Set{credential.DigestPurpose, credential.CopyPurpose}

// again is after how long all that is sealed is walked through once more while older versions live: for what was sealed long before it was written.
const again = time.Hour

// walk is how far this node has come through all that is sealed.
type walk struct {
	// to is the version that all was wrapped under; 0 for none.
	to int
	// last is set where nothing should have been written under an older version any more when it began.
	last bool
	at   time.Time
}

// Pass learns the versions on record and wraps under the current one whatever is under an older one. Where it was stopped half way, the next one goes on. All nodes may
// do it at a time.
func (s *Service) Pass(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, err := s.Learn(ctx)
	if err != nil {
		return err
	}
	current, now := s.Keyring.Sealing(), s.Now()
	next := walk{to: current.Number, last: !now.Before(current.From.Add(linger)), at: now}
	if len(outlived(keys, current)) == 0 || s.walked.suffices(next) {
		return nil
	}
	stuck, err := s.walk(ctx, current)
	if err != nil {
		return err
	}
	if stuck > 0 {
		s.walked = next // another at once would come no further
		return fmt.Errorf("%d sealed texts of older versions than %d do not open, and stay as they are", stuck, current.Number)
	}
	whole := true
	if next.last {
		whole, err = s.complete(ctx, current)
	}
	if whole && err == nil {
		s.walked = next
	}
	return err
}

func (w walk) suffices(next walk) bool {
	since := next.at.Sub(w.at) // less than nothing where time was put back
	return w.to == next.to && w.last == next.last && since >= 0 && since < again
}

// outlived are the keys older than the current one that may have sealed what is kept.
func outlived(keys []Key, current credential.Version) (old []Key) {
	for _, k := range sealing.of(keys) {
		if k.Number < current.Number {
			old = append(old, k)
		}
	}
	return old
}

// walk goes once through all that is sealed, and counts what does not open.
func (s *Service) walk(ctx context.Context, current credential.Version) (stuck int, err error) {
	for _, purpose := range sealing {
		for after := (credential.Row{}); ; {
			rows, err := s.Store.SealedBefore(ctx, purpose, current.Number, after)
			if err != nil {
				return stuck, err
			}
			if len(rows) == 0 {
				break
			}
			fresh := s.wrap(purpose, rows)
			if err := s.Store.Rewrap(ctx, purpose, fresh); err != nil {
				return stuck, err
			}
			stuck += len(rows) - len(fresh)
			after = rows[len(rows)-1].Row
		}
	}
	return stuck, nil
}

// wrap seals under the current version what opens.
func (s *Service) wrap(purpose credential.Purpose, rows []Row) (fresh []Rewrapped) {
	for _, r := range rows {
		sealed, err := s.seal(purpose, r)
		if err == nil {
			fresh = append(fresh, Rewrapped{r, sealed})
		}
	}
	return fresh
}

func (s *Service) seal(purpose credential.Purpose, r Row) (credential.Sealed, error) {
	if purpose == credential.CopyPurpose {
		secret, err := s.Keyring.OpenCopy(r.Sealed, r.Tenant, r.Row)
		if err != nil {
			return credential.Sealed{}, err
		}
		return s.Keyring.SealCopy(secret, r.Tenant, r.Row), nil
	}
	digest, err := s.Keyring.OpenDigest(r.Sealed, r.Row)
	if err != nil {
		return credential.Sealed{}, err
	}
	return s.Keyring.SealDigest(digest, r.Row), nil
}

// complete puts on record, once, that nothing is left under the outlived keys. Should there be after all, whole is false, and another walk finds it.
func (s *Service) complete(ctx context.Context, current credential.Version) (whole bool, err error) {
	err = s.Ledger.Write(ctx, principal.System(), func(ctx context.Context, tx Tx) (audit.Event, error) {
		keys, err := tx.LockServerKeys(ctx)
		if err != nil {
			return audit.Event{}, err
		}
		old := slices.DeleteFunc(outlived(keys, current), func(k Key) bool { return !k.EmptiedAt.IsZero() })
		left, err := s.left(ctx, tx, old, keys)
		if err != nil {
			return audit.Event{}, err
		}
		if whole = left == nil; !whole || len(old) == 0 {
			return audit.Event{}, audit.ErrNothing
		}
		for _, k := range old {
			if err := tx.EmptyServerKey(ctx, k.Version, s.Now()); err != nil {
				return audit.Event{}, err
			}
		}
		return audit.By(principal.System(), audit.ActionRootKeyRewrap, target).With("keys", sealing.String()).With("version", strconv.Itoa(current.Number)), nil
	})
	return whole, err
}
