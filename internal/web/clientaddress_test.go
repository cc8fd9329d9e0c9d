package web_test

import (
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/web"
)

// proxied returns an authenticator behind proxies of two networks.
func proxied() *web.Authenticator {
	a := authenticator()
	a.Proxies = proxy.Networks{
		{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, {Prefix: netip.MustParsePrefix("2001:db8:1::/48")},
	}
	return a
}

func TestTheClientIsTheLastAddressThatIsNoProxyOfOurs(t *testing.T) {
	cases := []struct {
		name      string
		peer      string
		forwarded []string // X-Forwarded-For
		want      string
	}{
		{"a peer that is no proxy", "192.0.2.9:1234", nil, "192.0.2.9"},
		{"a peer that is no proxy and says it is another", "192.0.2.9:1234", []string{"198.51.100.1"}, "192.0.2.9"},
		{"a peer that is no proxy and names one", "192.0.2.9:1234", []string{"10.0.0.1"}, "192.0.2.9"},
		{"a proxy for itself", "10.0.0.1:1234", nil, "10.0.0.1"},
		{"a proxy for a client", "10.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{
			"a proxy for a client that says it is another", "10.0.0.1:1234",
			[]string{"203.0.113.1, 198.51.100.1"},
			"198.51.100.1",
		},
		{"a client that says it is a proxy", "10.0.0.1:1234", []string{"10.0.0.7, 198.51.100.1"}, "198.51.100.1"},
		{"a proxy behind a proxy", "10.0.0.1:1234", []string{"203.0.113.1, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{
			"one header for each hop", "10.0.0.1:1234",
			[]string{"203.0.113.1", "198.51.100.1", "10.0.0.2"},
			"198.51.100.1",
		},
		{"a client among the proxies", "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"hops without spaces", "10.0.0.1:1234", []string{"198.51.100.1,10.0.0.2"}, "198.51.100.1"},
		{"a client with its port", "10.0.0.1:1234", []string{"198.51.100.1:5678"}, "198.51.100.1"},
		{"a client of IPv6", "10.0.0.1:1234", []string{"2001:DB8::1"}, "2001:db8::1"},
		{"a client of IPv6 with its port", "10.0.0.1:1234", []string{"[2001:db8::1]:5678"}, "2001:db8::1"},
		{"a client of IPv6 in brackets", "10.0.0.1:1234", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"a client of IPv6 in a zone", "10.0.0.1:1234", []string{"fe80::1%eth0"}, "fe80::1"},
		{"a proxy of IPv6", "[2001:db8:1::5]:1234", []string{"198.51.100.1, 2001:db8:1::6"}, "198.51.100.1"},
		{"a proxy of IPv4 at a socket of IPv6", "[::ffff:10.0.0.1]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a client of IPv4 written as IPv6", "10.0.0.1:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"garbage", "10.0.0.1:1234", []string{"unknown"}, "10.0.0.1"},
		{"garbage before a client", "10.0.0.1:1234", []string{"<script>, 198.51.100.1"}, "198.51.100.1"},
		{"garbage before a proxy", "10.0.0.1:1234", []string{"198.51.100.1, _hidden, 10.0.0.2"}, "10.0.0.2"},
		{"garbage in a header before", "10.0.0.1:1234", []string{"198.51.100.1", "unknown", "10.0.0.2"}, "10.0.0.2"},
		{"an empty header", "10.0.0.1:1234", []string{""}, "10.0.0.1"},
		{"an empty hop", "10.0.0.1:1234", []string{"198.51.100.1, "}, "198.51.100.1"},
		{
			"empty hops all over", "10.0.0.1:1234",
			[]string{", ,203.0.113.1,,\t198.51.100.1 , ,10.0.0.2,,", ",", ""},
			"198.51.100.1",
		},
		{"nothing but empty hops", "10.0.0.1:1234", []string{" ,\t, "}, "10.0.0.1"},
		{"garbage behind an empty hop", "10.0.0.1:1234", []string{"198.51.100.1, unknown,, 10.0.0.2,"}, "10.0.0.2"},
		{"a name", "10.0.0.1:1234", []string{"localhost"}, "10.0.0.1"},
		{"a network", "10.0.0.1:1234", []string{"198.51.100.0/24"}, "10.0.0.1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &http.Request{
				RemoteAddr: c.peer,
				Header: http.Header{
					"X-Forwarded-For": c.forwarded, "Forwarded": {"for=203.0.113.7"},
					"X-Real-Ip": {"203.0.113.8"},
				},
			}
			if got := proxied().Origin(http.Header{}, r).IP; got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			alone, _, _ := net.SplitHostPort(c.peer)
			if got := authenticator().Origin(http.Header{}, r).IP; got != alone {
				t.Errorf("without proxies it is %s, want the peer", got)
			}
		})
	}
}

func TestWithoutProxiesTheClientCostsNothing(t *testing.T) {
	a := authenticator()
	r := &http.Request{RemoteAddr: "192.0.2.9:1234", Header: http.Header{"X-Forwarded-For": {"198.51.100.1"}}}
	response := http.Header{}
	if n := testing.AllocsPerRun(100, func() { a.Origin(response, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{
		"198.51.100.1", "[::1]:80, 10.0.0.1", ",,", "]", "[", "%", "::ffff:1.2.3.4%x",
		"10.0.0.1:",
	} {
		f.Add(seed)
	}
	a := proxied()
	f.Fuzz(func(t *testing.T, forwarded string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:1234", Header: http.Header{"X-Forwarded-For": {forwarded}}}
		if ip := a.Origin(http.Header{}, r).IP; netip.MustParseAddr(ip).String() != ip {
			t.Errorf("%q: %q", forwarded, ip)
		}
	})
}
