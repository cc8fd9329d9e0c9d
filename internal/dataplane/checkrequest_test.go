package dataplane_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/route"
)

// Each kind of proxy sends the original request in its own way, and a client can add the headers of
// the others. The rule for /public needs no credential, everything else does, so that a request for
// /private that passes without a key was taken for another one.
func TestOnlyTheHeadersOfTheKindOfProxyAreRead(t *testing.T) {
	t.Parallel()
	const authz = "/api/v1/authz"
	host := http.Header{"Host": {"api.example.com"}}
	for kind, cases := range map[proxy.Kind]map[string]struct {
		path   string
		header http.Header
		want   string
	}{
		proxy.Nginx: {
			"its headers": {authz, original("/public?a=1"), "ok"},
			"a forged header": {
				authz, forged("X-Original", "X-Forwarded-Uri", "X-Original-Url"), "api_key_invalid",
			},
			"no method":            {authz, http.Header{"X-Original-Uri": {"/public"}}, "path_ambiguous"},
			"no URI":               {authz, http.Header{"X-Original-Method": {"GET"}}, "path_ambiguous"},
			"an empty URI":         {authz, original(""), "path_ambiguous"},
			"two URIs":             {authz, original("/public", "/public"), "path_ambiguous"},
			"two methods":          {authz, merge(original("/public"), methods("GET", "GET")), "path_ambiguous"},
			"an absolute URI":      {authz, original("http://a/public"), "path_ambiguous"},
			"the query counts not": {authz + "?uri=/public", original("/private"), "api_key_invalid"},
		},
		proxy.HAProxy: {
			"its headers":     {authz, original("/public"), "ok"},
			"a forged header": {authz, forged("X-Original", "X-Forwarded-Uri", "X-Original-Url"), "api_key_invalid"},
		},
		proxy.IngressNginx: {
			"its headers": {authz, ingress("https://api.example.com:8443/public?a=http://b/private"), "ok"},
			"a forged header": {
				authz,
				merge(ingress("https://h/private"),
					forged("", "X-Original-Uri", "X-Forwarded-Uri")), "api_key_invalid",
			},
			"no scheme":         {authz, ingress("/public"), "path_ambiguous"},
			"no path":           {authz, ingress("https://api.example.com"), "path_ambiguous"},
			"a query in a host": {authz, ingress("https://h?/public"), "path_ambiguous"},
			"a user in a host":  {authz, ingress("https://u@h/public"), "path_ambiguous"},
		},
		proxy.Caddy: {
			"its headers": {authz + "?a=1", forwarded("/public?a=1"), "ok"},
			"a forged header": {
				authz, forged("X-Forwarded", "X-Original-Uri", "X-Original-Url"), "api_key_invalid",
			},
			"X-Original-Uri alone": {authz, original("/public"), "path_ambiguous"},
			"headers that none sends": {
				authz,
				merge(forwarded("/private"),
					http.Header{"X-Rewrite-Url": {"/public"}, "Forwarded": {"path=/public"}}), "api_key_invalid",
			},
		},
		proxy.Traefik: {
			"its headers":     {authz, forwarded("/public"), "ok"},
			"a forged header": {authz, forged("X-Forwarded", "X-Original-Uri", "X-Original-Url"), "api_key_invalid"},
		},
		proxy.APISIX: {
			"its headers":     {authz, forwarded("/public"), "ok"},
			"a forged header": {authz, forged("X-Forwarded", "X-Original-Uri", "X-Original-Url"), "api_key_invalid"},
		},
		proxy.Envoy: {
			"its path": {authz + "/public?a=1", http.Header{"Host": {"Api.Example.com:443"}}, "ok"},
			"a forged header": {
				authz + "/private", merge(host, forged("", "X-Original-Uri", "X-Forwarded-Uri")), "api_key_invalid",
			},
			"another host":      {authz + "/public", http.Header{"Host": {"other.example.com"}}, "route_unknown"},
			"dots":              {authz + "/public/../private", host, "path_ambiguous"},
			"an encoded slash":  {authz + "/public/..%2fprivate", host, "path_ambiguous"},
			"an empty segment":  {authz + "//public", host, "path_ambiguous"},
			"no path":           {authz, host, "path_ambiguous"},
			"an escaped letter": {authz + "/%70ublic", host, "ok"},
		},
		proxy.Istio: {
			"its path": {authz + "/public", host, "ok"},
		},
		"": {
			"headers of nginx":         {authz, original("/public"), "ok"},
			"headers of Caddy":         {authz, forwarded("/public"), "ok"},
			"headers of ingress-nginx": {authz, ingress("https://h/public"), "ok"},
			"headers that agree":       {authz, merge(forwarded("/public"), ingress("https://h/public")), "ok"},
			"headers that disagree":    {authz, forged("X-Original", "X-Forwarded-Uri"), "path_ambiguous"},
			"methods that disagree":    {authz, merge(forwarded("/public"), methods("PUT")), "path_ambiguous"},
			"a header that is repeated": {
				authz, merge(methods("GET"), http.Header{"X-Forwarded-Uri": {"/public", "/public"}}), "path_ambiguous",
			},
			"nothing":               {authz, http.Header{}, "path_ambiguous"},
			"the entry":             {authz + "/other", forwarded("/public"), "route_unknown"},
			"no entry":              {authz + "/none", forwarded("/public"), "route_unknown"},
			"an entry with a slash": {authz + "/default/", forwarded("/public"), "route_unknown"},
			"an encoded entry":      {authz + "/%64efault", forwarded("/public"), "route_unknown"},
		},
	} {
		t.Run("kind "+string(kind), func(t *testing.T) {
			t.Parallel()
			g := newGate(t, kind)
			g.entry(route.Entry{
				Name: "default", Tenant: g.tenant.ID, Otherwise: route.AnyKey, Hosts: []string{"api.example.com"},
			}, route.Rule{Path: pattern(t, "/public"), Public: true})
			g.entry(route.Entry{Name: "other", Tenant: g.tenant.ID, Otherwise: route.Refuse})
			for name, c := range cases {
				expect(t, name, g.send(http.MethodGet, c.path, c.header), c.want)
			}
		})
	}
}

// forged returns the headers of a proxy that asks about /private, with the family of its names, and
// headers of the client that name /public.
func forged(family string, names ...string) http.Header {
	h := http.Header{}
	if family != "" {
		h[family+"-Method"], h[family+"-Uri"] = []string{"GET"}, []string{"/private"}
	}
	for _, name := range names {
		h[name] = []string{"/public"}
		if name == "X-Original-Url" {
			h[name] = []string{"https://h/public"}
		}
	}
	return h
}

func original(uri ...string) http.Header {
	return http.Header{"X-Original-Method": {"GET"}, "X-Original-Uri": uri}
}

func methods(all ...string) http.Header { return http.Header{"X-Original-Method": all} }

func forwarded(uri string) http.Header {
	return http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {uri}}
}

func ingress(address string) http.Header {
	return http.Header{"X-Original-Method": {"GET"}, "X-Original-Url": {address}}
}

func merge(headers ...http.Header) http.Header {
	all := http.Header{}
	for _, h := range headers {
		for name, values := range h {
			all[name] = values
		}
	}
	return all
}

func TestOnlyTrustedProxiesMayAsk(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	header := nginx(http.MethodGet, "/", bearer(g.key("applications:read")))
	expect(t, "a trusted proxy", g.send(http.MethodGet, "/api/v1/authz", header), "ok")
	g.auth.Proxies = nil
	got := g.send(http.MethodGet, "/api/v1/authz", header)
	expect(t, "another peer", got, "forbidden")
	if !strings.Contains(got.Body, "127.0.0.1") || !strings.Contains(got.Body, "`server.trusted_proxies`") {
		t.Errorf("the refusal does not say what to do: %s", got.Body)
	}
	expect(t, "another peer, again", g.send(http.MethodGet, "/api/v1/authz-refusal", header), "forbidden")
}

func TestAPathThatProgramsReadDifferentlyIsRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	key := bearer(g.key("applications:read"))
	for uri, want := range map[string]string{
		"/":                        "ok",
		"/a/":                      "ok",
		"/a;b=c/d":                 "ok",
		"/%C3%A9":                  "ok",
		"/a?b=//../%2f":            "ok",
		"/a//b":                    "path_ambiguous",
		"/a/./b":                   "path_ambiguous",
		"/a/../b":                  "path_ambiguous",
		"/a/..":                    "path_ambiguous",
		"/a/%2e%2e/b":              "path_ambiguous",
		"/a/%2E/b":                 "path_ambiguous",
		"/public/..%2fapp//x/./y":  "path_ambiguous",
		"/a%2Fb":                   "path_ambiguous",
		"/a%5cb":                   "path_ambiguous",
		`/a\b`:                     "path_ambiguous",
		"/a%00":                    "path_ambiguous",
		"/a%0d%0a":                 "path_ambiguous",
		"/a#b":                     "path_ambiguous",
		"/a%":                      "path_ambiguous",
		"/a%zz":                    "path_ambiguous",
		"/%ff":                     "path_ambiguous",
		"*":                        "path_ambiguous",
		"a/b":                      "path_ambiguous",
		"https://api.example.com/": "path_ambiguous",
	} {
		expect(t, uri, g.ask(http.MethodGet, uri, key), want)
	}
}

// Paths beside those of forward-auth are checked as before.
func TestOtherPathsKeepTheirCanonicalForm(t *testing.T) {
	t.Parallel()
	g := newGate(t, proxy.Nginx)
	for _, path := range []string{
		"/api/v1/authzx", "/api/v1//authz", "/api/v1/./authz", "/api/v1/%61uthz", "/api/v1/authz-refusals",
		"/api/v1/whoami/", "/api/v1/authz/../whoami/",
	} {
		got := g.send(http.MethodGet, path, nginx(http.MethodGet, "/", bearer(g.key("applications:read"))))
		decided := got.Header.Get("X-Claviger-Code") != ""
		if got.Status == http.StatusOK || strings.HasPrefix(path, "/api/v1/authz/") != decided {
			t.Errorf("%s answers %d %s", path, got.Status, got.Body)
		}
	}
}
