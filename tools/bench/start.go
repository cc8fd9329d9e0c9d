package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"
)

const (
	restarts     = 5
	healthWithin = 30 * time.Second
)

// startFigures are what Claviger costs before any load.
type startFigures struct {
	measured bool
	seconds  []float64 // from exec to the first 200 of /healthz, sorted
	idle     float64   // bytes resident two seconds after the last start; NaN if unknown
}

// measureStart stops the server and starts it again on the same data
// directory and port, several times.
func (b *bed) measureStart(ctx context.Context) (startFigures, error) {
	figures := startFigures{idle: math.NaN()}
	for range restarts {
		b.claviger.stop()
		took, err := b.restart(ctx)
		if err != nil {
			return figures, err
		}
		figures.seconds = append(figures.seconds, took.Seconds())
		progress("start    %v", took)
	}
	slices.Sort(figures.seconds)
	if err := pause(ctx, 2*time.Second); err != nil {
		return figures, err
	}
	figures.idle = residentBytes(b.claviger.pid)
	figures.measured = true
	return figures, nil
}

func (b *bed) restart(ctx context.Context) (time.Duration, error) {
	b.claviger.process = nil
	var out devOutput
	began := time.Now()
	p, err := start(ctx, b.dir, &out, nil, b.binary, b.devArgs(b.claviger.host)...)
	if err != nil {
		return 0, err
	}
	b.claviger.process = p
	if err := awaitHealthy(ctx, "http://"+b.claviger.host+"/healthz"); err != nil {
		return 0, p.explain(err)
	}
	took := time.Since(began)
	return took, p.awaitReady(ctx)
}

// awaitHealthy asks every millisecond, each time on a new connection.
func awaitHealthy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if healthy(ctx, &client, url) {
			return nil
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("%s: no 200 after the start: %w", url, err)
		}
	}
}

func healthy(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
