package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

const (
	// nodesScenario is the name of the part with two processes on one PostgreSQL database.
	nodesScenario = "nodes"
	// databaseVariable is the environment variable with the URL of an empty PostgreSQL database,
	// which this part fills.
	databaseVariable = "CLAVIGER_TEST_POSTGRES"
	revocations      = 200
	// nodesRate is the number of requests per second that the second node gets meanwhile.
	nodesRate = 500
)

// nodesResult says how long the second node accepts a key that the first node revokes.
type nodesResult struct {
	measured bool
	// sinceResponse and sinceRequest are the times from the response to the revocation, and from
	// the request for it, until the second node rejects the key. If the second node rejects the key
	// before the response to the revocation, sinceResponse is zero.
	sinceResponse, sinceRequest []time.Duration
	// requests are the times of all requests to the second node about such a key. They limit how
	// soon a rejection can be noticed.
	requests []time.Duration
	// load are the times of the other requests to the second node, each from when it was due.
	load []time.Duration
}

// nodePair is two processes on one database. Keys are created and revoked on the first. The second
// is asked to verify them.
type nodePair struct {
	first, second *process
	firstOutput   devOutput
	secondHost    string
	client        *managementClient
}

// measureNodes revokes keys on the first node while the second is under load: it verifies another
// key nodesRate times per second.
func (h *harness) measureNodes(ctx context.Context, databaseURL string) (nodesResult, error) {
	p, err := h.startNodes(ctx, databaseURL)
	defer p.stop()
	if err != nil {
		return nodesResult{}, err
	}
	progress("nodes    revoking %d keys", revocations)
	var result nodesResult
	latencies, err := p.underLoad(ctx, h.options.connections, func() error {
		result, err = p.revokeAll(ctx)
		return err
	})
	result.load = latencies
	return result, err
}

// startNodes starts both nodes. If it fails, the returned pair holds what was started.
func (h *harness) startNodes(ctx context.Context, databaseURL string) (p *nodePair, err error) {
	p = &nodePair{}
	one, two := filepath.Join(h.dir, "node-1"), filepath.Join(h.dir, "node-2")
	p.first, err = h.startNode(ctx, databaseURL, one, &p.firstOutput)
	if err != nil {
		return p, err
	}
	if err := copyFiles(one, two, "root.key", "dev.json"); err != nil {
		return p, err
	}
	var out readyOutput
	p.second, err = h.startNode(ctx, databaseURL, two, &out)
	if err != nil {
		return p, err
	}
	p.secondHost, err = hostOf(out.URL)
	if err != nil {
		return p, err
	}
	p.client, err = signIn(ctx, p.firstOutput)
	return p, err
}

func (h *harness) startNode(ctx context.Context, databaseURL, data string, into any) (*process, error) {
	env := []string{"CLAVIGER_DATABASE_URL=" + databaseURL, "CLAVIGER_LIMITS_CHANGES_PER_MINUTE=100000"}
	p, err := start(ctx, h.dir, into, env, h.binary, "dev", "--output", "json", "--listen", "127.0.0.1:0", "--data",
		data)
	if err != nil {
		return nil, err
	}
	return p, p.awaitReady(ctx)
}

// copyFiles creates the folder `to` and copies the files there. The second node needs the root
// secret of the first, and its sample.
func copyFiles(from, to string, names ...string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (p *nodePair) stop() {
	p.first.stop()
	p.second.stop()
}

// underLoad calls measure while a loadgen asks the second node about a key that stays valid. It
// returns the latencies of these requests.
func (p *nodePair) underLoad(ctx context.Context, connections int,
	measure func() error,
) ([]time.Duration, error) {
	valid := load{
		requests: [][]byte{p.verifyRequest(p.firstOutput.Tenants[0].Key.Value)}, want: `"active":true`,
	}
	f, err := newLoadgen(ctx, p.secondHost, connections, valid, 0)
	if err != nil {
		return nil, err
	}
	defer f.close()
	done := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- f.runAtRate(ctx, nodesRate, done) }()
	err = measure()
	close(done)
	if err := errors.Join(err, <-ended); err != nil {
		return nil, err
	}
	return f.collect()
}

func (p *nodePair) verifyRequest(credential string) []byte {
	return verifyRequest(p.secondHost, "/api/v1/verify", p.firstOutput.Verifier, credential)
}

func (p *nodePair) revokeAll(ctx context.Context) (result nodesResult, err error) {
	f, err := newLoadgen(ctx, p.secondHost, 1, load{}, 0)
	if err != nil {
		return result, err
	}
	defer f.close()
	defer context.AfterFunc(ctx, f.close)()
	for range revocations {
		sinceRequest, sinceResponse, err := p.revokeOne(ctx, f.connections[0])
		if err != nil {
			return result, err
		}
		result.sinceRequest = append(result.sinceRequest, sinceRequest)
		result.sinceResponse = append(result.sinceResponse, sinceResponse)
	}
	result.requests, result.measured = f.connections[0].counts.latencies, true
	return result, nil
}

// revokeOne creates a key, makes the second node cache it, and asks the second node continuously
// about the key while the first node revokes it.
func (p *nodePair) revokeOne(ctx context.Context,
	second *connection,
) (sinceRequest, sinceResponse time.Duration, err error) {
	path := "/api/v1/tenants/" + p.firstOutput.Tenants[0].ID + "/keys"
	created, err := p.client.createKey(ctx, path, "nodes")
	if err != nil {
		return 0, 0, err
	}
	request := p.verifyRequest(created.Credential.Value)
	for range 2 { // the first reads the key, the second uses the cache
		if accepted, err := second.verify(request); err != nil || !accepted {
			return 0, 0, errors.Join(errors.New("the second node does not accept a new key"), err)
		}
	}
	var answered time.Time
	revoked, began := make(chan error, 1), time.Now()
	go func() {
		err := p.client.call(ctx, http.MethodPost, path+"/"+created.Key.ID+"/revoke", map[string]any{}, http.StatusOK,
			nil)
		answered = time.Now()
		revoked <- err
	}()
	rejected, err := second.awaitRevoked(request)
	err = errors.Join(<-revoked, err)
	if err != nil {
		return 0, 0, err
	}
	return rejected.Sub(began), max(0, rejected.Sub(answered)), nil
}

// awaitRevoked sends the request until the key is rejected, and returns that time.
func (c *connection) awaitRevoked(request []byte) (time.Time, error) {
	for {
		if accepted, err := c.verify(request); err != nil || !accepted {
			return time.Now(), err
		}
	}
}

// verify sends one request and reports whether the key is accepted. Any response but "active" and
// "revoked" is an error.
func (c *connection) verify(request []byte) (bool, error) {
	sent := time.Now()
	if err := c.SetDeadline(sent.Add(responseTimeout)); err != nil {
		return false, err
	}
	if _, err := c.Write(request); err != nil {
		return false, err
	}
	status, body, err := readResponse(c.in)
	c.counts.latencies = append(c.counts.latencies, time.Since(sent))
	switch {
	case err != nil:
		return false, err
	case status == http.StatusOK && bytes.Contains(body, []byte(`"active":true`)):
		return true, nil
	case status == http.StatusOK && bytes.Contains(body, []byte(`"code":"api_key_revoked"`)):
		return false, nil
	}
	return false, fmt.Errorf("neither accepted nor revoked: status %d, %.300q", status, body)
}

func (n nodesResult) print(w io.Writer) {
	fmt.Fprintf(w,
		"\n| two nodes on one PostgreSQL, %d keys revoked on one while the other is under load "+
			"| p50 ms | p99 ms | max ms |\n|---|---|---|---|\n", revocations)
	defer fmt.Fprintf(w, "\nPostgreSQL, both nodes and the client share %d cores.\n", runtime.NumCPU())
	for _, row := range []struct {
		title string
		times []time.Duration
	}{
		{"from the response to the revocation until the other node rejects the key", n.sinceResponse},
		{"from the request for the revocation", n.sinceRequest},
		{"a request to the other node about such a key", n.requests},
		{fmt.Sprintf("any other request to it, of %d per second, from when it was due", nodesRate), n.load},
	} {
		p := percentiles(row.times, 50, 99, 100)
		fmt.Fprintf(w, "| %s | %.1f | %.1f | %.1f |\n", row.title, p[0].Seconds()*1e3, p[1].Seconds()*1e3,
			p[2].Seconds()*1e3)
	}
}
