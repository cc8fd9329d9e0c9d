// Package proxy names the reverse proxies that Claviger trusts: their networks, and what kind of
// proxy each one is.
//
// The kind decides which headers of a check request are read (ADR 46). A header that the proxy does
// not set itself may come from the client, so a header of another kind is never read.
package proxy

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// Kind is a kind of reverse proxy. The zero value is a proxy of an unknown kind.
type Kind string

// The kinds.
const (
	Nginx        Kind = "nginx"
	IngressNginx Kind = "ingress-nginx"
	Caddy        Kind = "caddy"
	Traefik      Kind = "traefik"
	HAProxy      Kind = "haproxy"
	APISIX       Kind = "apisix"
	// Envoy is also the kind of implementations of the Gateway API that are based on Envoy.
	Envoy Kind = "envoy"
	Istio Kind = "istio"
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{Nginx, IngressNginx, Caddy, Traefik, HAProxy, APISIX, Envoy, Istio}
}

// SendsPath reports whether the proxy sends the original request's method and path as those of the
// check request, behind a prefix.
func (k Kind) SendsPath() bool { return k == Envoy || k == Istio }

// SendsAllHeaders reports whether the proxy sends all headers of the client in the check request,
// unless it is configured otherwise. The other kinds send a list of headers, so that a missing
// header tells nothing about the client.
func (k Kind) SendsAllHeaders() bool {
	return k == Nginx || k == IngressNginx || k == Caddy || k == Traefik || k == HAProxy
}

// Network is a network of proxies of one kind.
type Network struct {
	Prefix netip.Prefix
	Kind   Kind
}

// String returns the network as Parse reads it.
func (n Network) String() string {
	if n.Kind == "" {
		return n.Prefix.String()
	}
	return n.Prefix.String() + "=" + string(n.Kind)
}

// Networks are the networks of all trusted proxies.
type Networks []Network

// Find returns the smallest network that has the address.
func (n Networks) Find(address netip.Addr) (found Network, ok bool) {
	for _, network := range n {
		if network.Prefix.Contains(address) && (!ok || network.Prefix.Bits() > found.Prefix.Bits()) {
			found, ok = network, true
		}
	}
	return found, ok
}

// Has reports whether a network has the address.
func (n Networks) Has(address netip.Addr) bool {
	return slices.ContainsFunc(n, func(network Network) bool { return network.Prefix.Contains(address) })
}

// Errors of Parse. They do not contain the text.
var (
	errNetwork = errors.New(
		"give networks and addresses, such as 10.0.0.0/8=nginx,192.0.2.1=caddy,2001:db8::/32")
	errKind = errors.New("give one of these kinds of proxy behind =: " + kindList())
	errTwo  = errors.New("give each network once: one of them has two kinds")
)

func kindList() string {
	names := make([]string, len(Kinds()))
	for i, kind := range Kinds() {
		names[i] = string(kind)
	}
	return strings.Join(names, ", ")
}

// Parse reads networks that are separated by commas: `10.0.0.0/8=nginx`. The kind may be missing.
// An address is a network with one address.
func Parse(text string) (Networks, error) {
	var all Networks
	for item := range strings.SplitSeq(text, ",") {
		written, kind, named := strings.Cut(strings.TrimSpace(item), "=")
		prefix, err := parsePrefix(written)
		if err != nil {
			return nil, errNetwork
		}
		network := Network{prefix, Kind(kind)}
		if named && !slices.Contains(Kinds(), network.Kind) {
			return nil, errKind
		}
		for _, other := range all {
			if other.Prefix == prefix && other.Kind != network.Kind {
				return nil, errTwo
			}
		}
		all = append(all, network)
	}
	return all, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, errNetwork
		}
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil || network.Addr().Is4In6() {
		return netip.Prefix{}, errNetwork
	}
	return network.Masked(), nil
}
