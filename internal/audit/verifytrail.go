package audit

import (
	"context"
	"errors"
	"fmt"
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
	// Segment calls take for the records of a chain whose number is above after and at most last,
	// in order.
	Segment(ctx context.Context, chain string, after, last int64, take func(Record) error) error
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
	v := newVerification(from, heads, begin.Changes, since.Change)
	defer v.stop()
	v.start(ctx)
	for _, chain := range v.chains {
		f.Chains++
		n, err := v.chain(chain, heads[chain], now, then)
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
