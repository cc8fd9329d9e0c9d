package audit

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
)

const (
	// segmentRecords is how many records of a chain are verified as one segment.
	segmentRecords = 20_000
	// segmentWorkers is how many segments are verified at a time. The server goes on answering
	// requests meanwhile, and the pool of connections has one more for backups.
	segmentWorkers = 2
)

// verification verifies the segments of all chains, several at a time. What the hash of a record
// covers does not depend on the records before it, so a segment can be followed from its first
// record on. Whether that record follows the segment before is checked when both are done: chain
// takes the segments in their order. So the result is that of following each chain from its first
// record to its last one.
type verification struct {
	from Source
	// chains are the names of the chains in their order.
	chains []string
	// segments are those of each chain, in their order.
	segments map[string][]*segment
	// began and since are the numbers of the last changes whose records make the states now and
	// then.
	began, since int64

	cancel  context.CancelFunc
	workers sync.WaitGroup
}

// segment is a part of a chain, and what was found in it.
type segment struct {
	chain string
	// after and last bound the numbers of its records. The last segment of a chain has no upper
	// bound, since the chain may grow.
	after, last int64
	head        Head
	// done is closed once the fields below are set.
	done chan struct{}

	// first is the first record, which was not verified; nil for none. end is the last record that
	// was followed.
	first *Record
	end   Head
	// now and then are the last records that belong to the states; zero for none.
	now, then Head
	// passed is set if the segment has the record of the head.
	passed bool
	n      int64
	err    error
}

// newVerification divides the chains with these heads into segments.
func newVerification(from Source, heads map[string]Head, began, since int64) *verification {
	v := &verification{
		from: from, chains: slices.Sorted(maps.Keys(heads)), segments: map[string][]*segment{}, began: began,
		since: since, cancel: func() {},
	}
	for _, chain := range v.chains {
		head := heads[chain]
		after := int64(math.MinInt64)
		for last := int64(segmentRecords); last < head.Seq; last += segmentRecords {
			v.add(chain, head, after, last)
			after = last
		}
		v.add(chain, head, after, math.MaxInt64)
	}
	return v
}

func (v *verification) add(chain string, head Head, after, last int64) {
	v.segments[chain] = append(v.segments[chain],
		&segment{chain: chain, head: head, after: after, last: last, done: make(chan struct{})})
}

// start begins to verify the segments in their order.
func (v *verification) start(ctx context.Context) {
	ctx, v.cancel = context.WithCancel(ctx)
	next := make(chan *segment)
	v.workers.Go(func() {
		defer close(next)
		for _, chain := range v.chains {
			for _, s := range v.segments[chain] {
				select {
				case next <- s:
				case <-ctx.Done():
					s.err = ctx.Err()
					close(s.done)
				}
			}
		}
	})
	for range segmentWorkers {
		v.workers.Go(func() {
			for s := range next {
				s.err = s.follow(ctx, v)
				close(s.done)
			}
		})
	}
}

// stop ends what is still running, and waits for it.
func (v *verification) stop() {
	v.cancel()
	v.workers.Wait()
}

// follow follows the records of the segment. It takes the first one as it is.
func (s *segment) follow(ctx context.Context, v *verification) error {
	return v.from.Segment(ctx, s.chain, s.after, s.last, func(r Record) error {
		s.n++
		if s.first == nil {
			s.first = &r
			s.end = Head{Seq: r.Seq, Hash: r.Hash, Change: r.Change}
		} else {
			next, err := follow(s.chain, s.end, r)
			if err != nil {
				return err
			}
			s.end = next
		}
		s.passed = s.passed || s.end.SameRecord(s.head)
		if s.end.Change <= v.began {
			s.now = s.end
		}
		if s.end.Change <= v.since {
			s.then = s.end
		}
		return nil
	})
}

// follow returns the head after a record of the chain. Damage is returned as a *Damage.
func follow(chain string, at Head, r Record) (Head, error) {
	if r.Chain() != chain {
		return at, damaged(chain, at, "record %d is of chain %s", r.Seq, r.Chain())
	}
	next, err := at.Follow(r)
	if err != nil {
		return at, &Damage{Chain: chain, After: at.Seq, What: err.Error()}
	}
	return next, nil
}

// damaged returns damage of a chain after a record.
func damaged(chain string, at Head, format string, args ...any) error {
	return &Damage{Chain: chain, After: at.Seq, What: "chain " + chain + ": " + fmt.Sprintf(format, args...)}
}

// chain waits for the segments of a chain and joins them. The chain may end after the given head.
// It returns the number of records. Damage is returned as a *Damage.
func (v *verification) chain(chain string, head Head, now, then map[string]Head) (n int64, err error) {
	var at Head
	passed := head == Head{}
	for _, s := range v.segments[chain] {
		<-s.done
		if s.first != nil {
			if _, err := follow(chain, at, *s.first); err != nil {
				return n + 1, err
			}
			at = s.end
		}
		n += s.n
		if s.err != nil {
			return n, s.err
		}
		passed = passed || s.passed
		if s.now != (Head{}) {
			now[chain] = s.now
		}
		if s.then != (Head{}) {
			then[chain] = s.then
		}
		s.first = nil
	}
	return n, v.checkHead(chain, at, head, passed)
}

// checkHead checks the head of a chain whose records end at a head of their own. passed is set if
// they have the record of the head.
func (v *verification) checkHead(chain string, at, head Head, passed bool) error {
	switch {
	case head == Head{}:
		return damaged(chain, at, "its head is missing")
	case !passed:
		return damaged(chain, at, "it ends at record %d, and its head is record %d", at.Seq, head.Seq)
	case !v.from.AuditKey().Signed(chain, head):
		return damaged(chain, Head{}, "its head, record %d, is not signed under this root secret: any record up to "+
			"it may have been altered", head.Seq)
	case head.Unproven > 0:
		return damaged(chain, Head{}, "record %d was added to a head that was not signed under this root secret: any "+
			"record before it may have been altered", head.Unproven)
	}
	return nil
}
