package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"time"
)

// Retry says how a client repeats a request that failed: where no whole answer came, after 503, and
// after 429 that says when. It repeats only what does no more when it is done twice: GET, HEAD,
// OPTIONS, PUT, DELETE, what changes nothing (Verify, TryPolicy), and a POST with an
// Idempotency-Key. Creating a key, a tenant, an application or an invitation and refreshing a key
// carry one that the client makes, unless the caller has set the header.
//
// A PUT by WithIfMatch is not repeated: if the first one was done, the second would be refused as
// if somebody else had changed the object.
//
// The zero value repeats nothing.
type Retry struct {
	// Attempts is how often a request is sent at most, the first time included.
	Attempts int
	// Within is how long after the first attempt the last may begin.
	Within time.Duration
	// Now and Wait are the clock; by default that of the computer.
	Now  func() time.Time
	Wait func(context.Context, time.Duration) error
}

// usual is how clients repeat that are not told otherwise.
var usual = Retry{Attempts: 5, Within: 30 * time.Second}.resolved()

// The pause before the first repetition and the longest, where the server does not say how long to
// wait.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

const repeatHeader = "Idempotency-Key"

// ErrSecretLost says that something was made, and that the one answer which carried its secret or
// its link was lost on the way. For a new secret refresh the key, or make another and revoke this
// one; for a new link invite again.
var ErrSecretLost = errors.New("it was made, but the only answer that carried its secret was lost on the way")

// WithRetry returns a client that repeats requests otherwise.
func (c *Client) WithRetry(r Retry) *Client {
	other := *c
	other.retry = r.resolved()
	return &other
}

func (r Retry) resolved() Retry {
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Wait == nil {
		r.Wait = wait
	}
	return r
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run returns the first answer that is not worth another attempt, or the last that there was time
// for.
func (r Retry) run(ctx context.Context, repeatable bool, attempt func() (*answer, error)) (*answer, error) {
	began := r.Now()
	for n := 1; ; n++ {
		a, err := attempt()
		if !repeatable || n >= r.Attempts || !passing(a, err) {
			return a, err
		}
		pause := pauseAfter(n, a)
		if r.Now().Add(pause).Sub(began) > r.Within {
			return a, err
		}
		if err := r.Wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// passing reports whether the failure may be gone at another attempt.
func passing(a *answer, err error) bool {
	if err != nil {
		_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
		return !untrusted
	}
	return a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests && a.retryAfter() > 0
}

// pauseAfter returns the pause after the nth attempt: at least as long as the server said, longer
// each time, and never the same for all.
func pauseAfter(n int, a *answer) time.Duration {
	most := min(firstPause<<(n-1), longestPause)
	pause := most/2 + mathrand.N(most/2)
	if a != nil {
		pause = max(pause, a.retryAfter())
	}
	return pause
}

// repeatable reports whether the request does no more when it is done twice.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
		return true
	case http.MethodPut:
		return req.Header.Get(matchHeader) == ""
	}
	return req.Method == http.MethodPost && req.Header.Get(repeatHeader) != ""
}

// makeOnce posts what makes something, under an Idempotency-Key of its own where the client may
// repeat it and the caller brings none. It reports whether the answer repeats one that was lost.
func makeOnce[T any](ctx context.Context, c *Client, path string, in any) (out T, lost bool, err error) {
	if c.retry.Attempts < 2 || c.header.Get(repeatHeader) != "" {
		out, err = send[T](ctx, c, http.MethodPost, path, in)
		return out, false, err
	}
	a, err := c.WithHeader(repeatHeader, rand.Text()).exchange(ctx, http.MethodPost, path, in, &out, 0)
	return out, err == nil && a.header.Get("Idempotent-Replayed") == "true", err
}

// makeSecret is makeOnce for what is answered with a secret or a link.
func makeSecret[T any](ctx context.Context, c *Client, path string, in any) (T, error) {
	out, lost, err := makeOnce[T](ctx, c, path, in)
	if lost {
		err = ErrSecretLost
	}
	return out, err
}
