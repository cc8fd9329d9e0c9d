package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// client gives the address that a request comes from: the peer's, or, where that is a proxy of ours, the last of the addresses it forwards that is none
// of them. What stands before it anybody may have written.
func (d *Door) client(r *http.Request) string {
	peer := host(r.RemoteAddr)
	if len(d.Proxies) == 0 {
		return peer
	}
	address, ok := parseHop(peer)
	if !ok {
		return peer
	}
	hops := r.Header["X-Forwarded-For"]
	for i := len(hops) - 1; i >= 0 && d.trusts(address); i-- {
		address, ok = d.follow(address, hops[i])
		if !ok {
			break
		}
	}
	return address.String()
}

// follow goes through one header from its end for as long as proxies of ours speak. It reports false where something else than an address stands: then
// the last address before it is all that is known.
func (d *Door) follow(address netip.Addr, hops string) (netip.Addr, bool) {
	for d.trusts(address) && hops != "" {
		at := strings.LastIndexByte(hops, ',')
		hop, ok := parseHop(strings.TrimSpace(hops[at+1:]))
		if !ok {
			return address, false
		}
		address, hops = hop, hops[:max(at, 0)]
	}
	return address, true
}

func (d *Door) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(d.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// host takes the port off an address that has one.
func host(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// parseHop reads an address with or without a port, in brackets or not. One of IPv4 is the same however it is written.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSuffix(strings.TrimPrefix(host(text), "["), "]")
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}
