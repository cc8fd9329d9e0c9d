package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// flaky is a server that fails in turn as it is told, and then answers.
type flaky struct {
	t *testing.T
	*httptest.Server
	failures []http.HandlerFunc
	mu       sync.Mutex
	came     []string
	// then answers what comes after the failures.
	then http.HandlerFunc
}

func newFlaky(t *testing.T, failures ...http.HandlerFunc) *flaky {
	t.Helper()
	f := &flaky{t: t, failures: failures, then: answer(http.StatusOK, `{}`)}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// ServeHTTP implements http.Handler.
func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.came = append(f.came, r.Header.Get("Idempotency-Key"))
	do := f.then
	if n := len(f.came); n <= len(f.failures) {
		do = f.failures[n-1]
	}
	f.mu.Unlock()
	do(w, r)
}

// keys are the Idempotency-Keys of the requests that came, "" for none.
func (f *flaky) keys() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.came)
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func refuse(status int, code api.Code, header ...string) http.HandlerFunc {
	return answer(status, fmt.Sprintf(`{"code":%q,"status":%d,"detail":"No."}`, code, status), header...)
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

var (
	unavailable = refuse(http.StatusServiceUnavailable, api.Unavailable)
	busy        = refuse(http.StatusTooManyRequests, api.RateLimited, "Retry-After", "7")
)

// clock is a time that moves on by what is waited alone.
type clock struct {
	at    time.Time
	waits []time.Duration
	// wake, where it is set, is called when a wait begins.
	wake func()
}

func (c *clock) retry(attempts int, within time.Duration) client.Retry {
	return client.Retry{
		Attempts: attempts, Within: within, Now: func() time.Time { return c.at },
		Wait: func(ctx context.Context, d time.Duration) error {
			c.waits = append(c.waits, d)
			c.at = c.at.Add(d)
			if c.wake != nil {
				c.wake()
			}
			return ctx.Err()
		},
	}
}

func (f *flaky) client(c *clock) *client.Client {
	return newClient(f.t, f.URL).WithRetry(c.retry(4, time.Minute))
}

func TestWhatIsSafeIsRepeatedUntilItGetsThrough(t *testing.T) {
	for name, failure := range map[string]http.HandlerFunc{
		"the connection breaks": hangUp, "unavailable": unavailable, "too many requests": busy,
		"a proxy has no server": answer(http.StatusServiceUnavailable, "<html>"),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			t.Run(method+", "+name, func(t *testing.T) {
				f, c := newFlaky(t, failure, failure), &clock{}
				if err := f.client(c).Do(t.Context(), method, "/", map[string]string{"a": "b"}, nil); err != nil {
					t.Error(err)
				}
				if len(f.keys()) != 3 || len(c.waits) != 2 {
					t.Errorf("%d requests, after pauses of %v", len(f.keys()), c.waits)
				}
			})
		}
	}
}

func TestARequestIsRepeatedOnlyWhereThatIsSafeAndMayHelp(t *testing.T) {
	tests := []struct {
		name, method string
		failure      http.HandlerFunc
	}{
		{"a POST without an Idempotency-Key", http.MethodPost, unavailable},
		{"a POST whose connection broke", http.MethodPost, hangUp},
		{"a PATCH", http.MethodPatch, unavailable},
		{"a refusal", http.MethodGet, refuse(http.StatusForbidden, api.Forbidden)},
		{"a failure of the server's own", http.MethodGet, refuse(http.StatusInternalServerError, api.Internal)},
		{"too many requests, without a time", http.MethodGet, refuse(http.StatusTooManyRequests, api.RateLimited)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFlaky(t, test.failure)
			if err := f.client(&clock{}).Do(t.Context(), test.method, "/", nil, nil); err == nil || len(f.keys()) != 1 {
				t.Errorf("%d requests, %v", len(f.keys()), err)
			}
		})
	}
}

// The first one may have been done. The second would then be refused because of the first.
func TestAReplacementOfOneVersionIsNotRepeated(t *testing.T) {
	f := newFlaky(t, hangUp, hangUp)
	c := f.client(&clock{}).WithIfMatch("read")
	if _, err := c.PutScope(t.Context(), "t", "films:read", api.PutScopeRequest{}); err == nil || len(f.keys()) != 1 {
		t.Errorf("%d requests, %v", len(f.keys()), err)
	}
}

func TestOneVersionIsSentInQuotesAndOnce(t *testing.T) {
	f := newFlaky(t)
	var sent []string
	f.then = func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Values("If-Match")
		answer(http.StatusConflict, `{"code":"conflict","present":{"name":"Now"}}`)(w, r)
	}
	_, err := f.client(&clock{}).WithIfMatch("old").WithIfMatch("read").EditApplication(t.Context(), "t", "a",
		api.UpdateApplicationRequest{})
	if !slices.Equal(sent, []string{`"read"`}) {
		t.Errorf("If-Match is %q", sent)
	}
	now, ok := client.Present[api.Application](fmt.Errorf("edit: %w", err))
	if !ok || now.Name != "Now" || !errors.Is(err, api.Conflict) {
		t.Errorf("%+v, %v", now, err)
	}
	if _, ok := client.Present[api.Application](api.Conflict); ok {
		t.Error("another error has an object")
	}
}

func TestRetryAfterIsHonouredAndShown(t *testing.T) {
	f, c := newFlaky(t, busy, busy, busy, busy), &clock{}
	err := f.client(c).Do(t.Context(), http.MethodGet, "/", nil, nil)
	if !errors.Is(err, api.RateLimited) || errors.Is(err, api.Unavailable) ||
		client.Status(err) != http.StatusTooManyRequests {
		t.Errorf("%v", err)
	}
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.RetryAfter != 7*time.Second {
		t.Errorf("%+v", p)
	}
	if want := []time.Duration{7 * time.Second, 7 * time.Second, 7 * time.Second}; !slices.Equal(c.waits, want) {
		t.Errorf("waited %v", c.waits)
	}
}

func TestRepeatingIsBounded(t *testing.T) {
	always := slices.Repeat([]http.HandlerFunc{unavailable}, 100)
	slow := slices.Repeat([]http.HandlerFunc{busy}, 100)
	for name, test := range map[string]struct {
		failures []http.HandlerFunc
		retry    func(*clock) client.Retry
		requests int
	}{
		"by attempts":             {always, func(c *clock) client.Retry { return c.retry(6, time.Hour) }, 6},
		"by time":                 {slow, func(c *clock) client.Retry { return c.retry(100, 30*time.Second) }, 5},
		"by what the server says": {slow, func(c *clock) client.Retry { return c.retry(100, 6*time.Second) }, 1},
		"to none":                 {always, func(*clock) client.Retry { return client.Retry{} }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f, c := newFlaky(t, test.failures...), &clock{}
			if err := newClient(t, f.URL).WithRetry(test.retry(c)).Do(t.Context(), http.MethodGet, "/", nil,
				nil); err == nil || len(f.keys()) != test.requests {
				t.Errorf("%d requests, %v", len(f.keys()), err)
			}
			for i, d := range c.waits {
				if d < 50*time.Millisecond || d > 7*time.Second {
					t.Errorf("pause %d is %s", i+1, d)
				}
			}
		})
	}
}

func TestAClientStopsRepeatingWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f, c := newFlaky(t, unavailable, unavailable), &clock{wake: cancel}
	if err := f.client(c).Do(ctx, http.MethodGet, "/", nil, nil); !errors.Is(err, context.Canceled) ||
		len(f.keys()) != 1 {
		t.Errorf("%d requests, %v", len(f.keys()), err)
	}
}

func TestAServerThatIsNotTrustedIsAskedOnce(t *testing.T) {
	server, c := httptest.NewUnstartedServer(answer(http.StatusOK, `{}`)), &clock{}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is broken off
	server.StartTLS()
	defer server.Close()
	if err := newClient(t, server.URL).WithRetry(c.retry(4, time.Minute)).Do(t.Context(), http.MethodGet, "/", nil,
		nil); err == nil || len(c.waits) != 0 {
		t.Errorf("%v, after pauses of %v", err, c.waits)
	}
}

func TestWhatMakesSomethingIsRepeatedUnderOneIdempotencyKey(t *testing.T) {
	for name, do := range map[string]func(context.Context, *client.Client) error{
		"a key": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateKey(ctx, "t", api.CreateKeyRequest{})
			return err
		},
		"a refresh": func(ctx context.Context, c *client.Client) error {
			_, err := c.RefreshKey(ctx, "t", "k", api.RefreshKeyRequest{})
			return err
		},
		"an invitation": func(ctx context.Context, c *client.Client) error {
			_, err := c.Invite(ctx, "t", api.CreateInvitationRequest{})
			return err
		},
		"a tenant": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateTenant(ctx, api.CreateTenantRequest{})
			return err
		},
		"an application": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateApplication(ctx, "t", api.CreateApplicationRequest{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, c := newFlaky(t, hangUp, unavailable, busy), &clock{}
			if err := do(t.Context(), f.client(c)); err != nil {
				t.Fatal(err)
			}
			if len(f.keys()) != 4 || f.keys()[0] == "" || len(slices.Compact(f.keys())) != 1 {
				t.Errorf("the requests carried %q", f.keys())
			}
			first := f.keys()[0]
			if err := do(t.Context(), f.client(c)); err != nil || f.keys()[4] == first {
				t.Errorf("the next one carried the same key: %v", err)
			}
			if err := do(t.Context(), f.client(c).WithHeader("Idempotency-Key", "mine")); err != nil ||
				f.keys()[5] != "mine" {
				t.Errorf("the caller's own key is not sent: %q %v", f.keys()[5], err)
			}
		})
	}
}

func TestALostSecretIsNoSuccess(t *testing.T) {
	f := newFlaky(t, hangUp)
	f.then = answer(http.StatusCreated, `{"key":{"id":"key_1"},"credential":{"id":"ak_1","secret":null,"value":null}}`,
		"Idempotent-Replayed", "true")
	k, err := f.client(&clock{}).CreateKey(t.Context(), "t", api.CreateKeyRequest{})
	if !errors.Is(err, client.ErrSecretLost) || k.Key.ID != "key_1" {
		t.Errorf("%+v %v", k, err)
	}
	if _, err := f.client(&clock{}).CreateApplication(t.Context(), "t", api.CreateApplicationRequest{}); err != nil {
		t.Errorf("an application has no secret to lose: %v", err)
	}
	if _, err := f.client(&clock{}).WithHeader("Idempotency-Key", "mine").CreateKey(t.Context(), "t",
		api.CreateKeyRequest{}); err != nil {
		t.Errorf("who brings the key asks for the repetition: %v", err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	f := newFlaky(t, answer(http.StatusMovedPermanently, "", "Location", "https://elsewhere.example/"))
	err := f.client(&clock{}).Do(t.Context(), http.MethodGet, "/", nil, nil)
	if e, ok := errors.AsType[*client.StatusError](err); !ok || e.Location != "https://elsewhere.example/" ||
		client.Status(err) != 301 || len(f.keys()) != 1 {
		t.Errorf("%d requests, %v", len(f.keys()), err)
	}
}

func TestASavedSessionGoesOnAndDoesNotPrint(t *testing.T) {
	f := newFlaky(t)
	f.then = func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			http.SetCookie(w, &http.Cookie{Name: "claviger", Value: "token-of-the-session", Path: "/", HttpOnly: true})
			return
		}
		if c, err := r.Cookie("claviger"); err != nil || c.Value != "token-of-the-session" {
			unavailable(w, r)
		}
	}
	c, _, err := newClient(t, f.URL).SignIn(t.Context(), "a@b.example", "password")
	if err != nil {
		t.Fatal(err)
	}
	saved := c.SaveSession()
	if text := fmt.Sprintf("%s %v %+v %#v %q", saved, saved, saved, struct{ S client.SavedSession }{saved},
		saved); len(saved) == 0 || strings.Contains(text, "token-of") {
		t.Errorf("it prints as %s", text)
	}
	again, err := newClient(t, f.URL).WithSession(saved)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.WithRetry(client.Retry{}).Whoami(t.Context()); err != nil {
		t.Errorf("the session does not go on: %v", err)
	}
	if newClient(t, f.URL).SaveSession() != "" {
		t.Error("a client without a session saves one")
	}
}

func newClient(t *testing.T, address string) *client.Client {
	t.Helper()
	c, err := client.New(address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
