package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// responseTimeout limits the wait for a server that does not respond: a run lasts at most this much
// longer than intended.
const responseTimeout = 10 * time.Second

// loadgen is the closed-loop client. Each of its connections has one outstanding request. It writes
// prepared bytes and parses as little as possible, because the client of net/http would need more
// CPU than the server.
type loadgen struct {
	connections []*connection
	load        load
}

type connection struct {
	net.Conn
	in     *bufio.Reader
	random *rand.Rand
	out    []byte // the last request
	counts counts
}

// counts holds the results of one connection in one run.
type counts struct {
	latencies  []time.Duration
	mismatches int    // number of unexpected responses
	example    string // the first of them
}

func newLoadgen(ctx context.Context, host string, n int, l load, seed uint64) (*loadgen, error) {
	f := &loadgen{load: l}
	var dialer net.Dialer
	for i := range n {
		conn, err := dialer.DialContext(ctx, networkOf(host), host)
		if err != nil {
			f.close()
			return nil, err
		}
		pick := rand.New(rand.NewPCG(seed, uint64(i)))
		f.connections = append(f.connections,
			&connection{Conn: conn, in: bufio.NewReaderSize(conn, 16<<10), random: pick})
	}
	return f, nil
}

func (f *loadgen) close() {
	for _, c := range f.connections {
		c.Close()
	}
}

// run sends requests to the server for d. It returns the latencies of all connections and the time
// that the run took. An unexpected response is an error.
func (f *loadgen) run(ctx context.Context, d time.Duration) ([]time.Duration, time.Duration, error) {
	defer context.AfterFunc(ctx, f.close)()
	began := time.Now()
	errs := make([]error, len(f.connections))
	var group sync.WaitGroup
	for i, c := range f.connections {
		group.Go(func() { errs[i] = c.loop(f.load, began.Add(d)) })
	}
	group.Wait()
	elapsed := time.Since(began)
	if err := errors.Join(ctx.Err(), firstError(errs)); err != nil {
		return nil, 0, err
	}
	latencies, err := f.collect()
	return latencies, elapsed, err
}

func (c *connection) loop(l load, until time.Time) error {
	c.counts = counts{latencies: c.counts.latencies[:0]}
	if err := c.SetDeadline(until.Add(responseTimeout)); err != nil {
		return err
	}
	want := []byte(l.want)
	for sent := time.Now(); sent.Before(until); {
		if err := c.send(&l, c.random.IntN(l.count()), want); err != nil {
			return err
		}
		now := time.Now()
		c.counts.latencies = append(c.counts.latencies, now.Sub(sent))
		sent = now
	}
	return nil
}

// send sends one request and checks the response.
func (c *connection) send(l *load, i int, want []byte) error {
	c.out = l.request(i, c.out)
	if _, err := c.Write(c.out); err != nil {
		return err
	}
	status, body, err := readResponse(c.in)
	if err != nil {
		return err
	}
	if status != http.StatusOK || !bytes.Contains(body, want) {
		c.counts.mismatch(status, body)
	}
	return nil
}

// runAtRate sends so many requests per second to the server until done is closed. Each connection
// has its share of the times. A latency counts from when its request was due, so a request that
// waits for the one before counts as slow as it is for the client.
func (f *loadgen) runAtRate(ctx context.Context, perSecond int, done <-chan struct{}) error {
	defer context.AfterFunc(ctx, f.close)()
	every := time.Duration(len(f.connections)) * time.Second / time.Duration(perSecond)
	began := time.Now()
	errs := make([]error, len(f.connections))
	var group sync.WaitGroup
	for at, c := range f.connections {
		group.Go(func() {
			first := began.Add(every * time.Duration(at) / time.Duration(len(f.connections)))
			errs[at] = c.loopAtRate(f.load, first, every, done)
		})
	}
	group.Wait()
	return errors.Join(ctx.Err(), firstError(errs))
}

func (c *connection) loopAtRate(l load, due time.Time, every time.Duration, done <-chan struct{}) error {
	c.counts = counts{}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for ; ; due = due.Add(every) {
		timer.Reset(time.Until(due))
		select {
		case <-done:
			return nil
		case <-timer.C:
		}
		err := errors.Join(c.SetDeadline(time.Now().Add(responseTimeout)),
			c.send(&l, c.random.IntN(l.count()), []byte(l.want)))
		if err != nil {
			return err
		}
		c.counts.latencies = append(c.counts.latencies, time.Since(due))
	}
}

// runOnce sends every request to the server once, so that its cache is warm.
func (f *loadgen) runOnce(ctx context.Context) error {
	defer context.AfterFunc(ctx, f.close)()
	errs := make([]error, len(f.connections))
	var group sync.WaitGroup
	for at, c := range f.connections {
		group.Go(func() {
			c.counts = counts{}
			for i := at; i < f.load.count() && errs[at] == nil; i += len(f.connections) {
				errs[at] = errors.Join(c.SetDeadline(time.Now().Add(responseTimeout)),
					c.send(&f.load, i, []byte(f.load.want)))
			}
		})
	}
	group.Wait()
	if err := errors.Join(ctx.Err(), firstError(errs)); err != nil {
		return err
	}
	_, err := f.collect()
	return err
}

func (t *counts) mismatch(status int, body []byte) {
	if t.mismatches == 0 {
		t.example = fmt.Sprintf("status %d, %.300q", status, body)
	}
	t.mismatches++
}

func (f *loadgen) collect() ([]time.Duration, error) {
	var all counts
	for _, c := range f.connections {
		all.latencies = append(all.latencies, c.counts.latencies...)
		all.mismatches += c.counts.mismatches
		if all.example == "" {
			all.example = c.counts.example
		}
	}
	if all.mismatches > 0 {
		return nil, fmt.Errorf("%d of %d responses were not the expected status 200 with %s; one of them: %s",
			all.mismatches, len(all.latencies), f.load.want, all.example)
	}
	return all.latencies, nil
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
