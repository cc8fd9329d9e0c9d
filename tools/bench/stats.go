package main

import (
	"math"
	"slices"
	"time"
)

// percentiles sorts the values and returns the asked percentiles by nearest
// rank. There must be a value.
func percentiles(values []time.Duration, ranks ...float64) []time.Duration {
	slices.Sort(values)
	out := make([]time.Duration, len(ranks))
	for i, rank := range ranks {
		at := int(math.Ceil(rank / 100 * float64(len(values))))
		out[i] = values[max(at, 1)-1]
	}
	return out
}

// median of an even number of values is the mean of the middle two. A NaN
// among the values makes it NaN.
func median(values []float64) float64 {
	if slices.ContainsFunc(values, math.IsNaN) || len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// medianOf takes one figure of each reading.
func medianOf(readings []reading, figure func(reading) float64) float64 {
	return median(figures(readings, figure))
}

func figures(readings []reading, figure func(reading) float64) []float64 {
	out := make([]float64, len(readings))
	for i, r := range readings {
		out[i] = figure(r)
	}
	return out
}

// ratios divides pairwise: round by round.
func ratios(over, under []float64) []float64 {
	out := make([]float64, len(over))
	for i := range over {
		out[i] = over[i] / under[i]
	}
	return out
}

func perSecond(r reading) float64 { return r.perSecond }
func serverCPU(r reading) float64 { return r.cpu }
func clientCPU(r reading) float64 { return r.clientCPU }
func p50Millis(r reading) float64 { return r.p50.Seconds() * 1e3 }
func p99Millis(r reading) float64 { return r.p99.Seconds() * 1e3 }
