package main

import (
	"math"
	"slices"
	"time"
)

// percentiles sorts the values and returns the percentiles of the ranks (nearest-rank method).
// There must be at least one value.
func percentiles(values []time.Duration, ranks ...float64) []time.Duration {
	slices.Sort(values)
	out := make([]time.Duration, len(ranks))
	for i, rank := range ranks {
		at := int(math.Ceil(rank / 100 * float64(len(values))))
		out[i] = values[max(at, 1)-1]
	}
	return out
}

// median returns the median. For an even number of values, it is the mean of the middle two. It is
// NaN if a value is NaN or if there is none.
func median(values []float64) float64 {
	if slices.ContainsFunc(values, math.IsNaN) || len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// medianOf returns the median of one figure of the measurements.
func medianOf(measurements []measurement, figure func(measurement) float64) float64 {
	return median(values(measurements, figure))
}

func values(measurements []measurement, figure func(measurement) float64) []float64 {
	out := make([]float64, len(measurements))
	for i, r := range measurements {
		out[i] = figure(r)
	}
	return out
}

// ratios returns over[i] / under[i] for each round.
func ratios(over, under []float64) []float64 {
	out := make([]float64, len(over))
	for i := range over {
		out[i] = over[i] / under[i]
	}
	return out
}

func perSecond(r measurement) float64 { return r.perSecond }
func serverCPU(r measurement) float64 { return r.cpu }
func clientCPU(r measurement) float64 { return r.clientCPU }
func p50Millis(r measurement) float64 { return r.p50.Seconds() * 1e3 }
func p99Millis(r measurement) float64 { return r.p99.Seconds() * 1e3 }
