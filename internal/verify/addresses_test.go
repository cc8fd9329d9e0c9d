package verify_test

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/web"
)

// addressed is a server behind a proxy, with a tenant of unlimited keys and its admin.
type addressed struct {
	*testkit.Server
	t        *testing.T
	tenant   tenancy.Tenant
	admin    *client.Client
	verifier *client.Client
}

func newAddressed(t *testing.T) *addressed {
	t.Helper()
	c := testkit.SQLite.Config(t)
	c.Server.TrustedProxies = config.Proxies{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}
	h := testkit.StartIn(t, c)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	return &addressed{
		Server: h, t: t, tenant: tenant, verifier: h.Verifier(),
		admin: h.As(h.Member(tenant, "Key Owner", scope.Admin)),
	}
}

// key makes a key that may be used from the networks.
func (a *addressed) key(cidrs ...string) api.IssuedKey {
	a.t.Helper()
	return testkit.Must[api.IssuedKey](a.t)(a.admin.CreateKey(a.t.Context(), string(a.tenant.ID), api.CreateKeyRequest{
		Name: "Test key", Scopes: []string{"applications:read", "keys:verify"}, AllApplications: true,
		AllowedCIDRs: cidrs,
	}))
}

// edit replaces the list of a key.
func (a *addressed) edit(k api.IssuedKey, to api.Optional[[]string]) {
	a.t.Helper()
	testkit.Must[api.Key](a.t)(a.admin.EditKey(a.t.Context(), string(a.tenant.ID), k.Key.ID,
		api.UpdateKeyRequest{AllowedCIDRs: to}))
}

// from is a client at an address; "" is the proxy itself.
func (a *addressed) from(address string) *client.Client {
	c := a.Anyone()
	if address != "" {
		c = c.WithHeader("X-Forwarded-For", address)
	}
	return c
}

// verified is what verify says of the request.
func (a *addressed) verified(q api.VerifyRequest) api.Decision {
	a.t.Helper()
	return testkit.Must[api.Decision](a.t)(a.verifier.Verify(a.t.Context(), q))
}

// codeOf is the code of a request to one of Claviger's own routes; ok for none.
func codeOf(t *testing.T, err error) api.Code {
	t.Helper()
	if err == nil {
		return api.OK
	}
	return testkit.Code(t, err)
}

// A key with a list gets one answer by every transport and at every entry point, and that depends
// on the address of its sender alone.
func TestAKeyWithAListWorksFromItsNetworksOnly(t *testing.T) {
	t.Parallel()
	a := newAddressed(t)
	k := a.key("2001:db8::/32", "192.0.2.0/24", "::ffff:198.51.100.7/128")
	m := k.Credential
	basic := base64.StdEncoding.EncodeToString([]byte(m.ID + ":" + m.Secret))
	for address, want := range map[string]api.Code{
		"192.0.2.0":               api.OK,
		"192.0.2.255":             api.OK,
		"::ffff:192.0.2.9":        api.OK,
		"198.51.100.7":            api.OK,
		"2001:db8:ffff::1":        api.OK,
		"192.0.3.0":               api.AddressForbidden,
		"198.51.100.8":            api.AddressForbidden,
		"::ffff:203.0.113.9":      api.AddressForbidden,
		"2001:db9::1":             api.AddressForbidden,
		"::192.0.2.9":             api.AddressForbidden,
		"":                        api.AddressForbidden, // not known in verify, and the proxy's on our routes
		"192.0.2.9, 203.0.113.50": api.AddressForbidden, // the client wrote the first one itself
	} {
		for via, sent := range map[string][2]string{
			"bearer": {"Authorization", "Bearer " + m.Value}, "basic": {"Authorization", "Basic " + basic},
			"header": {"X-API-Key", m.Value},
		} {
			c := a.from(address).WithHeader(sent[0], sent[1])
			if got := codeOf(t, testkit.ErrorOf(c.Whoami(t.Context()))); got != want {
				t.Errorf("whoami from %q by %s: %s, want %s", address, via, got, want)
			}
			_, err := c.Applications(t.Context(), string(a.tenant.ID), client.Page{})
			if got := codeOf(t, err); got != want {
				t.Errorf("a list from %q by %s: %s, want %s", address, via, got, want)
			}
			_, err = c.Verify(t.Context(), api.VerifyRequest{Credential: "nothing"})
			if got := codeOf(t, err); got != want {
				t.Errorf("as a verifier from %q by %s: %s, want %s", address, via, got, want)
			}
			if _, err := netip.ParseAddr(address); err != nil && address != "" {
				continue // no ip for verify
			}
			for how, q := range map[string]api.VerifyRequest{
				"the credential": {Credential: m.Value, IP: address},
				"headers":        {Headers: map[string][]string{sent[0]: {sent[1]}}, IP: address},
			} {
				d := a.verified(q)
				if d.Code != want || d.KeyID != k.Key.ID || d.Active != (want == api.OK) {
					t.Errorf("verify of %s with ip %q, by %s: %+v, want %s", how, address, via, d, want)
				}
			}
		}
	}
}

func TestAnAddressThatIsNotAllowedIsAnsweredWith403(t *testing.T) {
	t.Parallel()
	a := newAddressed(t)
	k := a.key("192.0.2.0/24")
	status, header, body := testkit.Send(t, a.Server, http.MethodGet, "/api/v1/whoami",
		http.Header{"Authorization": {"Bearer " + k.Credential.Value}, "X-Forwarded-For": {"203.0.113.1"}}, "")
	if status != http.StatusForbidden || header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v: %s", status, header, body)
	}
	if _, text := testkit.Get(t, a.URL+"/docs/errors/address_forbidden"); len(text) < 500 {
		t.Errorf("the page of the code is %q", text)
	}
}

// Without trusted proxies nobody chooses their address: the header is ignored.
func TestAListIsComparedWithTheAddressOfThePeerWithoutProxies(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	a := &addressed{Server: h, t: t, tenant: tenant, admin: h.As(h.Member(tenant, "Key Owner", scope.Admin))}
	near, far := a.key("127.0.0.0/8", "::1/128"), a.key("192.0.2.0/24")
	for _, c := range []struct {
		k         api.IssuedKey
		forwarded string
		want      api.Code
	}{
		{near, "", api.OK},
		{near, "203.0.113.1", api.OK},
		{far, "", api.AddressForbidden},
		{far, "192.0.2.1", api.AddressForbidden},
	} {
		_, err := a.from(c.forwarded).WithKey(c.k.Credential.Value).Whoami(t.Context())
		if got := codeOf(t, err); got != c.want {
			t.Errorf("%v with %q: %s, want %s", c.k.Key.AllowedCIDRs, c.forwarded, got, c.want)
		}
	}
}

func TestAnEditOfTheListTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	a := newAddressed(t)
	k := a.key()
	near := api.VerifyRequest{Credential: k.Credential.Value, IP: "192.0.2.1"}
	far := api.VerifyRequest{Credential: k.Credential.Value, IP: "203.0.113.1"}
	unknown := api.VerifyRequest{Credential: k.Credential.Value}
	for _, c := range []struct {
		what               string
		change             func()
		near, far, unknown api.Code
	}{
		{"without a list", func() {}, api.OK, api.OK, api.OK},
		{
			"with a list", func() { a.edit(k, api.To([]string{"192.0.2.0/24"})) },
			api.OK, api.AddressForbidden, api.AddressForbidden,
		},
		{
			"with another", func() { a.edit(k, api.To([]string{"203.0.113.0/24"})) },
			api.AddressForbidden, api.OK, api.AddressForbidden,
		},
		{
			"with everything listed", func() { a.edit(k, api.To([]string{"0.0.0.0/0", "::/0"})) },
			api.OK, api.OK, api.AddressForbidden,
		},
		{"after it was cleared", func() { a.edit(k, api.Cleared[[]string]()) }, api.OK, api.OK, api.OK},
	} {
		c.change()
		for what, q := range map[string]struct {
			api.VerifyRequest
			want api.Code
		}{"near": {near, c.near}, "far": {far, c.far}, "unknown": {unknown, c.unknown}} {
			if got := a.verified(q.VerifyRequest).Code; got != q.want {
				t.Errorf("%s, %s: %s, want %s", c.what, what, got, q.want)
			}
			if q.IP == "" {
				continue
			}
			_, err := a.from(q.IP).WithKey(k.Credential.Value).Whoami(t.Context())
			if got := codeOf(t, err); got != q.want {
				t.Errorf("%s, whoami from %s: %s, want %s", c.what, what, got, q.want)
			}
		}
	}
}

// The address is step 4b: the sender of a wrong secret, or of a key that has ended, learns that. A
// verifier that may not inspect a key does not learn that it is restricted.
func TestTheAddressIsComparedAfterSecretStatusAndTransport(t *testing.T) {
	t.Parallel()
	a := newAddressed(t)
	const far = "203.0.113.1"
	in := string(a.tenant.ID)
	wrong := a.key("192.0.2.0/24")
	other := a.key()
	wrong.Credential.Value = testkit.WithChecksum(
		"clv_" + wrong.Credential.ID + "_" + other.Credential.Secret)
	revoked, disabled := a.key("192.0.2.0/24"), a.key("192.0.2.0/24")
	expired := a.key("192.0.2.0/24")
	testkit.Must[*api.Key](t)(a.admin.RevokeKey(t.Context(), in, revoked.Key.ID, ""))
	testkit.Must[api.Key](t)(a.admin.DisableKey(t.Context(), in, disabled.Key.ID))
	testkit.Must[api.Key](t)(a.admin.EditKey(t.Context(), in, expired.Key.ID,
		api.UpdateKeyRequest{ExpiresAt: api.To(a.Clock.Now().Add(time.Hour))}))
	a.Clock.Move(time.Hour)
	for what, c := range map[string]struct {
		q    api.VerifyRequest
		want api.Code
	}{
		"a wrong secret": {api.VerifyRequest{Credential: wrong.Credential.Value, IP: far}, api.APIKeyInvalid},
		"revoked":        {api.VerifyRequest{Credential: revoked.Credential.Value, IP: far}, api.APIKeyRevoked},
		"disabled":       {api.VerifyRequest{Credential: disabled.Credential.Value, IP: far}, api.APIKeyDisabled},
		"expired":        {api.VerifyRequest{Credential: expired.Credential.Value, IP: far}, api.APIKeyExpired},
		"a scope too much": {
			api.VerifyRequest{Credential: a.key("192.0.2.0/24").Credential.Value, IP: far, Scopes: []string{"a:b"}},
			api.AddressForbidden,
		},
		"a key for people": {
			api.VerifyRequest{Credential: a.key("192.0.2.0/24").Credential.Value, IP: far, SessionOnly: true},
			api.AddressForbidden,
		},
	} {
		if got := a.verified(c.q).Code; got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	closed := a.Tenant("No headers", func(s *policy.Settings) { s.Transports = []policy.Transport{policy.Bearer} })
	owner := a.As(a.Member(closed, "Key Owner", scope.Member))
	k := testkit.Must[api.IssuedKey](t)(owner.CreateKey(t.Context(), string(closed.ID), api.CreateKeyRequest{
		Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true,
		AllowedCIDRs: []string{"192.0.2.0/24"},
	}))
	if d := a.verified(api.VerifyRequest{Credential: k.Credential.Value, IP: far, Transport: "header"}); d.Code !=
		api.TransportForbidden {
		t.Errorf("by a closed transport: %s", d.Code)
	}
	foreign, foreigner := testkit.TenantOfOtherAccount(t, a.Server, "X-Other-Key")
	verifier := a.With(a.Key(foreigner, foreign, "keys:verify"))
	d := testkit.Must[api.Decision](t)(verifier.Verify(t.Context(),
		api.VerifyRequest{Credential: k.Credential.Value, IP: far}))
	if d.Code != api.APIKeyInvalid || d.KeyID != "" {
		t.Errorf("a verifier of another account learns %+v", d)
	}
}

func TestARefusedAddressLeavesNoUseAndIsCountedApart(t *testing.T) {
	t.Parallel()
	a := newAddressed(t)
	k := a.key("192.0.2.0/24")
	used := func() (*time.Time, *string) {
		t.Helper()
		testkit.NoError(t, a.Usage.Flush(t.Context(), a.Store))
		now := testkit.Must[api.Key](t)(a.admin.Key(t.Context(), string(a.tenant.ID), k.Key.ID))
		return now.LastUsedAt, now.LastUsedIP
	}
	before := testkit.Scrape(t, a.Server)
	_, err := a.from("203.0.113.1").WithKey(k.Credential.Value).Whoami(t.Context())
	testkit.ExpectCode(t, "from afar", err, api.AddressForbidden)
	a.verified(api.VerifyRequest{Credential: k.Credential.Value, IP: "203.0.113.1"})
	a.verified(api.VerifyRequest{Credential: k.Credential.Value})
	before.ExpectGrown(t, "refused addresses", testkit.Scrape(t, a.Server), testkit.Series{
		`claviger_decisions_total{code="address_forbidden",transport="none"}`: 2,
		`claviger_callers_total{code="address_forbidden",transport="bearer"}`: 1,
		`claviger_callers_total{code="ok",transport="bearer"}`:                2, // the verifier
	})
	if at, ip := used(); at != nil || ip != nil {
		t.Errorf("last used at %v from %v", at, ip)
	}
	if d := a.verified(api.VerifyRequest{Credential: k.Credential.Value, IP: "192.0.2.7"}); !d.Active {
		t.Fatalf("from nearby: %+v", d)
	}
	if at, ip := used(); at == nil || ip == nil || *ip != "192.0.2.7" {
		t.Errorf("last used at %v from %v", at, ip)
	}
}

// A warm decision about a key with a list costs no allocation more than one about a key without.
func TestAListCostsADecisionNoAllocation(t *testing.T) {
	a := newAddressed(t)
	var cidrs []string
	for i := range policy.MaxNetworks {
		cidrs = append(cidrs, netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 32).String())
	}
	cidrs[policy.MaxNetworks-1] = "2001:db8::/32"
	measure := func(value, ip string, want api.Code) float64 {
		p := web.ParseCredential(value)
		return testing.AllocsPerRun(100, func() {
			d, err := a.Engine.Authenticate(t.Context(), p, ip)
			if err != nil || api.Code(d.Code) != want {
				t.Fatal(d.Code, err)
			}
		})
	}
	plain, listed := a.key().Credential.Value, a.key(cidrs...).Credential.Value
	for _, ip := range []string{"198.51.100.9", "2001:db8::9"} {
		if n := measure(listed, ip, ""); n != measure(plain, ip, "") || n != 0 {
			t.Errorf("from %s: %v allocations", ip, n)
		}
	}
	for _, ip := range []string{"203.0.113.1", ""} {
		if n := measure(listed, ip, api.AddressForbidden); n != 0 {
			t.Errorf("refused from %q: %v allocations", ip, n)
		}
	}
}
