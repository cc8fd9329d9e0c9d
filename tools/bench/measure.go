package main

import (
	"context"
	"errors"
	"os"
	"time"
)

// reading is one measurement of one side. CPU is in microseconds a request,
// NaN where /proc does not tell.
type reading struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       float64 // of the server
	clientCPU float64 // of this process
}

// outcome holds the rounds of one scenario; floor[i] and claviger[i] were
// measured one after the other.
type outcome struct {
	scenario        scenario
	floor, claviger []reading
}

// compare drives both sides in turn.
func (b *bed) compare(ctx context.Context, s scenario) (outcome, error) {
	out := outcome{scenario: s}
	loads, err := s.prepare(ctx, b)
	if err != nil {
		return out, b.claviger.explain(err)
	}
	for round := range b.options.rounds {
		f, err := b.read(ctx, b.floor, loads.floor, round)
		if err != nil {
			return out, b.floor.explain(err)
		}
		c, err := b.read(ctx, b.claviger, loads.claviger, round)
		if err != nil {
			return out, b.claviger.explain(err)
		}
		out.floor, out.claviger = append(out.floor, f), append(out.claviger, c)
		progress("%-8s round %d: floor %6.0f/s %5.1f µs, claviger %6.0f/s %5.1f µs, ratio %.2f",
			s.name, round+1, f.perSecond, f.cpu, c.perSecond, c.cpu, c.perSecond/f.perSecond)
	}
	return out, nil
}

// read warms a side up and measures it on the same connections. The same
// round sends both sides the same sequence.
func (b *bed) read(ctx context.Context, s side, l load, round int) (reading, error) {
	f, err := dialFleet(ctx, s.host, b.options.connections, l, uint64(round))
	if err != nil {
		return reading{}, err
	}
	defer f.close()
	if _, _, err := f.drive(ctx, b.options.warmup); err != nil {
		return reading{}, err
	}
	server, client := cpuTime(s.pid), cpuTime(os.Getpid())
	latencies, elapsed, err := f.drive(ctx, b.options.duration)
	if err != nil {
		return reading{}, err
	}
	if len(latencies) == 0 {
		return reading{}, errors.New("no answer at all")
	}
	server, client = cpuTime(s.pid)-server, cpuTime(os.Getpid())-client
	return summarise(latencies, elapsed, server, client), nil
}

func summarise(latencies []time.Duration, elapsed time.Duration, server, client float64) reading {
	n := float64(len(latencies))
	p := percentiles(latencies, 50, 99)
	return reading{
		perSecond: n / elapsed.Seconds(), p50: p[0], p99: p[1],
		cpu: server * 1e6 / n, clientCPU: client * 1e6 / n,
	}
}
