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

// Rotate adds a version of each key of the set and gives it. It is used once every node has had the time to learn of it.
func (s *Service) Rotate(ctx context.Context, who principal.Principal, set Set) (added credential.Version, err error) {
	if err := operator(who); err != nil {
		return added, err
	}
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		keys, err := tx.LockServerKeys(ctx)
		if err != nil {
			return audit.Event{}, err
		}
		now := s.Now()
		if added, err = set.next(keys, now); err != nil {
			return audit.Event{}, err
		}
		added.From = now.Add(s.Settle)
		versions := make([]credential.Version, len(set))
		for i, purpose := range set {
			versions[i] = credential.Version{Purpose: purpose, Number: added.Number, From: added.From}
		}
		e := audit.By(who, audit.ActionRootKeyRotate, target).With("keys", set.String()).With("version", strconv.Itoa(added.Number))
		return e.With("used_from", added.From.UTC().Format(time.RFC3339)), tx.InsertServerKeys(ctx, versions, now)
	})
	if err == nil {
		_, err = s.Learn(ctx)
	}
	return added, err
}

// next is the version after the newest, which must have begun.
func (set Set) next(keys []Key, now time.Time) (v credential.Version, err error) {
	for _, k := range set.of(keys) {
		if k.From.After(now) {
			return v, fault.New(fault.Conflict, fmt.Sprintf("Version %d has not begun yet: it does at %s.", k.Number, k.From.UTC().Format(time.RFC3339)))
		}
		v.Number = max(v.Number, k.Number)
	}
	v.Number++
	return v, nil
}

// String names the purposes.
func (set Set) String() string {
	names := make([]string, len(set))
	for i, purpose := range set {
		names[i] = string(purpose)
	}
	return strings.Join(names, " ")
}

// State is a live version and what is left under it.
type State struct {
	Key
	// Current is set where it is used for what is new.
	Current bool
	// Left is how much is under it; see Counter.
	Left int64
}

// Status gives the live versions.
func (s *Service) Status(ctx context.Context, who principal.Principal) (states []State, err error) {
	if err := operator(who); err != nil {
		return nil, err
	}
	keys, err := s.Store.ServerKeys(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	for _, k := range keys {
		state := State{Key: k, Current: used(k.Version, keys).holds(now)}
		if state.Left, err = s.Store.Left(ctx, k.Version, used(k.Version, keys).lingering(), now); err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	return states, nil
}

func (s Span) holds(now time.Time) bool {
	return !now.Before(s.From) && (s.Until.IsZero() || now.Before(s.Until))
}

// Retire ends a version of the set's keys, under which nothing may be left: what it sealed no longer opens, what it marked is no longer known.
func (s *Service) Retire(ctx context.Context, who principal.Principal, set Set, number int) error {
	if err := operator(who); err != nil {
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
		left, err := s.left(ctx, tx, old, keys)
		if err == nil && left != nil {
			err = fault.New(fault.Conflict, fmt.Sprintf("Under version %d there are still %s.", number, strings.Join(left, ", ")))
		}
		if err != nil {
			return audit.Event{}, err
		}
		for _, k := range old {
			if err := tx.RetireServerKey(ctx, k.Version, s.Now()); err != nil {
				return audit.Event{}, err
			}
		}
		return audit.By(who, audit.ActionRootKeyRetire, target).With("keys", set.String()).With("version", strconv.Itoa(number)), nil
	})
	if err == nil {
		_, err = s.Learn(ctx)
	}
	return err
}

// superseded gives the set's keys of the number, which newer ones must have replaced.
func (set Set) superseded(keys []Key, number int, now time.Time) (old []Key, err error) {
	for _, k := range set.of(keys) {
		if k.Number != number {
			continue
		}
		switch end := used(k.Version, keys).lingering().Until; {
		case end.IsZero():
			return nil, fault.New(fault.Conflict, fmt.Sprintf("Version %d is the newest. Rotate first.", number))
		case now.Before(end):
			return nil, fault.New(fault.Conflict, fmt.Sprintf("Version %d may be in use until %s. Wait for that.", number, end.UTC().Format(time.RFC3339)))
		}
		old = append(old, k)
	}
	if old == nil {
		err = fault.New(fault.NotFound, "There is no such live version.")
	}
	return old, err
}

// left says how much of what is left under the old keys.
func (s *Service) left(ctx context.Context, counter Counter, old, keys []Key) (left []string, err error) {
	for _, k := range old {
		n, err := counter.Left(ctx, k.Version, used(k.Version, keys).lingering(), s.Horizon())
		if err != nil {
			return nil, err
		}
		if n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, things[k.Purpose]))
		}
	}
	return left, nil
}

// things are what is counted of a purpose.
var things = map[credential.Purpose]string{
	credential.DigestPurpose: "digests", credential.CopyPurpose: "copies of secrets", credential.SessionPurpose: "sign-ins and links", credential.TagPurpose: "ids",
}
