// Package client speaks to a Claviger server, as a key or as a signed-in person.
//
//	c := client.New("http://127.0.0.1:8080").WithKey(os.Getenv("CLAVIGER_KEY"))
//	me, err := c.Whoami(ctx)
//
// A refusal is an *api.Problem: errors.Is(err, api.KeyLimitReached) asks for its code, and errors.As gives the fields at fault and how long to wait.
// Requests that change nothing more when they are repeated are repeated, as Retry says.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/api"
)

// Client is safe for concurrent use.
type Client struct {
	base   string
	header http.Header
	http   *http.Client
	retry  Retry
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// New makes a client of the server at the base URL, without any credential.
func New(base string) *Client {
	return &Client{base: strings.TrimRight(base, "/"), header: http.Header{}, http: &http.Client{Timeout: 30 * time.Second, CheckRedirect: stay}, retry: usual}
}

// stay follows no redirect: credentials go to the server they were meant for.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// WithKey gives a client that sends a key's value as a bearer.
func (c *Client) WithKey(value string) *Client {
	return c.WithHeader("Authorization", "Bearer "+value)
}

// WithHeader gives a client that sends one more header with every request.
func (c *Client) WithHeader(name, value string) *Client {
	other := *c
	other.header = c.header.Clone()
	other.header.Add(name, value)
	return &other
}

// WithTransport gives a client whose requests go by another way, and take as long as their context lets them.
func (c *Client) WithTransport(by http.RoundTripper) *Client {
	other := *c
	other.http = &http.Client{Transport: by, CheckRedirect: stay}
	return &other
}

// SignIn gives a client with the session of the person.
func (c *Client) SignIn(ctx context.Context, email, password string) (*Client, api.Session, error) {
	return c.begin(ctx, "/api/v1/session", api.SignIn{Email: email, Password: password})
}

// begin gives a client with the session that a request to the path begins.
func (c *Client) begin(ctx context.Context, path string, in any) (*Client, api.Session, error) {
	other, err := c.withJar()
	if err != nil {
		return nil, api.Session{}, err
	}
	var s api.Session
	err = other.Do(ctx, http.MethodPost, path, in, &s)
	return other, s, err
}

// SignOut ends the session.
func (c *Client) SignOut(ctx context.Context) error {
	return c.Do(ctx, http.MethodDelete, "/api/v1/session", nil, nil)
}

// Whoami tells who the server takes this client for.
func (c *Client) Whoami(ctx context.Context) (w api.Whoami, err error) {
	err = c.Do(ctx, http.MethodGet, "/api/v1/whoami", nil, &w)
	return w, err
}

// Verify asks for a decision. A decision against the credential is no error: see Active and Code.
func (c *Client) Verify(ctx context.Context, req api.VerifyRequest) (d api.Decision, err error) {
	err = c.Do(ctx, http.MethodPost, "/api/v1/verify", req, &d)
	return d, err
}

// Page asks for a part of a list; the zero value is the first page of the default length.
type Page struct {
	Limit  int
	Cursor string
}

func (p Page) query() url.Values {
	q := url.Values{}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	if p.Cursor != "" {
		q.Set("cursor", p.Cursor)
	}
	return q
}

// Do sends a request to a path and reads the JSON answer into out, either of which may be nil. It is for what has no method of its own; a refusal is an *api.Problem.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	_, err := c.exchange(ctx, method, path, in, out)
	return err
}

// exchange sends a request, again where that is safe and worth it, and reads the answer into out.
func (c *Client) exchange(ctx context.Context, method, path string, in, out any) (*answer, error) {
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	a, err := c.retry.run(ctx, repeatable(req), func() (*answer, error) { return c.attempt(req) })
	if err != nil {
		return nil, err
	}
	return a, a.read(out)
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header = c.header.Clone()
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// attempt sends the request once. Its error says that no whole answer came.
func (c *Client) attempt(req *http.Request) (*answer, error) {
	sent := req.Clone(req.Context())
	if req.GetBody != nil {
		sent.Body, _ = req.GetBody() // of bytes, which cannot fail
	}
	resp, err := c.http.Do(sent)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return &answer{resp.StatusCode, resp.Header, text}, nil
}
