package audit_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

// longTrail is a trail in memory of one chain, which is longer than two segments of a verification.
type longTrail struct {
	key     *audit.Key
	records []audit.Record
	head    audit.Head
}

const (
	longChain   = "ten_long"
	longRecords = 45_000
)

func newLongTrail() *longTrail {
	l := &longTrail{key: audit.NewKey(func(int) []byte { return []byte("a key of this test") })}
	for i := range longRecords {
		r := l.head.Append(audit.Event{
			ID: ident.EventID(fmt.Sprint("evt_", i)), At: time.Unix(int64(i), 0), Tenant: longChain,
			Action:  "key.create",
			Details: map[string]string{"name": fmt.Sprint(i)},
		})
		r.Change = int64(i) + 1
		l.head = l.key.NextHead(l.head, r)
		l.records = append(l.records, r)
	}
	return l
}

// The methods of audit.Source.

func (l *longTrail) AuditKey() *audit.Key { return l.key }

func (l *longTrail) ChainNames(context.Context) ([]string, error) { return []string{longChain}, nil }

func (l *longTrail) Chains(context.Context) (map[string]audit.Head, error) {
	return map[string]audit.Head{longChain: l.head}, nil
}

func (l *longTrail) Chain(ctx context.Context, chain string, take func(audit.Record) error) error {
	return l.Segment(ctx, chain, 0, longRecords, take)
}

func (l *longTrail) Segment(ctx context.Context, _ string, after, last int64, take func(audit.Record) error) error {
	for _, r := range l.records[min(max(after, 1)-1, int64(len(l.records))):] { // one may be missing
		if r.Seq <= after || r.Seq > last {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := take(r); err != nil {
			return err
		}
	}
	return nil
}

func (l *longTrail) RecordCount(context.Context) (audit.RecordCount, error) {
	return audit.RecordCount{Changes: longRecords, Records: longRecords, Last: longRecords}, nil
}

func (l *longTrail) Misplaced(context.Context) (string, int64, error) { return "", 0, nil }

// A long chain is verified in parts at the same time. Damage is found wherever it is, also where
// parts meet, and the first damage is the one that is reported.
func TestDamageIsFoundWherePartsOfALongChainMeet(t *testing.T) {
	t.Parallel()
	whole := newLongTrail()
	f, err := audit.Verify(t.Context(), whole, audit.State{})
	if err != nil || f.Damage != nil || f.Records != longRecords || f.State.Change != longRecords {
		t.Fatalf("a whole trail: %+v %v", f, err)
	}
	middle := audit.StateOf(30_000, map[string]audit.Head{longChain: {Seq: 30_000, Hash: whole.records[29_999].Hash}})
	if f, err := audit.Verify(t.Context(), whole, middle); err != nil || f.Damage != nil {
		t.Errorf("since a state in the middle: %+v %v", f, err)
	}
	for _, seq := range []int64{1, 20_000, 20_001, 40_001, longRecords} {
		for kind, damage := range map[string]func([]audit.Record) []audit.Record{
			"altered": func(all []audit.Record) []audit.Record {
				all[seq-1].IP = "192.0.2.1"
				return all
			},
			"deleted": func(all []audit.Record) []audit.Record { return slices.Delete(all, int(seq-1), int(seq)) },
			"of another chain": func(all []audit.Record) []audit.Record {
				all[seq-1].Tenant = "ten_other"
				return all
			},
			"replaced": func(all []audit.Record) []audit.Record {
				r := audit.Head{Seq: seq - 1}.Append(all[seq-1].Event)
				r.Change, all[seq-1] = seq, r
				return all
			},
		} {
			damaged := *whole
			damaged.records = damage(slices.Clone(whole.records))
			if seq < longRecords {
				damaged.records[len(damaged.records)-1].RequestID = "later damage"
			}
			f, err := audit.Verify(t.Context(), &damaged, audit.State{})
			if kind == "replaced" && seq == 1 {
				continue // nothing is before it, so it is the same record
			}
			if err != nil || f.Damage == nil || f.Damage.After != seq-1 {
				t.Errorf("record %d is %s: %+v %v, not damage after %d", seq, kind, f.Damage, err, seq-1)
			}
		}
	}
	cut := *whole
	cut.records = whole.records[:40_000]
	f, err = audit.Verify(t.Context(), &cut, audit.State{})
	if err != nil || f.Damage == nil || f.Damage.After != 40_000 || f.Records != 40_000 {
		t.Errorf("the end is cut off: %+v %v", f, err)
	}
}
