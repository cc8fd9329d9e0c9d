package audit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RecentMost is how many records of a chain one verification of its newest part reads.
const RecentMost = 200

// RecentSource reads the newest part of a chain.
type RecentSource interface {
	// AuditKey returns the key that signs the heads.
	AuditKey() *Key
	// ChainHead returns the head of a chain; the zero value for a chain that has none.
	ChainHead(ctx context.Context, chain string) (Head, error)
	// ChainRecords returns up to limit records of a chain that follow a number, in order.
	ChainRecords(ctx context.Context, chain string, after int64, limit int) ([]Record, error)
}

// Recent is the result of verifying the newest part of a chain.
type Recent struct {
	// Records is how many records were verified, and Of how many the chain has.
	Records, Of int64
	// Since is the time of the first of them; zero for none.
	Since time.Time
	// Damage is the first damage; nil if there is none.
	Damage *Damage
}

// VerifyRecent verifies the newest records of a chain, up to [RecentMost], and the signature of its
// head. It sees neither damage in older records nor a database that was put back to an earlier
// state: [Verify] sees the former, and with a later state also the latter.
func VerifyRecent(ctx context.Context, from RecentSource, chain string) (r Recent, err error) {
	head, err := from.ChainHead(ctx, chain)
	if err != nil {
		return r, err
	}
	// The chain may grow meanwhile: what follows the head is not read.
	after := max(head.Seq-RecentMost, 0)
	records, err := from.ChainRecords(ctx, chain, after, int(min(head.Seq, RecentMost)))
	if err != nil {
		return r, err
	}
	r.Of = head.Seq
	if len(records) > 0 {
		r.Since = records[0].At
	}
	r.Records, err = verifyRecent(from.AuditKey(), chain, head, after, records)
	if errors.As(err, &r.Damage) {
		err = nil
	}
	return r, err
}

// verifyRecent follows the records after a number to the head, and returns how many are as they
// were written. The hash that the first of them continues is taken as it is.
func verifyRecent(key *Key, chain string, head Head, after int64, records []Record) (n int64, err error) {
	at := Head{Seq: after}
	damaged := func(format string, args ...any) error {
		return &Damage{Chain: chain, After: at.Seq, What: "chain " + chain + ": " + fmt.Sprintf(format, args...)}
	}
	if after > 0 && len(records) > 0 {
		at.Hash = records[0].PrevHash
	}
	for _, r := range records {
		if r.Chain() != chain {
			return n, damaged("record %d is of chain %s", r.Seq, r.Chain())
		}
		next, err := at.Follow(r)
		if err != nil {
			return n, &Damage{Chain: chain, After: at.Seq, What: err.Error()}
		}
		at = next
		n++
	}
	switch {
	case len(records) == 0 && head == Head{}:
		return 0, nil
	case !at.SameRecord(head):
		return n, damaged("it ends at record %d, and its head is record %d", at.Seq, head.Seq)
	case !key.Signed(chain, head):
		return n, damaged("its head, record %d, is not signed under this root secret", head.Seq)
	case head.Unproven > 0:
		return n, damaged("record %d was added to a head that was not signed under this root secret", head.Unproven)
	}
	return n, nil
}
