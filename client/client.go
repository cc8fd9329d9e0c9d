package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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
	// broken is why no request can be sent, nil where it can.
	broken error
}

// ErrCredential says that a credential cannot be sent, because it is empty or holds white space or
// characters that no credential has, as when two keys or a line of a log were copied. No request
// was sent. The error never repeats any of it.
var ErrCredential = errors.New(
	"the credential is not one: it must be one value of visible ASCII characters, without white space")

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// New returns a client of the server at the base URL, without any credential. The URL is http or
// https, a host, and at most a port and a path; any other is refused with ErrAddress.
func New(base string) (*Client, error) {
	base, err := parseAddress(base)
	if err != nil {
		return nil, err
	}
	return &Client{
		base: base, header: http.Header{}, http: &http.Client{Timeout: 30 * time.Second, CheckRedirect: stay},
		retry: usual,
	}, nil
}

// stay follows no redirect: credentials go to the server they were meant for.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// WithKey returns a client that sends a key's value as a bearer token. A value that cannot be one
// is an error of each request, see ErrCredential.
func (c *Client) WithKey(value string) *Client {
	other := c.WithHeader("Authorization", "Bearer "+value)
	if !visible(value) {
		other.broken = ErrCredential
	}
	return other
}

// WithPair returns a client that sends a key's public id and secret by HTTP Basic.
func (c *Client) WithPair(id, secret string) *Client {
	pair := id + ":" + secret
	other := c.WithHeader("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	if id == "" || secret == "" || !visible(pair) || strings.Contains(id, ":") {
		other.broken = ErrCredential
	}
	return other
}

// visible reports whether a text is of visible ASCII characters alone.
func visible(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// WithHeader returns a client that sends one more header with every request. If the header cannot
// be sent, each request fails with an error that names the header and not its value.
func (c *Client) WithHeader(name, value string) *Client {
	other := *c
	other.header = c.header.Clone()
	other.header.Add(name, value)
	if other.broken == nil && !headerIsSound(name, value) {
		other.broken = fmt.Errorf("the header %q cannot be sent: its name or value holds characters that "+
			"headers have not", name)
	}
	return &other
}

// headerIsSound reports whether a header can be sent: its name is a token (RFC 9110 section 5.6.2),
// and its value has no control characters.
func headerIsSound(name, value string) bool {
	const marks = "!#$%&'*+-.^_`|~"
	odd := func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(marks, r)
	}
	control := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
	return name != "" && !strings.ContainsFunc(name, odd) && !strings.ContainsFunc(value, control)
}

// WithTransport returns a client that sends its requests with the given transport. Only the context
// of a request limits how long it takes.
func (c *Client) WithTransport(by http.RoundTripper) *Client {
	other := *c
	other.http = &http.Client{Transport: by, CheckRedirect: stay}
	return &other
}

// SignIn returns a client with the session of the person.
func (c *Client) SignIn(ctx context.Context, email, password string) (*Client, api.Session, error) {
	return c.begin(ctx, "/api/v1/session", api.SignInRequest{Email: email, Password: password})
}

// SignInWithCode is SignIn for a person with a second factor. code is what their authenticator app
// shows, or a recovery code. Without a code the error is api.SecondFactorRequired.
func (c *Client) SignInWithCode(ctx context.Context, email, password, code string) (*Client, api.Session, error) {
	return c.begin(ctx, "/api/v1/session", api.SignInRequest{Email: email, Password: password, Code: code})
}

// begin returns a client with the session that a request to the path begins.
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
// An http.Header is the Headers of a request as it is. Verify changes nothing, so it is repeated as
// Retry says; a context with a deadline bounds how long that takes.
func (c *Client) Verify(ctx context.Context, req api.VerifyRequest) (d api.Decision, err error) {
	_, err = c.exchange(ctx, http.MethodPost, "/api/v1/verify", req, &d, changesNothing)
	return d, err
}

// VerifyBatch asks for 1 to 1,000 decisions at once. The answers have the order of the requests,
// and each is what Verify answers; an answer with a Problem is an error about its request alone.
// Like Verify, VerifyBatch is repeated as Retry says.
func (c *Client) VerifyBatch(ctx context.Context, requests []api.VerifyRequest) ([]api.VerifyBatchItem, error) {
	var out api.VerifyBatchResponse
	in := api.VerifyBatchRequest{Items: requests}
	_, err := c.exchange(ctx, http.MethodPost, "/api/v1/verify/batch", in, &out, changesNothing)
	if err == nil && len(out.Items) != len(requests) {
		err = fmt.Errorf("claviger: %d answers to %d requests", len(out.Items), len(requests))
	}
	if err != nil {
		return nil, err
	}
	return out.Items, nil
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

// Do sends a request to a path and reads the JSON answer into out, either of which may be nil. It
// is for what has no method of its own; a refusal is an *api.Problem.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	_, err := c.exchange(ctx, method, path, in, out, 0)
	return err
}

// Stream sends a GET request, without retries, and returns the body of the response, which may be
// too long to hold in memory. The caller must close it.
func (c *Client) Stream(ctx context.Context, path string) (io.ReadCloser, error) {
	body, _, err := c.stream(ctx, path)
	return body, err
}

// stream is Stream with the headers of the response.
func (c *Client) stream(ctx context.Context, path string) (io.ReadCloser, http.Header, error) {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, resp.Header, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, err
	}
	return nil, nil, (&answer{resp.StatusCode, resp.Header, text}).read(nil)
}

// effect is what is known of a request besides its method.
type effect int

// changesNothing is the effect of a request that can be repeated although its method is POST or
// PATCH.
const changesNothing effect = 1

// exchange sends a request, again where that is safe and worth it, and reads the answer into out.
func (c *Client) exchange(ctx context.Context, method, path string, in, out any, e effect) (*answer, error) {
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	a, err := c.retry.run(ctx, e == changesNothing || repeatable(req),
		func() (*answer, error) { return c.attempt(req) })
	if err != nil {
		return nil, err
	}
	return a, a.read(out)
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	if c.broken != nil {
		return nil, c.broken
	}
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
