package main

import (
	"context"
	"errors"
	"os"
	"time"
)

// measurement is one measurement of one server. CPU times are in microseconds per request, or NaN
// without /proc.
type measurement struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       float64 // of the server
	clientCPU float64 // of this process
}

// outcome holds the rounds of one scenario. baseline[i] and claviger[i] were measured one directly
// after the other.
type outcome struct {
	scenario           scenario
	baseline, claviger []measurement
	resident           float64 // bytes of Claviger after the last round; NaN if unknown
}

// compare measures both servers in turn.
func (h *harness) compare(ctx context.Context, s scenario) (outcome, error) {
	out := outcome{scenario: s}
	loads, err := s.prepare(ctx, h)
	if err != nil {
		return out, h.claviger.withStderr(err)
	}
	if err := h.warmUp(ctx, h.claviger, loads.claviger); err != nil {
		return out, h.claviger.withStderr(err)
	}
	for round := range h.options.rounds {
		f, err := h.measureOnce(ctx, h.baseline, loads.baseline, round)
		if err != nil {
			return out, h.baseline.withStderr(err)
		}
		c, err := h.measureOnce(ctx, h.claviger, loads.claviger, round)
		if err != nil {
			return out, h.claviger.withStderr(err)
		}
		out.baseline, out.claviger = append(out.baseline, f), append(out.claviger, c)
		progress("%-8s round %d: baseline %6.0f/s %5.1f µs, claviger %6.0f/s %5.1f µs, ratio %.2f",
			s.name, round+1, f.perSecond, f.cpu, c.perSecond, c.cpu, c.perSecond/f.perSecond)
	}
	out.resident = residentBytes(h.claviger.pid)
	return out, nil
}

// warmUp sends every request once, so that no measurement contains the reads of a cold cache.
func (h *harness) warmUp(ctx context.Context, s server, l load) error {
	if l.at != nil {
		s = *l.at
	}
	f, err := newLoadgen(ctx, s.host, h.options.connections, l, 0)
	if err != nil {
		return err
	}
	defer f.close()
	return f.runOnce(ctx)
}

// measureOnce warms a server up and measures it on the same connections. In the same round, both
// servers receive the same sequence of requests.
func (h *harness) measureOnce(ctx context.Context, s server, l load, round int) (measurement, error) {
	if l.at != nil {
		s = *l.at
	}
	pids := []int{s.pid}
	for _, p := range l.more {
		pids = append(pids, p.pid)
	}
	f, err := newLoadgen(ctx, s.host, h.options.connections, l, uint64(round))
	if err != nil {
		return measurement{}, err
	}
	defer f.close()
	if _, _, err := f.run(ctx, h.options.warmup); err != nil {
		return measurement{}, err
	}
	server, client := cpuTimes(pids), cpuTime(os.Getpid())
	latencies, elapsed, err := f.run(ctx, h.options.duration)
	if err != nil {
		return measurement{}, err
	}
	if len(latencies) == 0 {
		return measurement{}, errors.New("no response at all")
	}
	server, client = cpuTimes(pids)-server, cpuTime(os.Getpid())-client
	return summarise(latencies, elapsed, server, client), nil
}

func summarise(latencies []time.Duration, elapsed time.Duration, server, client float64) measurement {
	n := float64(len(latencies))
	p := percentiles(latencies, 50, 99)
	return measurement{
		perSecond: n / elapsed.Seconds(), p50: p[0], p99: p[1],
		cpu: server * 1e6 / n, clientCPU: client * 1e6 / n,
	}
}
