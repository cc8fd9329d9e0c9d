package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
)

// memory paces the garbage collector. A small heap under load would be collected fifty times a second, so while there is work it may grow to workingHeap first; once the
// process has come to rest what is free goes back to the machine: checking one password takes 46 MiB, which Go would keep for minutes.
type memory struct {
	allocated uint64
	working   bool
	// percent is what the collector was told last; where it stands otherwise, GOGC was set by somebody who knows better.
	percent int
}

func newMemory() *memory { return &memory{percent: goPercent} }

// In bytes: quiet is how much an idle process allocates between two passes at most, goHeap the smallest heap that Go collects. goPercent is Go's own GOGC.
const (
	quiet       = 8 << 20
	workingHeap = 32 << 20
	goHeap      = 4 << 20
	goPercent   = 100
)

func (m *memory) pass(context.Context) error {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	since := sample[0].Value.Uint64() - m.allocated
	m.allocated += since
	working := since >= quiet
	if sample[2].Value.Uint64() == uint64(m.percent) {
		m.percent = percent(working, sample[1].Value.Uint64())
		debug.SetGCPercent(m.percent)
	}
	if m.working && !working {
		debug.FreeOSMemory()
	}
	m.working = working
	return nil
}

// percent of the live heap that may be allocated before a collection. Heaps beyond half of workingHeap are collected as Go does it.
func percent(working bool, live uint64) int {
	if !working {
		return goPercent
	}
	return max(goPercent, int(100*workingHeap/max(live, goHeap))-100)
}
