package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Source reads the audit trail.
type Source interface {
	// AuditKey returns the key that signs the heads.
	AuditKey() *Key
	// ChainNames returns the names of the chains that have records.
	ChainNames(ctx context.Context) ([]string, error)
	// Chains returns the heads of all chains by name.
	Chains(ctx context.Context) (map[string]Head, error)
	// Chain calls take for every record of a chain, in order.
	Chain(ctx context.Context, chain string, take func(Record) error) error
	// RecordCount counts changes and their records at one moment.
	RecordCount(ctx context.Context) (RecordCount, error)
	// Misplaced returns the first record of a chain whose change is not later than that of the
	// record before it; "" for none.
	Misplaced(ctx context.Context) (chain string, seq int64, err error)
}

// RecordCount compares the counter of changes with the records. Each change is numbered by the
// counter and has one record.
type RecordCount struct {
	Changes, Records int64
	// Last is the highest number of a record's change.
	Last int64
}

// Finding is the result of verifying the whole trail.
type Finding struct {
	// Chains and Records are the numbers of those that were verified.
	Chains, Records int64
	// Damage is the first damage; nil if there is none.
	Damage *Damage
	// State of the trail when the verification began, to be stored outside of the database.
	State State
}

// Damage is something that was edited, deleted, moved or cut off.
type Damage struct {
	// Chain is "" if records are missing and no chain shows where.
	Chain string
	// After is the last record of the chain before the damage; 0 for none.
	After int64
	// What describes the damage.
	What string
}

// Error implements error.
func (d *Damage) Error() string { return d.What }

// Verify follows every chain from its first record to its head, in the order of their names, and
// stops at the first damage: a damaged record, an unsigned head, or a trail that did not begin with
// the state since. The zero State means an empty trail. Changes may be made meanwhile. A database
// that was restored completely to an earlier state looks as it did then; only a later state reveals
// it.
func Verify(ctx context.Context, from Source, since State) (f Finding, err error) {
	begin, err := from.RecordCount(ctx)
	if err != nil {
		return f, err
	}
	recorded, err := from.ChainNames(ctx) // before the heads: a chain that begins meanwhile has both or neither
	if err != nil {
		return f, err
	}
	heads, err := from.Chains(ctx)
	if err != nil {
		return f, err
	}
	for _, chain := range recorded {
		if _, ok := heads[chain]; !ok {
			heads[chain] = Head{}
		}
	}
	now, then := map[string]Head{}, map[string]Head{}
	for _, chain := range slices.Sorted(maps.Keys(heads)) {
		f.Chains++
		n, err := verifyChain(ctx, from, chain, heads[chain], func(at Head) {
			if at.Change <= begin.Changes {
				now[chain] = at
			}
			if at.Change <= since.Change {
				then[chain] = at
			}
		})
		f.Records += n
		if errors.As(err, &f.Damage) {
			return f, nil
		}
		if err != nil {
			return f, err
		}
	}
	err = verifyNumbers(ctx, from)
	if err == nil && since != (State{}) && StateOf(since.Change, then) != since {
		err = since.mismatch()
	}
	if err != nil && !errors.As(err, &f.Damage) {
		return f, err
	}
	f.State = StateOf(begin.Changes, now)
	return f, nil
}

// verifyNumbers checks what the hashes do not cover: that each change has its record, and that the
// changes have the order of the records.
func verifyNumbers(ctx context.Context, from Source) error {
	t, err := from.RecordCount(ctx)
	switch {
	case err != nil:
		return err
	case t.Changes != t.Records:
		return &Damage{What: fmt.Sprintf("%d changes were made and %d are recorded", t.Changes, t.Records)}
	case t.Changes != t.Last:
		return &Damage{What: fmt.Sprintf("%d changes were made, and the last record is of change %d", t.Changes,
			t.Last)}
	}
	chain, seq, err := from.Misplaced(ctx)
	if err == nil && chain != "" {
		err = &Damage{
			Chain: chain, After: seq - 1,
			What: fmt.Sprintf("chain %s: the change of record %d came before that of record %d", chain, seq, seq-1),
		}
	}
	return err
}

// verifyChain follows a chain to its end, which may be after the given head. It calls passing for
// each record and returns the number of records. Damage is returned as a *Damage.
func verifyChain(ctx context.Context, from Source, chain string, head Head, passing func(Head)) (n int64, err error) {
	var at Head
	damaged := func(format string, args ...any) error {
		return &Damage{Chain: chain, After: at.Seq, What: "chain " + chain + ": " + fmt.Sprintf(format, args...)}
	}
	passed := head == Head{}
	err = from.Chain(ctx, chain, func(r Record) error {
		n++
		if r.Chain() != chain {
			return damaged("record %d is of chain %s", r.Seq, r.Chain())
		}
		next, err := at.Follow(r)
		if err != nil {
			return &Damage{Chain: chain, After: at.Seq, What: err.Error()}
		}
		at = next
		passed = passed || at.SameRecord(head)
		passing(at)
		return nil
	})
	switch {
	case err != nil:
		return n, err
	case head == Head{}:
		return n, damaged("its head is missing")
	case !passed:
		return n, damaged("it ends at record %d, and its head is record %d", at.Seq, head.Seq)
	case !from.AuditKey().Signed(chain, head):
		at = Head{}
		return n, damaged("its head, record %d, is not signed under this root secret: any record up to it may "+
			"have been altered", head.Seq)
	case head.Unproven > 0:
		at = Head{}
		return n, damaged("record %d was added to a head that was not signed under this root secret: any "+
			"record before it may have been altered", head.Unproven)
	}
	return n, nil
}
