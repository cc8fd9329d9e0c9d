package gateway

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/forward"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// exchangeKey is the key of the exchange in the context of a request.
type exchangeKey struct{}

// exchangeOf returns the exchange of a request that is forwarded.
func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// newProxy returns the handler that forwards requests. It expects the exchange in their context.
func (g *Gateway) newProxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: g.rewrite, Transport: g.Transport, BufferPool: &buffers,
		ModifyResponse: g.modifyResponse,
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			exchangeOf(r.Context()).failure = err
		},
		ErrorLog: log.New(io.Discard, "", 0), // failures are answered, counted and sampled
	}
}

// buffers are those with which bodies are copied.
var buffers = bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

type bufferPool struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (p *bufferPool) Get() []byte { return p.pool.Get().(*[32 << 10]byte)[:] }

// Put implements httputil.BufferPool.
func (p *bufferPool) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }

// send forwards a request that is allowed.
func (g *Gateway) send(w http.ResponseWriter, r *http.Request, x *exchange) error {
	x.upstream = g.Upstreams.find(x.Needs.Application, x.host)
	if x.upstream == nil {
		return fault.New(fault.RouteUnknown, "There is no API behind this request. Ask the operator for an upstream.")
	}
	if r.ContentLength > g.MaxBody {
		return errTooLarge(g.MaxBody)
	}
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), exchangeKey{}, x))
	defer cancel()
	x.cancel = cancel
	watch := &watch{gateway: g, exchange: x}
	defer watch.stop()
	x.watch = watch
	r = r.WithContext(ctx)
	control := http.NewResponseController(w)
	if r.Body != nil && r.Body != http.NoBody {
		body := &timedBody{control: control, stall: g.StallTimeout}
		body.ReadCloser = http.MaxBytesReader(w, r.Body, g.MaxBody)
		defer body.abandon()
		r.Body = body
		_ = control.EnableFullDuplex() // the API may answer while the body still arrives
	}
	g.Counts.inProgress.Add(1)
	defer g.Counts.inProgress.Add(-1)
	g.proxy.ServeHTTP(&timedWriter{w, control, g.StallTimeout}, r)
	if x.failure == nil {
		g.Counts.answered.Add(1)
		return nil
	}
	return g.failed(r.Context(), x.failure)
}

func errTooLarge(most int64) error {
	return fault.New(fault.TooLarge, "The body is larger than the gateway forwards: "+
		strconv.FormatInt(most, 10)+" bytes (`gateway.body_bytes`).")
}

// failed returns the refusal for a request to which the API gave no response.
func (g *Gateway) failed(ctx context.Context, err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errTooLarge(tooLarge.Limit)
	}
	if _, ok := errors.AsType[*bodyError](err); ok {
		return fault.Wrap(fault.Malformed, err, "The body was cut short.")
	}
	if fault.Abandoned(ctx, err) {
		return err
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		g.Counts.timeout.Add(1)
		return fault.Wrap(fault.GatewayTimeout, err, "")
	}
	g.Counts.unreachable.Add(1)
	return fault.Wrap(fault.BadGateway, err, "")
}

// rewrite makes the request to the API. httputil has removed the headers that are for one
// connection, also those that Connection names, before rewrite sets the identity headers.
func (g *Gateway) rewrite(p *httputil.ProxyRequest) {
	x := exchangeOf(p.In.Context())
	setURL(p.Out.URL, x.upstream, p.In)
	p.Out.Host = ""
	h := p.Out.Header
	g.setForwarded(h, p.In)
	g.removeCredentials(h, p.In, x)
	removeIdentity(h, forward.HeaderNames(x.Rule))
	forward.SetIdentity(h, &x.decision, x.credential.Location().Transport, x.Rule)
	h["X-Request-Id"] = []string{x.from.RequestID}
	if p.Out.Body == nil && isRepeated(p.In.Method) {
		p.Out.Body = emptyBody{} // http.Transport sends no request twice that has a body
	}
}

// setURL sets the URL of a request to the API: path and query string as the client sent them.
func setURL(out, upstream *url.URL, in *http.Request) {
	out.Scheme, out.Host = upstream.Scheme, upstream.Host
	if upstream.Path != "" {
		out.RawPath = upstream.EscapedPath() + in.URL.EscapedPath()
		out.Path = upstream.Path + in.URL.Path
	}
	out.RawQuery = in.URL.RawQuery
	out.ForceQuery = in.URL.ForceQuery
}

// forwardedPrefix begins the headers of a proxy about the client's request.
const forwardedPrefix = "X-Forwarded-"

// setForwarded sets X-Forwarded-For, -Proto and -Host. A trusted proxy in front has set them, and
// other headers; everybody else's are removed.
func (g *Gateway) setForwarded(h http.Header, in *http.Request) {
	peer, _, err := net.SplitHostPort(in.RemoteAddr)
	if err != nil {
		peer = in.RemoteAddr
	}
	scheme := "http"
	if in.TLS != nil {
		scheme = "https"
	}
	host := in.Host
	var hops string
	if _, err := g.authenticator().Proxy(in); err == nil {
		hops = strings.Join(in.Header[forwardedPrefix+"For"], ", ")
		scheme = cmp.Or(in.Header.Get(forwardedPrefix+"Proto"), scheme)
		host = cmp.Or(in.Header.Get(forwardedPrefix+"Host"), host)
	} else {
		for name := range h {
			if strings.HasPrefix(name, forwardedPrefix) || strings.HasPrefix(name, "X-Original-") ||
				name == "X-Real-Ip" {
				delete(h, name)
			}
		}
	}
	h[forwardedPrefix+"For"] = []string{strings.TrimPrefix(hops+", "+peer, ", ")}
	h[forwardedPrefix+"Proto"] = []string{scheme}
	h[forwardedPrefix+"Host"] = []string{host}
}

// removeCredentials removes what carries a credential of this server: headers, and the session
// cookies among the cookies. A request that needs no credential keeps an Authorization header that
// is none of this server.
func (g *Gateway) removeCredentials(h http.Header, in *http.Request, x *exchange) {
	if !x.Public() {
		for _, name := range g.authenticator().CredentialHeaders(in.Header) {
			delete(h, name)
		}
		if f := x.decision.Facts; f != nil && f.KeyHeader() != "" {
			h.Del(f.KeyHeader())
		}
	} else if sent := g.authenticator().ReadCredential(in.Context(), in.Header); sent.Explicit() &&
		sent.Kind() != verify.MalformedCredential {
		for _, name := range g.authenticator().CredentialHeaders(in.Header) {
			delete(h, name)
		}
	}
	names := web.OwnCookieNames()
	if c := x.vendor.cookie(in); g.authenticator().IssuedCookie(in.Header, c) != "" {
		names = append(names, c.Name)
	}
	removeCookies(h, names)
}

// removeCookies removes the cookies with the names. Others stay as they were sent.
func removeCookies(h http.Header, names []string) {
	lines := h["Cookie"]
	if len(lines) == 0 {
		return
	}
	kept := make([]string, 0, len(lines))
	for _, line := range lines {
		var rest []string
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(pair, "=")
			if !slices.Contains(names, strings.Trim(name, " \t")) {
				rest = append(rest, strings.Trim(pair, " \t"))
			}
		}
		if text := strings.Join(rest, "; "); text != "" {
			kept = append(kept, text)
		}
	}
	if len(kept) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = kept
}

// removeIdentity removes every header that an API could take for an identity header, in any
// spelling: CGI and WSGI read "X_Claviger_Owner" as "X-Claviger-Owner".
func removeIdentity(h http.Header, set []string) {
	for name := range h {
		plain := strings.ReplaceAll(name, "_", "-")
		if hasPrefixFold(plain, "X-Claviger-") || slices.ContainsFunc(set, func(own string) bool {
			return strings.EqualFold(plain, strings.ReplaceAll(own, "_", "-"))
		}) {
			delete(h, name)
		}
	}
}

func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// modifyResponse removes what only Claviger may say, and watches a response that may take long.
func (g *Gateway) modifyResponse(r *http.Response) error {
	x := exchangeOf(r.Request.Context())
	for name := range r.Header {
		if hasPrefixFold(name, "X-Claviger-") {
			delete(r.Header, name)
		}
	}
	removeSetCookies(r.Header)
	if r.Header.Get("X-Request-Id") != "" {
		r.Header.Del("X-Request-Id") // the gateway has set one
	}
	if r.StatusCode == http.StatusSwitchingProtocols || r.ContentLength < 0 {
		x.watch.start()
	}
	return nil
}

// removeSetCookies removes what would set a session cookie of Claviger.
func removeSetCookies(h http.Header) {
	lines := h["Set-Cookie"]
	if len(lines) == 0 {
		return
	}
	h["Set-Cookie"] = slices.DeleteFunc(lines, func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(web.OwnCookieNames(), strings.Trim(name, " \t"))
	})
}

// isRepeated reports whether http.Transport would send a request without a body again, on another
// connection, if the API closes the first one.
func isRepeated(method string) bool { return isSafe(method) || method == http.MethodTrace }

// emptyBody is a body without bytes, which http.Transport does not know to be empty.
type emptyBody struct{}

// Read implements io.Reader.
func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements io.Closer.
func (emptyBody) Close() error { return nil }

// timedBody is the body of a client's request, each part of which must arrive in time.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration
	// ended is set when the body was read to its end.
	ended atomic.Bool
}

// abandonTime is how long the rest of a body may take that the API does not want.
const abandonTime = 50 * time.Millisecond

// abandon keeps the server from waiting for a body that was not read to its end.
func (b *timedBody) abandon() {
	if !b.ended.Load() {
		_ = b.control.SetReadDeadline(time.Now().Add(abandonTime))
	}
}

// bodyError is why the body of a client could not be read.
type bodyError struct{ error }

// Unwrap is for package errors.
func (e *bodyError) Unwrap() error { return e.error }

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(b.stall))
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	b.ended.Store(true)
	_ = b.control.SetReadDeadline(time.Time{}) // the server then waits for the client to leave
	if errors.Is(err, io.EOF) {
		return n, io.EOF
	}
	return n, &bodyError{err}
}

// timedWriter is a response, each part of which must be taken in time.
type timedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

// Write implements http.ResponseWriter.
func (w *timedWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall))
	return w.ResponseWriter.Write(p)
}

// WriteHeader implements http.ResponseWriter.
func (w *timedWriter) WriteHeader(status int) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall))
	w.ResponseWriter.WriteHeader(status)
}

// FlushError is for http.ResponseController.
func (w *timedWriter) FlushError() error {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall))
	return w.control.Flush()
}

// Unwrap is for http.ResponseController.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
