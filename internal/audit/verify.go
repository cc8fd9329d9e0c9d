package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Source is where the audit trail is read from.
type Source interface {
	// ChainNames lists the chains that records belong to.
	ChainNames(ctx context.Context) ([]string, error)
	// Chains gives the heads of all chains by name.
	Chains(ctx context.Context) (map[string]Head, error)
	// Chain calls take for every record of a chain, in order.
	Chain(ctx context.Context, chain string, take func(Record) error) error
	// Tally counts changes and their records at one moment.
	Tally(ctx context.Context) (Tally, error)
	// Misplaced gives the first record of a chain whose change came no later than that of the record before it; "" for none.
	Misplaced(ctx context.Context) (chain string, seq int64, err error)
}

// Tally is what the counter of changes says, beside what is there: each change is numbered by it, and has one record.
type Tally struct {
	Changes, Records int64
	// Last is the highest number of a record.
	Last int64
}

// Finding is what a look at the whole trail found.
type Finding struct {
	// Chains and Records that were looked at.
	Chains, Records int64
	// Damage is the first that was found; nil where the trail is whole.
	Damage *Damage
}

// Damage is something that was edited, deleted, moved or cut off.
type Damage struct {
	// Chain is "" where records are missing and no chain tells from where.
	Chain string
	// After is the last record of the chain before the damage; 0 for none.
	After int64
	// What is wrong, in words.
	What string
}

// Error implements error.
func (d *Damage) Error() string { return d.What }

// Verify follows every chain from its first record to its head, in the order of their names, until something is wrong. Changes may be made
// meanwhile. A cut whose head was moved to match shows in the count of changes alone: a database that was brought back whole to an earlier state looks as it did then.
func Verify(ctx context.Context, from Source) (f Finding, err error) {
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
	for _, chain := range slices.Sorted(maps.Keys(heads)) {
		f.Chains++
		n, err := verifyChain(ctx, from, chain, heads[chain])
		f.Records += n
		if errors.As(err, &f.Damage) {
			return f, nil
		}
		if err != nil {
			return f, err
		}
	}
	if err := verifyNumbers(ctx, from); err != nil && !errors.As(err, &f.Damage) {
		return f, err
	}
	return f, nil
}

// verifyNumbers checks what the hashes do not hold: that each change has its record, and that the changes came in the order of the records.
func verifyNumbers(ctx context.Context, from Source) error {
	t, err := from.Tally(ctx)
	switch {
	case err != nil:
		return err
	case t.Changes != t.Records:
		return &Damage{What: fmt.Sprintf("%d changes were made and %d are recorded", t.Changes, t.Records)}
	case t.Changes != t.Last:
		return &Damage{What: fmt.Sprintf("%d changes were made, and the last record is of change %d", t.Changes, t.Last)}
	}
	chain, seq, err := from.Misplaced(ctx)
	if err == nil && chain != "" {
		err = &Damage{Chain: chain, After: seq - 1, What: fmt.Sprintf("chain %s: the change of record %d came before that of record %d", chain, seq, seq-1)}
	}
	return err
}

// verifyChain follows a chain beyond the head that was read of it, to its end, and gives how many records it has. A *Damage says what is wrong.
func verifyChain(ctx context.Context, from Source, chain string, head Head) (n int64, err error) {
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
		passed = passed || at == head
		return nil
	})
	switch {
	case err != nil:
		return n, err
	case head == Head{}:
		return n, damaged("its head is missing")
	case !passed:
		return n, damaged("it ends at record %d, and its head is record %d", at.Seq, head.Seq)
	}
	return n, nil
}
