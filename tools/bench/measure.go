package main

import (
	"context"
	"errors"
	"os"
	"time"
)

// measurement is one measurement of one server. CPU times are in microseconds per request, or NaN
// on other systems than Linux.
type measurement struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       float64 // of the server
	clientCPU float64 // of this process
}

// outcome holds the rounds of one scenario. baseline[i] and claviger[i] were measured in
// turn.
type outcome struct {
	scenario           scenario
	baseline, claviger []measurement
	resident           float64 // bytes of Claviger after the last round; NaN if unknown
}

// slice is how long a server is measured at a time. The speed of a virtual machine changes from
// second to second, so a round is many slices of both servers.
const slice = 200 * time.Millisecond

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
		f, c, err := h.measureRound(ctx, loads, round)
		if err != nil {
			return out, err
		}
		out.baseline, out.claviger = append(out.baseline, f), append(out.claviger, c)
		progress("%-8s round %d: baseline %6.0f/s %5.1f µs, claviger %6.0f/s %5.1f µs, CPU ratio %.2f",
			s.name, round+1, f.perSecond, f.cpu, c.perSecond, c.cpu, f.cpu/c.cpu)
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

// measureRound measures both servers for the same time, in slices. One slice begins with the
// baseline, the next with Claviger. Both receive the same sequence of requests.
func (h *harness) measureRound(ctx context.Context, l loads, round int) (baseline, claviger measurement, err error) {
	b, err := h.newSampler(ctx, h.baseline, l.baseline, round)
	if err != nil {
		return baseline, claviger, err
	}
	defer b.close()
	c, err := h.newSampler(ctx, h.claviger, l.claviger, round)
	if err != nil {
		return baseline, claviger, err
	}
	defer c.close()
	first, second := b, c
	for left := h.options.duration; left > 0; left -= slice {
		for _, s := range []*sampler{first, second} {
			if err := s.sample(ctx, min(slice, left)); err != nil {
				return baseline, claviger, s.server.withStderr(err)
			}
		}
		first, second = second, first
	}
	return b.total.summary(), c.total.summary(), nil
}

// sampler measures one server in several slices, on the same connections.
type sampler struct {
	*loadgen
	server server
	pids   []int // the processes whose CPU time counts
	total  totals
}

// totals are the sums over the slices of a round.
type totals struct {
	latencies   []time.Duration
	elapsed     time.Duration
	cpu, client float64 // seconds
}

// newSampler connects to a server and warms it up.
func (h *harness) newSampler(ctx context.Context, at server, l load, round int) (*sampler, error) {
	if l.at != nil {
		at = *l.at
	}
	s := &sampler{server: at, pids: []int{at.pid}}
	for _, p := range l.more {
		s.pids = append(s.pids, p.pid)
	}
	var err error
	s.loadgen, err = newLoadgen(ctx, at.host, h.options.connections, l, uint64(round))
	if err != nil {
		return nil, at.withStderr(err)
	}
	if _, _, err := s.run(ctx, h.options.warmup); err != nil {
		s.close()
		return nil, at.withStderr(err)
	}
	return s, nil
}

// sample measures one slice.
func (s *sampler) sample(ctx context.Context, d time.Duration) error {
	server, client := cpuTimes(s.pids), cpuTime(os.Getpid())
	latencies, elapsed, err := s.run(ctx, d)
	if err != nil {
		return err
	}
	if len(latencies) == 0 {
		return errors.New("no response at all")
	}
	s.total.cpu += cpuTimes(s.pids) - server
	s.total.client += cpuTime(os.Getpid()) - client
	s.total.latencies = append(s.total.latencies, latencies...)
	s.total.elapsed += elapsed
	return nil
}

func (t *totals) summary() measurement {
	n := float64(len(t.latencies))
	p := percentiles(t.latencies, 50, 99)
	return measurement{
		perSecond: n / t.elapsed.Seconds(), p50: p[0], p99: p[1],
		cpu: t.cpu * 1e6 / n, clientCPU: t.client * 1e6 / n,
	}
}
