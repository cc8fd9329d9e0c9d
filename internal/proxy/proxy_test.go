package proxy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/proxy"
)

func TestTheSmallestNetworkSaysWhichKindAProxyIs(t *testing.T) {
	t.Parallel()
	networks, err := proxy.Parse("10.0.0.0/8=nginx, 10.1.0.0/16=envoy,10.1.2.3,2001:db8::/32=caddy")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]proxy.Kind{
		"10.9.9.9": proxy.Nginx, "10.1.9.9": proxy.Envoy, "10.1.2.3": "", "2001:db8::1": proxy.Caddy,
	} {
		found, ok := networks.Find(netip.MustParseAddr(address))
		if !ok || found.Kind != want || !networks.Has(netip.MustParseAddr(address)) {
			t.Errorf("%s is %q (%v), want %q", address, found.Kind, ok, want)
		}
	}
	if _, ok := networks.Find(netip.MustParseAddr("192.0.2.1")); ok {
		t.Error("an address of no network was found")
	}
}

func TestNetworksThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                   "give networks",
		"example.com":                        "give networks",
		"10.0.0.0/8,":                        "give networks",
		"::ffff:10.0.0.0/104":                "give networks",
		"fe80::1%eth0":                       "give networks",
		"10.0.0.0/8=":                        "nginx, ingress-nginx",
		"10.0.0.0/8=Nginx":                   "nginx, ingress-nginx",
		"10.0.0.0/8=apache":                  "nginx, ingress-nginx",
		"10.0.0.0/8=nginx,10.1.1.1/8":        "two kinds",
		"10.0.0.0/8=nginx,10.1.1.1/8=apisix": "two kinds",
	} {
		if got, err := proxy.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}
