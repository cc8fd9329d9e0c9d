package gateway

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/forward"
	"github.com/claviger-dev/claviger/internal/web"
)

// rewrite makes the request to the API. httputil has removed the headers that are for one
// connection, also those that Connection names, before rewrite sets the identity headers.
func (g *Gateway) rewrite(p *httputil.ProxyRequest) {
	x := exchangeOf(p.In.Context())
	setURL(p.Out.URL, x.upstream, p.In)
	p.Out.Host = ""
	p.Out.Trailer = nil
	h := p.Out.Header
	removeAmbiguous(h)
	allowWebSocketAlone(h)
	g.setForwarded(h, p.In)
	g.removeCredentials(h, x)
	for name := range h {
		if strings.HasPrefix(name, identityPrefix) {
			delete(h, name)
		}
	}
	for _, name := range x.ruleHeaders { // also those of rules that do not match
		h.Del(name)
	}
	forward.SetIdentity(h, &x.decision, x.credential.Location().Transport, x.Rule)
	h["X-Request-Id"] = []string{x.from.RequestID}
	if p.Out.Body == nil && isRepeated(p.In.Method) {
		p.Out.Body = emptyBody{} // http.Transport sends no request twice that has a body
	}
}

// identityPrefix begins the names of the headers that only Claviger sets, in canonical form.
const identityPrefix = "X-Claviger-"

// setURL sets the URL of a request to the API: path and query string exactly as the client sent
// them, behind the path of the upstream.
func setURL(out, upstream *url.URL, in *http.Request) {
	raw, _, _ := strings.Cut(in.RequestURI, "?")
	out.Scheme, out.Host = upstream.Scheme, upstream.Host
	out.Opaque = upstream.EscapedPath() + raw
	out.RawQuery, out.ForceQuery = in.URL.RawQuery, in.URL.ForceQuery
}

// removeAmbiguous removes headers whose names have anything but letters, digits and hyphens. CGI
// and WSGI read "X_Claviger_Owner" as "X-Claviger-Owner", and others map more characters.
func removeAmbiguous(h http.Header) {
	for name := range h {
		if strings.ContainsFunc(name, notOfName) {
			delete(h, name)
		}
	}
}

func notOfName(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-'
}

// allowWebSocketAlone removes an upgrade to another protocol than WebSocket. By HTTP/2 in clear
// text (h2c), further requests would reach the API without a decision.
func allowWebSocketAlone(h http.Header) {
	delete(h, "Http2-Settings")
	if upgrade := h.Get("Upgrade"); upgrade != "" && !strings.EqualFold(upgrade, "websocket") {
		delete(h, "Upgrade")
		delete(h, "Connection")
	}
}

// forwardedPrefix begins the headers of a proxy about the client's request.
const forwardedPrefix = "X-Forwarded-"

// setForwarded sets X-Forwarded-For, -Proto and -Host. A trusted proxy in front has set them, and
// other headers; everybody else's are removed. Headers in which proxies tell an authority about the
// original request are never meant for the API.
func (g *Gateway) setForwarded(h http.Header, in *http.Request) {
	peer, _, err := net.SplitHostPort(in.RemoteAddr)
	if err != nil {
		peer = in.RemoteAddr
	}
	scheme, host := "http", in.Host
	if in.TLS != nil {
		scheme = "https"
	}
	_, err = g.authenticator().Proxy(in)
	trusted := err == nil
	for name := range h {
		switch {
		case strings.HasPrefix(name, "X-Original-"), strings.HasPrefix(name, "X-Rewrite-"),
			!trusted && (strings.HasPrefix(name, forwardedPrefix) || name == "X-Real-Ip"):
			delete(h, name)
		}
	}
	hops := ""
	if trusted {
		hops = strings.Join(in.Header[forwardedPrefix+"For"], ", ")
		scheme = cmp.Or(in.Header.Get(forwardedPrefix+"Proto"), scheme)
		host = cmp.Or(in.Header.Get(forwardedPrefix+"Host"), host)
	}
	h[forwardedPrefix+"For"] = []string{strings.TrimPrefix(hops+", "+peer, ", ")}
	h[forwardedPrefix+"Proto"] = []string{scheme}
	h[forwardedPrefix+"Host"] = []string{host}
}

// removeCredentials removes what carries a credential of this server: Authorization, the key header
// of the tenant, another tenant's key header with the form of a key, and session cookies. A request
// that needs no credential keeps an Authorization header that is none of this server.
func (g *Gateway) removeCredentials(h http.Header, x *exchange) {
	a := g.authenticator()
	for _, name := range a.CredentialHeaders(h) {
		if name == web.AuthorizationHeader && !x.Public() || slices.ContainsFunc(h[name], web.HoldsCredential) {
			delete(h, name)
		}
	}
	if f := x.decision.Facts; f != nil && f.KeyHeader() != "" {
		h.Del(f.KeyHeader())
	}
	a.RemoveSessionCookies(h)
}

// modifyResponse removes what only Claviger may say.
func modifyResponse(r *http.Response) error {
	for name := range r.Header {
		if strings.HasPrefix(name, identityPrefix) || strings.ContainsFunc(name, notOfName) {
			delete(r.Header, name)
		}
	}
	delete(r.Header, "X-Request-Id") // the gateway has set one
	removeSetCookies(r.Header)
	return nil
}

// removeSetCookies removes what would set a session cookie of Claviger.
func removeSetCookies(h http.Header) {
	lines := h["Set-Cookie"]
	if len(lines) == 0 {
		return
	}
	h["Set-Cookie"] = slices.DeleteFunc(lines, func(line string) bool {
		// A browser sends a cookie without a name as its value: "=claviger=x".
		name, _, _ := strings.Cut(strings.TrimLeft(line, "= \t"), "=")
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
