package dataplane

import (
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/forward"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/web"
)

// checkRequest is what a proxy asks about: the request that a client sent to a protected API.
type checkRequest struct {
	kind proxy.Kind
	// method and uri are those of the client's request. uri is raw: path and query string.
	method, uri string
	// entry is the name of the entry; "" if host chooses it.
	entry, host string
}

// defaultEntry is the entry of a check request that names none.
const defaultEntry = "default"

// A requestHeader is a header with a part of the original request.
type requestHeader struct {
	name string
	// absolute is set for a header with an absolute URL, of which only path and query are read.
	absolute bool
}

// requestHeaders are the headers in which a kind of proxy sends the original method and URI.
type requestHeaders struct{ method, uri []requestHeader }

// The headers of the kinds. A header that its kind does not have may come from the client and is
// not read. A proxy of an unknown kind may send any of them.
var (
	originalHeaders = requestHeaders{
		[]requestHeader{{name: "X-Original-Method"}}, []requestHeader{{name: "X-Original-Uri"}},
	}
	ingressHeaders = requestHeaders{
		[]requestHeader{{name: "X-Original-Method"}}, []requestHeader{{"X-Original-Url", true}},
	}
	forwardedHeaders = requestHeaders{
		[]requestHeader{{name: "X-Forwarded-Method"}}, []requestHeader{{name: "X-Forwarded-Uri"}},
	}
	anyHeaders = requestHeaders{
		[]requestHeader{{name: "X-Original-Method"}, {name: "X-Forwarded-Method"}},
		[]requestHeader{{name: "X-Original-Uri"}, {name: "X-Forwarded-Uri"}, {"X-Original-Url", true}},
	}
)

// headersOf returns the headers of a kind that does not send the path itself.
func headersOf(kind proxy.Kind) requestHeaders {
	switch kind {
	case proxy.Nginx, proxy.HAProxy:
		return originalHeaders
	case proxy.IngressNginx:
		return ingressHeaders
	case proxy.Caddy, proxy.Traefik, proxy.APISIX:
		return forwardedHeaders
	default:
		return anyHeaders
	}
}

// readCheckRequest reads what the proxy asks about. path is that of the route.
func readCheckRequest(r *http.Request, kind proxy.Kind, path string) (checkRequest, error) {
	rest, _ := web.BelowRoute(r, path)
	c := checkRequest{kind: kind}
	if kind.SendsPath() {
		c.method, c.uri = r.Method, rest
		c.host = forward.HostName(r.Host)
		return c, nil
	}
	rest, _, _ = strings.Cut(rest, "?") // Caddy appends the query string of the client
	c.entry = strings.TrimPrefix(rest, "/")
	if rest == "" {
		c.entry = defaultEntry
	}
	var err error
	headers := headersOf(kind)
	c.method, err = readRequestHeader(r.Header, headers.method)
	if err != nil {
		return c, err
	}
	c.uri, err = readRequestHeader(r.Header, headers.uri)
	return c, err
}

// readRequestHeader returns the value of the headers. At least one must be there, each of them at
// most once, and all with the same value.
func readRequestHeader(h http.Header, headers []requestHeader) (value string, err error) {
	found := false
	for _, header := range headers {
		values := h[header.name]
		if len(values) == 0 {
			continue
		}
		if len(values) > 1 {
			return "", ambiguousPath("The check request has " + header.name + " more than once.")
		}
		read := values[0]
		if header.absolute {
			read, err = pathOf(read)
			if err != nil {
				return "", err
			}
		}
		if found && read != value {
			return "", ambiguousPath("The headers of the check request disagree about the original request. " +
				"Name the kind of the proxy in `server.trusted_proxies`.")
		}
		value, found = read, true
	}
	if value == "" {
		return "", ambiguousPath("The check request has no " + names(headers) + ". Configure the proxy to set it.")
	}
	return value, nil
}

func names(headers []requestHeader) string {
	list := make([]string, len(headers))
	for i, header := range headers {
		list[i] = header.name
	}
	return strings.Join(list, " or ")
}

// pathOf returns path and query string of an absolute URL, raw. The host is the client's, so it
// must not contain anything that begins a path or a query string in the eyes of another program.
func pathOf(absolute string) (string, error) {
	_, rest, found := strings.Cut(absolute, "://")
	slash := strings.IndexByte(rest, '/')
	if !found || slash < 0 || strings.ContainsFunc(rest[:slash], notOfHost) {
		return "", ambiguousPath("X-Original-Url must be an absolute URL, with a host and a path.")
	}
	return rest[slash:], nil
}

// notOfHost reports whether a character cannot be in a host with a port.
func notOfHost(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_:[]", c)
}

func ambiguousPath(message string) error { return fault.New(fault.PathAmbiguous, message) }
