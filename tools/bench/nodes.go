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
	"time"
)

const (
	// nodesScenario is the part about two processes on one PostgreSQL.
	nodesScenario = "nodes"
	// databaseVariable holds the URL of an empty PostgreSQL database, which this part fills.
	databaseVariable = "CLAVIGER_TEST_POSTGRES"
	revocations      = 200
	// hammerFor is how long the load goes on before it looks whether it is still wanted.
	hammerFor = 100 * time.Millisecond
)

// nodesFigures say how long a key that one node revokes is accepted by another.
type nodesFigures struct {
	measured bool
	// sinceAnswer and sinceRequest are the times from the answer and from the request of the revocation to the other
	// node's first refusal; one that was refused before the answer counts as zero.
	sinceAnswer, sinceRequest []time.Duration
	// questions are how long the other node took for each answer meanwhile: nothing is seen sooner than that.
	questions []time.Duration
}

// pairOfNodes are two processes on one database: keys are made and revoked here, and asked about there.
type pairOfNodes struct {
	here, there *process
	hereOut     devOutput
	thereHost   string
	console     *console
}

// measureNodes revokes keys on one node while the other answers as many questions about another key as it can.
func (b *bed) measureNodes(ctx context.Context, databaseURL string) (nodesFigures, error) {
	p, err := b.startNodes(ctx, databaseURL)
	defer p.stop()
	if err != nil {
		return nodesFigures{}, err
	}
	progress("nodes    revoking %d keys", revocations)
	var figures nodesFigures
	err = p.underLoad(ctx, b.options.connections, func() error {
		figures, err = p.revokeAll(ctx)
		return err
	})
	return figures, err
}

// startNodes gives what was started also where it fails.
func (b *bed) startNodes(ctx context.Context, databaseURL string) (p *pairOfNodes, err error) {
	p = &pairOfNodes{}
	one, two := filepath.Join(b.dir, "node-1"), filepath.Join(b.dir, "node-2")
	if p.here, err = b.startNode(ctx, databaseURL, one, &p.hereOut); err != nil {
		return p, err
	}
	if err := copyFiles(one, two, "root.key", "dev.json"); err != nil {
		return p, err
	}
	var out ready
	if p.there, err = b.startNode(ctx, databaseURL, two, &out); err != nil {
		return p, err
	}
	if p.thereHost, err = hostOf(out.URL); err != nil {
		return p, err
	}
	p.console, err = signIn(ctx, p.hereOut)
	return p, err
}

func (b *bed) startNode(ctx context.Context, databaseURL, data string, into any) (*process, error) {
	env := []string{"CLAVIGER_DATABASE_URL=" + databaseURL, "CLAVIGER_LIMITS_CHANGES_PER_MINUTE=100000"}
	p, err := start(ctx, b.dir, into, env, b.binary, "dev", "--output", "json", "--listen", "127.0.0.1:0", "--data", data)
	if err != nil {
		return nil, err
	}
	return p, p.awaitReady(ctx)
}

// copyFiles gives the second node the root secret of the first, and its sample.
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

func (p *pairOfNodes) stop() {
	p.here.stop()
	p.there.stop()
}

// underLoad measures while a fleet asks there about a key that stays good.
func (p *pairOfNodes) underLoad(ctx context.Context, connections int, measure func() error) error {
	good := load{[][]byte{p.question(p.hereOut.Tenants[0].Key.Value)}, `"active":true`}
	f, err := dialFleet(ctx, p.thereHost, connections, good, 0)
	if err != nil {
		return err
	}
	defer f.close()
	over, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- f.hammer(ctx, over) }()
	err = measure()
	close(over)
	return errors.Join(err, <-ended)
}

// hammer drives the server until it is over.
func (f *fleet) hammer(ctx context.Context, over <-chan struct{}) error {
	for {
		select {
		case <-over:
			return nil
		default:
		}
		if _, _, err := f.drive(ctx, hammerFor); err != nil {
			return err
		}
	}
}

func (p *pairOfNodes) question(credential string) []byte {
	return verifyRequest(p.thereHost, "/api/v1/verify", p.hereOut.Verifier, credential)
}

func (p *pairOfNodes) revokeAll(ctx context.Context) (figures nodesFigures, err error) {
	f, err := dialFleet(ctx, p.thereHost, 1, load{}, 0)
	if err != nil {
		return figures, err
	}
	defer f.close()
	defer context.AfterFunc(ctx, f.close)()
	for range revocations {
		sinceRequest, sinceAnswer, err := p.revokeOne(ctx, f.connections[0])
		if err != nil {
			return figures, err
		}
		figures.sinceRequest = append(figures.sinceRequest, sinceRequest)
		figures.sinceAnswer = append(figures.sinceAnswer, sinceAnswer)
	}
	figures.questions, figures.measured = f.connections[0].tally.latencies, true
	return figures, nil
}

// revokeOne makes a key, lets the other node remember it, and asks there on and on while it is revoked here.
func (p *pairOfNodes) revokeOne(ctx context.Context, there *connection) (sinceRequest, sinceAnswer time.Duration, err error) {
	path := "/api/v1/tenants/" + p.hereOut.Tenants[0].ID + "/keys"
	made, err := p.console.createKey(ctx, path, "nodes")
	if err != nil {
		return 0, 0, err
	}
	question := p.question(made.Credential.Value)
	for range 2 { // read, then remembered
		if accepted, err := there.accepts(question); err != nil || !accepted {
			return 0, 0, errors.Join(errors.New("a new key is not accepted by the other node"), err)
		}
	}
	var answered time.Time
	revoked, began := make(chan error, 1), time.Now()
	go func() {
		err := p.console.call(ctx, http.MethodPost, path+"/"+made.Key.ID+"/revoke", map[string]any{}, http.StatusOK, nil)
		answered = time.Now()
		revoked <- err
	}()
	refused, err := there.refusedAt(question)
	if err = errors.Join(<-revoked, err); err != nil {
		return 0, 0, err
	}
	return refused.Sub(began), max(0, refused.Sub(answered)), nil
}

// refusedAt asks until the key is refused, and gives when that was.
func (c *connection) refusedAt(question []byte) (time.Time, error) {
	for {
		if accepted, err := c.accepts(question); err != nil || !accepted {
			return time.Now(), err
		}
	}
}

// accepts asks one question, to which there are two answers.
func (c *connection) accepts(question []byte) (bool, error) {
	sent := time.Now()
	if err := c.SetDeadline(sent.Add(answerWithin)); err != nil {
		return false, err
	}
	if _, err := c.Write(question); err != nil {
		return false, err
	}
	status, body, err := readResponse(c.in)
	c.tally.latencies = append(c.tally.latencies, time.Since(sent))
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

func (n nodesFigures) print(w io.Writer) {
	fmt.Fprintf(w, "\n| two nodes on one PostgreSQL, %d keys revoked on one while the other is under load | p50 ms | p99 ms | max ms |\n|---|---|---|---|\n", revocations)
	for _, row := range []struct {
		title string
		times []time.Duration
	}{
		{"from the answer to the revocation until the other refuses the key", n.sinceAnswer},
		{"from the request for it", n.sinceRequest},
		{"any question to the other meanwhile", n.questions},
	} {
		p := percentiles(row.times, 50, 99, 100)
		fmt.Fprintf(w, "| %s | %.1f | %.1f | %.1f |\n", row.title, p[0].Seconds()*1e3, p[1].Seconds()*1e3, p[2].Seconds()*1e3)
	}
}
