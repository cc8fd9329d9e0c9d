// Package metric counts events with atomic numbers, which are read at a scrape.
//
// The types have no names or labels: package app sets these for the metrics it serves. For a
// counter on a path that runs rarely, use an atomic.Uint64. A [Grid] is for paths that run on every
// core at once, a [Histogram] for durations.
package metric

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	// stripes is how many copies of each counter a Grid has.
	stripes = 8
	// padding is the distance between stripes: two cache lines of 64 bytes, because processors
	// fetch them in pairs.
	padding = 16
)

// Grid is a table of counters for paths that run on every core. Each counter has a copy in every
// stripe, and an event increments a random one. So two cores that count the same event seldom write
// to the same cache line. Counting neither locks nor allocates.
type Grid struct {
	columns, stride int
	numbers         []atomic.Uint64
}

// NewGrid returns a table of zeros.
func NewGrid(rows, columns int) *Grid {
	stride := rows*columns + padding
	return &Grid{columns: columns, stride: stride, numbers: make([]atomic.Uint64, stripes*stride)}
}

// Count adds one to a counter.
func (g *Grid) Count(row, column int) {
	stripe := int(rand.Uint32() % stripes)
	g.numbers[stripe*g.stride+row*g.columns+column].Add(1)
}

// Value returns the value of a counter.
func (g *Grid) Value(row, column int) (n uint64) {
	for at := row*g.columns + column; at < len(g.numbers); at += g.stride {
		n += g.numbers[at].Load()
	}
	return n
}

// bounds are those of a Histogram: from the time of a read of SQLite to the longest that a write
// may take.
var bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
	5 * time.Second, 10 * time.Second,
}

// Histogram counts durations by their length. The zero value is empty.
type Histogram struct {
	counts [len(bounds) + 1]atomic.Uint64 // the last is beyond all bounds
	nanos  atomic.Int64
}

// Observe adds a duration.
func (h *Histogram) Observe(d time.Duration) {
	at := 0
	for at < len(bounds) && d > bounds[at] {
		at++
	}
	h.counts[at].Add(1)
	h.nanos.Add(int64(d))
}

// Since adds the time since the start.
func (h *Histogram) Since(start time.Time) { h.Observe(time.Since(start)) }

// Durations are the values of a Histogram at one moment.
type Durations struct {
	Count uint64
	Sum   time.Duration
	// Within is how many durations were at most as long as each bound, in seconds.
	Within map[float64]uint64
}

// Read returns the values. A duration that is added at the same time may be in only some of them.
func (h *Histogram) Read() Durations {
	d := Durations{Sum: time.Duration(h.nanos.Load()), Within: make(map[float64]uint64, len(bounds))}
	for i, bound := range bounds {
		d.Count += h.counts[i].Load()
		d.Within[bound.Seconds()] = d.Count
	}
	d.Count += h.counts[len(bounds)].Load()
	return d
}
