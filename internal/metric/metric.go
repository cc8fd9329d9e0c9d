// Package metric counts what happens, with plain atomic numbers that are read when somebody looks.
//
// Nothing here has a name or a label: whoever counts keeps fields of these types, and what they are called is said where they are shown. A count that
// goes up now and then is an atomic.Uint64; a [Grid] is for paths that every core runs at once, a [Histogram] for how long things took.
package metric

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	// stripes is how often a Grid has each of its counters.
	stripes = 8
	// padding keeps stripes apart: two cache lines of 64 bytes, since processors fetch them in pairs.
	padding = 16
)

// Grid is a table of counters for paths that every core runs. Each counter is there once in every stripe, and which one counts is left to chance: two cores
// that count the same thing seldom write the same cache line. Counting neither locks nor allocates.
type Grid struct {
	columns, stride int
	numbers         []atomic.Uint64
}

// NewGrid makes a table of zeros.
func NewGrid(rows, columns int) *Grid {
	stride := rows*columns + padding
	return &Grid{columns: columns, stride: stride, numbers: make([]atomic.Uint64, stripes*stride)}
}

// Count adds one.
func (g *Grid) Count(row, column int) {
	stripe := int(rand.Uint32() % stripes)
	g.numbers[stripe*g.stride+row*g.columns+column].Add(1)
}

// Value gives what was counted.
func (g *Grid) Value(row, column int) (n uint64) {
	for at := row*g.columns + column; at < len(g.numbers); at += g.stride {
		n += g.numbers[at].Load()
	}
	return n
}

// bounds of a Histogram: from what a read of SQLite takes to the longest a write may.
var bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts durations by how long they are. The zero value is empty.
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

// Since adds the time that has passed since the start.
func (h *Histogram) Since(start time.Time) { h.Observe(time.Since(start)) }

// Durations is a Histogram as it was at one time.
type Durations struct {
	Count uint64
	Sum   time.Duration
	// Within gives for each bound, in seconds, how many were no longer.
	Within map[float64]uint64
}

// Read gives what was counted. Observations under way may be in part of it.
func (h *Histogram) Read() Durations {
	d := Durations{Sum: time.Duration(h.nanos.Load()), Within: make(map[float64]uint64, len(bounds))}
	for i, bound := range bounds {
		d.Count += h.counts[i].Load()
		d.Within[bound.Seconds()] = d.Count
	}
	d.Count += h.counts[len(bounds)].Load()
	return d
}
