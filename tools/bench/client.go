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

// answerWithin bounds a stuck server: a phase ends at most this much late.
const answerWithin = 10 * time.Second

// fleet is the closed-loop client: connections that each keep one request
// outstanding. It writes bytes made beforehand and parses only what it must,
// because net/http's client would cost more than the server.
type fleet struct {
	connections []*connection
	load        load
}

type connection struct {
	net.Conn
	in    *bufio.Reader
	pick  *rand.Rand
	tally tally
}

// tally is what one connection saw in one phase.
type tally struct {
	latencies  []time.Duration
	mismatches int
	example    string // the first mismatch
}

func dialFleet(ctx context.Context, host string, n int, l load, seed uint64) (*fleet, error) {
	f := &fleet{load: l}
	var dialer net.Dialer
	for i := range n {
		conn, err := dialer.DialContext(ctx, "tcp", host)
		if err != nil {
			f.close()
			return nil, err
		}
		pick := rand.New(rand.NewPCG(seed, uint64(i)))
		f.connections = append(f.connections, &connection{Conn: conn, in: bufio.NewReaderSize(conn, 16<<10), pick: pick})
	}
	return f, nil
}

func (f *fleet) close() {
	for _, c := range f.connections {
		c.Close()
	}
}

// drive loads the server for d and returns what all connections saw together
// and how long it took. Any wrong answer is an error.
func (f *fleet) drive(ctx context.Context, d time.Duration) ([]time.Duration, time.Duration, error) {
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
	c.tally = tally{latencies: c.tally.latencies[:0]}
	if err := c.SetDeadline(until.Add(answerWithin)); err != nil {
		return err
	}
	want := []byte(l.want)
	for sent := time.Now(); sent.Before(until); {
		if _, err := c.Write(l.requests[c.pick.IntN(len(l.requests))]); err != nil {
			return err
		}
		status, body, err := readResponse(c.in)
		if err != nil {
			return err
		}
		if status != http.StatusOK || !bytes.Contains(body, want) {
			c.tally.mismatch(status, body)
		}
		now := time.Now()
		c.tally.latencies = append(c.tally.latencies, now.Sub(sent))
		sent = now
	}
	return nil
}

func (t *tally) mismatch(status int, body []byte) {
	if t.mismatches == 0 {
		t.example = fmt.Sprintf("status %d, %.300q", status, body)
	}
	t.mismatches++
}

func (f *fleet) collect() ([]time.Duration, error) {
	var all tally
	for _, c := range f.connections {
		all.latencies = append(all.latencies, c.tally.latencies...)
		all.mismatches += c.tally.mismatches
		if all.example == "" {
			all.example = c.tally.example
		}
	}
	if all.mismatches > 0 {
		return nil, fmt.Errorf("%d of %d answers were not the expected status 200 with %s; one of them: %s",
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
