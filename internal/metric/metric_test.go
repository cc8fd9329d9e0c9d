package metric_test

import (
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/metric"
)

func TestAGridLosesNoCountAndMixesNoneUp(t *testing.T) {
	const rows, columns = 3, 4
	const times = 1000
	g := metric.NewGrid(rows, columns)
	var all sync.WaitGroup
	for row := range rows {
		for column := range columns {
			all.Go(func() {
				for range times * (1 + row*columns + column) {
					g.Count(row, column)
				}
			})
		}
	}
	all.Wait()
	for row := range rows {
		for column := range columns {
			if got, want := g.Value(row, column), uint64(times*(1+row*columns+column)); got != want {
				t.Errorf("row %d, column %d: %d, want %d", row, column, got, want)
			}
		}
	}
}

func TestAHistogramCountsADurationInEveryBoundThatItIsWithin(t *testing.T) {
	var h metric.Histogram
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Hour} {
		h.Observe(d)
	}
	d := h.Read()
	if d.Count != 4 || d.Sum != time.Hour+2*time.Millisecond+1 {
		t.Errorf("%d in %s", d.Count, d.Sum)
	}
	for bound, want := range map[float64]uint64{0.00005: 1, 0.0005: 1, 0.001: 2, 0.0025: 3, 10: 3} {
		if got := d.Within[bound]; got != want {
			t.Errorf("%d within %v s, want %d", got, bound, want)
		}
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	g := metric.NewGrid(2, 2)
	var h metric.Histogram
	if n := testing.AllocsPerRun(100, func() { g.Count(1, 1); h.Observe(time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCount(b *testing.B) {
	g := metric.NewGrid(20, 6)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			g.Count(0, 1)
		}
	})
}
