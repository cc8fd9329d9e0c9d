// Package endpoint serves tools of package mcp at /mcp, by the transport "streamable HTTP" of the
// Model Context Protocol, without sessions: each request is answered by itself, as JSON.
//
// A request without a credential gets the tools about the documentation, and one with a key also
// whoami, which asks the API of this server with the key as it was sent. Cookies are never read.
// Requests from pages of other sites are refused by their Origin, and those to names that are not
// this server's by their Host.
package endpoint

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/mcp"
	"github.com/claviger-dev/claviger/internal/web"
)

// Path is the path of the endpoint.
const Path = "/mcp"

// Endpoint serves /mcp. All fields are required.
type Endpoint struct {
	Errors     web.ErrorWriter
	Middleware *web.Middleware
	// API serves the API of this server.
	API http.HandlerFunc
	// BaseURL is the public URL of this server.
	BaseURL string
	Version string
	Log     *slog.Logger

	gate   *admission.Gate
	origin string
}

const (
	// concurrency is how many requests are served at once, and perCaller how many of one client
	// address. As many as queue and queuePerCaller wait for their turn, for at most wait.
	concurrency    = 8
	perCaller      = 4
	queue          = 64
	queuePerCaller = 8
	wait           = 5 * time.Second
	// answerTime is how long an answer may take.
	answerTime = 20 * time.Second
)

// Mount adds the route.
func (e *Endpoint) Mount(router *web.Router) {
	e.gate = admission.NewGate(admission.Limits{
		Concurrency: concurrency, PerCaller: perCaller, Queue: queue, QueuePerCaller: queuePerCaller, Wait: wait,
	})
	surface := router.Mount(Path, e.Errors, web.Route{
		Method: http.MethodPost, Path: Path, Page: true, Serve: e.serve, // no part of the API's document
	})
	surface.Hosts = []string{}
	if base, err := url.Parse(e.BaseURL); err == nil {
		e.origin = strings.ToLower(base.Scheme + "://" + base.Host)
		surface.Hosts = append(surface.Hosts, strings.ToLower(base.Hostname()))
	}
}

// serve answers one message.
func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request) error {
	err := e.checkOrigin(r)
	if err == nil {
		err = e.Middleware.AdmitAnonymous(w, r)
	}
	if err == nil {
		err = web.CheckQuery(r.URL.RawQuery, nil)
	}
	if err == nil {
		err = checkHeaders(r.Header)
	}
	if err != nil {
		web.DiscardBody(w, r)
		return err
	}
	if err := e.Middleware.BufferAnonymousBody(w, r); err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fault.Wrap(fault.Malformed, err, "The body did not arrive.")
	}
	if err := checkMessage(body); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	permit, err := e.gate.Acquire(ctx, admission.ForAddress(e.Middleware.Authenticator.Origin(w.Header(), r).IP))
	if err != nil {
		return err
	}
	defer permit.Release()
	return e.answer(ctx, w, r, body)
}

// answer lets the SDK answer a message, and writes the answer.
func (e *Endpoint) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, body []byte) error {
	server := mcp.NewServer(mcp.Options{
		Version: e.Version, BaseURL: e.BaseURL, Connect: e.connect(r), Log: e.Log,
	})
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server },
		&sdk.StreamableHTTPOptions{
			Stateless: true, JSONResponse: true,
			DisableLocalhostProtection: true, // the Host was checked, and a proxy on this machine may send another one
		})
	message := r.Clone(ctx)
	message.Header.Del("Cookie")
	message.Body = io.NopCloser(bytes.NewReader(body))
	var recorded recorder
	handler.ServeHTTP(&recorded, message)
	contentType := recorded.Header().Get("Content-Type")
	switch {
	case ctx.Err() != nil:
		return fault.Wrap(fault.Unavailable, ctx.Err(), "The answer took too long. Try again.")
	case strings.HasPrefix(contentType, "text/plain"):
		return fault.New(fault.Malformed, "The message is not one of the Model Context Protocol that this server "+
			"accepts: check its method, its params, and the headers that belong to its protocol version.")
	}
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	w.WriteHeader(recorded.status)
	_, _ = w.Write(recorded.body.Bytes()) // the client may be gone
	return nil
}

// checkOrigin refuses a request that a page of another site made a browser send. Programs that are
// no browsers send no Origin.
func (e *Endpoint) checkOrigin(r *http.Request) error {
	sent := r.Header["Origin"]
	if len(sent) == 0 {
		return nil
	}
	scheme, host, _ := strings.Cut(strings.ToLower(sent[0]), "://")
	own := host == strings.ToLower(r.Host) && (scheme == "http" || scheme == "https")
	if len(sent) == 1 && (own || strings.EqualFold(sent[0], e.origin)) {
		return nil
	}
	return fault.CrossSite
}

// checkHeaders refuses a message that the SDK would refuse, with a text that says what to send.
func checkHeaders(h http.Header) error {
	if kind, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || kind != "application/json" {
		return fault.New(fault.UnsupportedMediaType, "Send the header Content-Type: application/json.")
	}
	if err := web.PlainContent(h); err != nil {
		return err
	}
	accepted := strings.ToLower(strings.Join(h.Values("Accept"), ","))
	for _, kind := range []string{"application/json", "text/event-stream"} {
		if !strings.Contains(accepted, kind) && !strings.Contains(accepted, "*/*") {
			return fault.New(fault.Malformed, "Send the header Accept: application/json, text/event-stream.")
		}
	}
	return nil
}

// checkMessage refuses a body that is not one JSON object. A batch of messages would multiply the
// work of a request, and only one old version of the protocol has batches.
func checkMessage(body []byte) error {
	var message map[string]jsontext.Value
	if err := json.Unmarshal(body, &message); err != nil {
		return fault.New(fault.Malformed, "The body is not one message: send one JSON object, without a batch.")
	}
	return nil
}

// connect returns how whoami asks the API of this server as the caller of a request; nil if the
// request has no credential.
func (e *Endpoint) connect(r *http.Request) func(context.Context) (mcp.API, error) {
	header := http.Header{}
	for name, values := range r.Header {
		if e.Middleware.Authenticator.IsCredentialHeader(name) {
			header[name] = slices.Clone(values)
		}
	}
	if len(header) == 0 {
		return nil
	}
	for _, name := range []string{"User-Agent", "X-Forwarded-For"} { // which say where the key is used
		if values, ok := r.Header[name]; ok {
			header[name] = slices.Clone(values)
		}
	}
	return func(context.Context) (mcp.API, error) {
		c, err := client.New("http://localhost") // the requests stay in this process
		if err != nil {
			return nil, err
		}
		by := inProcess{api: e.API, header: header, remoteAddr: r.RemoteAddr}
		return caller{c.WithTransport(by).WithRetry(client.Retry{})}, nil
	}
}

// caller is the API of this server for a caller with a key. There is only whoami.
type caller struct{ *client.Client }

// TenantID implements mcp.API.
func (caller) TenantID(context.Context, string) (string, error) {
	return "", &api.Problem{Code: api.NotFound, Detail: "There is no tenant here."}
}

// Explain implements mcp.API. The text of a refusal says what to do.
func (caller) Explain(err error) error { return err }

// inProcess sends requests to the API of this server, without a connection.
type inProcess struct {
	api http.HandlerFunc
	// header and remoteAddr are those of the caller.
	header     http.Header
	remoteAddr string
}

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := r.Clone(r.Context())
	inner.RequestURI, inner.RemoteAddr = r.URL.RequestURI(), p.remoteAddr
	inner.Host = r.URL.Host
	inner.Header = maps.Clone(p.header)
	inner.Body = http.NoBody
	var recorded recorder
	p.api(&recorded, inner)
	return &http.Response{
		Status: http.StatusText(recorded.status), StatusCode: recorded.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: recorded.Header(),
		Body: io.NopCloser(&recorded.body), ContentLength: int64(recorded.body.Len()), Request: r,
	}, nil
}

// recorder is a response in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}
