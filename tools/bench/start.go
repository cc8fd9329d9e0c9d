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
	restarts      = 5
	healthTimeout = 30 * time.Second
)

// startResult holds what Claviger needs before any load.
type startResult struct {
	measured bool
	seconds  []float64 // from exec to the first 200 of /healthz, sorted
	idle     float64   // resident bytes two seconds after the last start; NaN if unknown
}

// measureStart restarts the server several times, with the same data directory and port.
func (h *harness) measureStart(ctx context.Context) (startResult, error) {
	result := startResult{idle: math.NaN()}
	for range restarts {
		h.claviger.stop()
		took, err := h.restart(ctx)
		if err != nil {
			return result, err
		}
		result.seconds = append(result.seconds, took.Seconds())
		progress("start    %v", took)
	}
	slices.Sort(result.seconds)
	if err := sleep(ctx, 2*time.Second); err != nil {
		return result, err
	}
	result.idle = residentBytes(h.claviger.pid)
	result.measured = true
	return result, nil
}

func (h *harness) restart(ctx context.Context) (time.Duration, error) {
	h.claviger.process = nil
	var out devOutput
	began := time.Now()
	p, err := start(ctx, h.dir, &out, h.environment(), h.binary, h.devArgs(h.claviger.host)...)
	if err != nil {
		return 0, err
	}
	h.claviger.process = p
	if err := awaitHealthy(ctx, "http://"+h.claviger.host+"/healthz"); err != nil {
		return 0, p.withStderr(err)
	}
	took := time.Since(began)
	return took, p.awaitReady(ctx)
}

// awaitHealthy waits for the first response 200. It sends a request every millisecond, each on a
// new connection.
func awaitHealthy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if healthy(ctx, &client, url) {
			return nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
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

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
