package web

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Proxy returns the network of the trusted proxy that sent a request. It returns fault.Forbidden if
// the peer is no trusted proxy. The message has the address of the peer, which is what an operator
// needs to add.
func (a *Authenticator) Proxy(r *http.Request) (proxy.Network, error) {
	address, ok := parseHop(withoutPort(r.RemoteAddr))
	if ok {
		if found, trusted := a.Proxies.Find(address); trusted {
			return found, nil
		}
	}
	return proxy.Network{}, fault.New(fault.Forbidden, "Only trusted proxies may send check requests, and "+
		addressText(address)+" is none. Add it with its kind to `server.trusted_proxies`.")
}

func addressText(address netip.Addr) string {
	if !address.IsValid() {
		return "this peer"
	}
	return address.String()
}

// ForwardedOrigin returns where the request comes from that a trusted proxy asks about. Its address
// is "" if the proxy does not send one: the address of the proxy is not that of the client.
func (a *Authenticator) ForwardedOrigin(response http.Header, r *http.Request) principal.Origin {
	from := principal.Origin{RequestID: requestID(response), UserAgent: r.UserAgent()}
	if len(r.Header["X-Forwarded-For"]) > 0 {
		from.IP = a.clientAddress(r)
	}
	return from
}

// ReadForwardedCredential is ReadCredential for headers that a proxy passes on. Some proxies join
// repeated headers with a comma, so a header that carries a credential and a comma is ambiguous.
func (a *Authenticator) ReadForwardedCredential(ctx context.Context, h http.Header) verify.Presentation {
	if len(h[AuthorizationHeader]) == 1 && strings.Contains(h[AuthorizationHeader][0], ",") {
		return verify.PresentAmbiguous(AuthorizationHeader)
	}
	for name := range a.KeyHeaders.known() {
		for _, value := range h[name] {
			if strings.Contains(value, ",") && hasKey(value) {
				return verify.PresentAmbiguous(name)
			}
		}
	}
	return a.ReadCredential(ctx, h)
}

// HoldsCredential reports whether the value of a header holds a credential in the form of this
// server: a key or an opaque access token among its parts, which spaces or commas separate, or a
// key by HTTP Basic.
func HoldsCredential(value string) bool {
	if authorization(value).Kind() == verify.APIKey {
		return true
	}
	return slices.ContainsFunc(strings.Fields(value), func(part string) bool {
		return credential.HasAccessTokenForm(part) || hasKey(part)
	})
}

// hasKey reports whether a part of a list has the form of a key.
func hasKey(list string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if _, ok := credential.Parse(TrimField(part)); ok {
			return true
		}
	}
	return false
}

// CredentialHeaders returns the names of the headers of a request that can carry a credential, in
// canonical form, and Authorization.
func (a *Authenticator) CredentialHeaders(h http.Header) []string {
	names := []string{AuthorizationHeader}
	for name := range h {
		if name != AuthorizationHeader && a.KeyHeaders.has(name) {
			names = append(names, name)
		}
	}
	return names
}

// CheckForwardedSite refuses a request with a session cookie that changes something or opens a
// WebSocket, if another site made a browser send it. method is that of the original request. If the
// proxy does not send all headers, a request without Sec-Fetch-Site and Origin is refused too: the
// browser may have sent them.
func (a *Authenticator) CheckForwardedSite(r *http.Request, method string, allHeaders bool) error {
	if isHandshake(r.Header) {
		method = http.MethodPost
	}
	if !allHeaders && !isSafe(method) && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return fault.New(fault.CrossSite, "The check request has neither Sec-Fetch-Site nor Origin. "+
			"Configure the proxy to send both.")
	}
	return a.checkSameSite(&http.Request{Method: method, Header: r.Header, Host: r.Host, URL: r.URL})
}

// isHandshake reports whether a request opens a WebSocket, which can do everything afterwards.
// Browsers let every site open one, with the cookies of the person.
func isHandshake(h http.Header) bool {
	return h.Get("Upgrade") != "" || h.Get("Sec-Websocket-Key") != "" || h.Get("Sec-Fetch-Mode") == "websocket"
}

// isSafe reports whether a method changes nothing (RFC 9110 section 9.2.1), as
// http.CrossOriginProtection has it.
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// IgnoreBody lets a handler respond without the body of the request, which some proxies announce
// and never send. The connection ends with the response, and 100 Continue is not sent. If the body
// was sent, the server reads it for a moment after the response, so that the response is not lost.
func IgnoreBody(w http.ResponseWriter, r *http.Request) {
	if !hasBody(r) || r.ProtoMajor != 1 { // HTTP/2 ends only the stream
		return
	}
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(discardTime)) // else the server's counts
}

// SetRequestID sets the request id of the response, if it has none.
func SetRequestID(response http.Header) { requestID(response) }
