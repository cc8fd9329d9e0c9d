package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// clientAddress returns the IP address that a request comes from. It is the peer's address, unless
// the peer is a trusted proxy: then it is the last address in X-Forwarded-For that is no trusted
// proxy. Anybody may have written the addresses before it.
func (a *Authenticator) clientAddress(r *http.Request) string {
	peer := withoutPort(r.RemoteAddr)
	if len(a.Proxies) == 0 {
		return peer
	}
	address, ok := parseHop(peer)
	if !ok {
		return peer
	}
	headers := r.Header["X-Forwarded-For"]
	for i := len(headers) - 1; i >= 0 && a.isProxy(address); i-- {
		address, ok = a.lastHop(address, headers[i])
		if !ok {
			break
		}
	}
	return address.String()
}

// lastHop reads one X-Forwarded-For header from its end, as long as trusted proxies wrote it, and
// returns the address that it comes to. It reports false at an element that is no address: then
// nothing is known but the address behind it.
func (a *Authenticator) lastHop(address netip.Addr, hops string) (netip.Addr, bool) {
	for a.isProxy(address) && hops != "" {
		at := strings.LastIndexByte(hops, ',')
		element := TrimField(hops[at+1:])
		hops = hops[:max(at, 0)]
		if element == "" { // which a list may have (RFC 9110 section 5.6.1.2)
			continue
		}
		hop, ok := parseHop(element)
		if !ok {
			return address, false
		}
		address = hop
	}
	return address, true
}

// isProxy reports whether the address is a trusted proxy's.
func (a *Authenticator) isProxy(address netip.Addr) bool {
	return a.Proxies.Has(address)
}

// withoutPort returns the host of an address that may have a port.
func withoutPort(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// parseHop reads an address with or without a port, and with or without brackets. An IPv4 address
// in IPv6 notation is the same address, and a zone is dropped.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSuffix(strings.TrimPrefix(withoutPort(text), "["), "]")
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}
