package serverkey

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Rotate records a new version of each key of the set and returns it. The version is used after
// PropagationDelay, when every node knows it.
func (s *Service) Rotate(ctx context.Context, who principal.Principal, set Set) (added credential.Version, err error) {
	if err := checkOperator(who); err != nil {
		return added, err
	}
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		keys, err := tx.LockServerKeys(ctx)
		if err != nil {
			return audit.Event{}, err
		}
		now := s.Now()
		added, err = set.next(keys, now)
		if err != nil {
			return audit.Event{}, err
		}
		added.From = now.Add(s.PropagationDelay)
		var versions []credential.Version
		for _, purpose := range set.present(keys) {
			versions = append(versions, credential.Version{Purpose: purpose, Number: added.Number, From: added.From})
		}
		e := audit.By(who, audit.ActionRootKeyRotate, target).With("keys", set.String()).With("version",
			strconv.Itoa(added.Number))
		return e.With("used_from", added.From.UTC().Format(time.RFC3339)), tx.InsertServerKeys(ctx, versions, now)
	})
	if err == nil {
		_, err = s.Sync(ctx)
	}
	return added, err
}

// next returns the version after the newest one, which must be in use.
func (set Set) next(keys []Key, now time.Time) (v credential.Version, err error) {
	for _, k := range set.of(keys) {
		if k.From.After(now) {
			return v, fault.New(fault.Conflict,
				fmt.Sprintf("Version %d is not in use before %s. Rotate again after that.", k.Number,
					k.From.UTC().Format(time.RFC3339)))
		}
		v.Number = max(v.Number, k.Number)
	}
	v.Number++
	return v, nil
}

// present returns the purposes of the set that have a key. Before the upgrade of the database is
// finished, nodes of the version before do not know all purposes.
func (set Set) present(keys []Key) (present Set) {
	for _, purpose := range set {
		if len((Set{purpose}).of(keys)) > 0 {
			present = append(present, purpose)
		}
	}
	return present
}

// String returns the names of the purposes.
func (set Set) String() string {
	names := make([]string, len(set))
	for i, purpose := range set {
		names[i] = string(purpose)
	}
	return strings.Join(names, " ")
}

// State is a live version and how much is left under it.
type State struct {
	Key
	// Current is set where it is used for everything new.
	Current bool
	// Remaining is how much is left under it; see Counter.
	Remaining int64
}

// Status returns the live versions, for the operator.
func (s *Service) Status(ctx context.Context, who principal.Principal) (states []State, err error) {
	if err := checkOperator(who); err != nil {
		return nil, err
	}
	keys, err := s.Store.ServerKeys(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	for _, k := range keys {
		state := State{Key: k, Current: usePeriod(k.Version, keys).contains(now)}
		state.Remaining, err = s.Store.CountRemaining(ctx, k.Version, usePeriod(k.Version, keys).withGrace(), now)
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	return states, nil
}

// contains reports whether a time is within the period.
func (p UsePeriod) contains(now time.Time) bool {
	return !now.Before(p.From) && (p.Until.IsZero() || now.Before(p.Until))
}

// Retire ends a version of the set's keys. It is refused while anything is left under the version:
// afterwards nothing that the version encrypted can be decrypted, and nothing that it marked is
// recognised.
func (s *Service) Retire(ctx context.Context, who principal.Principal, set Set, number int) error {
	if err := checkOperator(who); err != nil {
		return err
	}
	err := s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		keys, err := tx.LockServerKeys(ctx)
		if err != nil {
			return audit.Event{}, err
		}
		old, err := set.superseded(keys, number, s.Horizon())
		if err != nil {
			return audit.Event{}, err
		}
		remaining, err := s.remaining(ctx, tx, old, keys)
		if err == nil && remaining != nil {
			err = fault.New(fault.Conflict,
				fmt.Sprintf("Version %d cannot be retired: it is still needed by %s.", number,
					strings.Join(remaining, ", ")))
		}
		if err != nil {
			return audit.Event{}, err
		}
		for _, k := range old {
			if err := tx.RetireServerKey(ctx, k.Version, s.Now()); err != nil {
				return audit.Event{}, err
			}
		}
		return audit.By(who, audit.ActionRootKeyRetire, target).With("keys", set.String()).With("version",
			strconv.Itoa(number)), nil
	})
	if err == nil {
		_, err = s.Sync(ctx)
	}
	return err
}

// superseded returns the set's keys of a version. A newer version must have replaced it.
func (set Set) superseded(keys []Key, number int, now time.Time) (old []Key, err error) {
	for _, k := range set.of(keys) {
		if k.Number != number {
			continue
		}
		switch end := usePeriod(k.Version, keys).withGrace().Until; {
		case end.IsZero():
			return nil, fault.New(fault.Conflict,
				fmt.Sprintf("Version %d is the newest and cannot be retired. Rotate the key first.", number))
		case now.Before(end):
			return nil, fault.New(fault.Conflict,
				fmt.Sprintf("Version %d may be in use until %s. Retire it after that.", number,
					end.UTC().Format(time.RFC3339)))
		}
		old = append(old, k)
	}
	if old == nil {
		err = fault.New(fault.NotFound, fmt.Sprintf("There is no version %d. List the live versions first.", number))
	}
	return old, err
}

// remaining returns what is left under the old keys, such as "3 digests".
func (s *Service) remaining(ctx context.Context, counter Counter, old, keys []Key) (remaining []string, err error) {
	for _, k := range old {
		n, err := counter.CountRemaining(ctx, k.Version, usePeriod(k.Version, keys).withGrace(), s.Horizon())
		if err != nil {
			return nil, err
		}
		if n > 0 {
			remaining = append(remaining, fmt.Sprintf("%d %s", n, units[k.Purpose]))
		}
		// Access tokens are not stored, so all of them may still be valid.
		last := usePeriod(k.Version, keys).withGrace().Until.Add(credential.MaxAccessTokenLifetime)
		if k.Purpose == credential.SessionPurpose && s.Horizon().Before(last) {
			remaining = append(remaining, "access tokens until "+last.UTC().Format(time.RFC3339))
		}
	}
	return remaining, nil
}

// units name what is counted for a purpose.
var units = map[credential.Purpose]string{
	credential.DigestPurpose: "digests and second factors", credential.CopyPurpose: "copies of secrets",
	credential.SessionPurpose: "sign-ins and links", credential.TagPurpose: "ids",
	credential.ManagementDigestPurpose: "digests of management keys",
	credential.ManagementTagPurpose:    "ids of management keys",
}
