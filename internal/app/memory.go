package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
)

// memory tunes the garbage collector. Under load, Go would collect a small heap fifty times a
// second, so while there is work the heap may grow to workingHeap first. When the process becomes
// idle, free memory is returned to the operating system: checking one password takes 46 MiB, which
// Go would hold for minutes.
type memory struct {
	allocated uint64
	working   bool
	// percent is the last value that adjust set. If the current one differs, somebody else set
	// GOGC, and adjust leaves it alone.
	percent int
}

func newMemory() *memory { return &memory{percent: goPercent} }

const (
	// idleAllocation is the most that an idle process allocates between two runs, in bytes.
	idleAllocation = 8 << 20
	// workingHeap is the size, in bytes, below which a heap under load is not collected.
	workingHeap = 32 << 20
	// goHeap is the smallest heap that Go collects, in bytes.
	goHeap = 4 << 20
	// goPercent is Go's default of GOGC.
	goPercent = 100
)

// adjust sets the garbage collector for the work since the last run. It is a job.
func (m *memory) adjust(context.Context) error {
	sample := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/gogc:percent"},
	}
	metrics.Read(sample)
	since := sample[0].Value.Uint64() - m.allocated
	m.allocated += since
	working := since >= idleAllocation
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

// percent returns how much may be allocated before the next collection, in percent of the live
// heap. Heaps larger than half of workingHeap are collected as Go does by default.
func percent(working bool, live uint64) int {
	if !working {
		return goPercent
	}
	return max(goPercent, int(100*workingHeap/max(live, goHeap))-100)
}
