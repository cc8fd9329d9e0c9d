package verify_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/usage"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// counted returns what was counted for the tenant by code, application and transport, and for each
// key, after the counters of the nodes were flushed.
func counted(t *testing.T, tenant ident.TenantID, owner ident.PartyID, nodes ...*testkit.Server) (
	byTenant map[string]int64, byKey map[ident.KeyID]usage.Sum,
) {
	t.Helper()
	byTenant, byKey = map[string]int64{}, map[ident.KeyID]usage.Sum{}
	for _, n := range nodes {
		testkit.NoError(t, n.Counters.Flush(t.Context()))
	}
	span := usage.NewSpan(usage.Hours, nodes[0].Clock.Now().Add(-24*time.Hour), nodes[0].Clock.Now().Add(24*time.Hour))
	testkit.NoError(t, nodes[0].Store.EachTenantCount(t.Context(), tenant, span, func(c usage.TenantCount) {
		byTenant[fmt.Sprintf("%s %s %s", c.Code, c.Application, c.Transport)] += c.Requests
	}))
	testkit.NoError(t, nodes[0].Store.EachKeyCount(t.Context(), tenant, owner, "", span, func(c usage.KeyCount) {
		sum := byKey[c.Key]
		byKey[c.Key] = usage.Sum{Accepted: sum.Accepted + c.Accepted, Refused: sum.Refused + c.Refused}
	}))
	return byTenant, byKey
}

// wantCounts fails the test unless these are the counts.
func wantCounts[K comparable, V comparable](t *testing.T, what string, got, want map[K]V) {
	t.Helper()
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s: %v is %v, want %v", what, k, got[k], n)
		}
	}
	for k, n := range got {
		if _, known := want[k]; !known {
			t.Errorf("%s: %v is %v, and was not expected", what, k, n)
		}
	}
}

func TestEveryRequestIsCountedOnceForItsKeyAndItsTenant(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Shipping API", func(s *policy.Settings) { s.KeysPerUser = 0 })
		h.Join(tenant, h.Owner, scope.Admin)
		admin := h.As(h.Owner)
		app := string(h.Application(tenant, "Bookings").ID)
		absent := string(ident.New[ident.ApplicationID](h.Clock.Now(), rand.Reader))
		k := h.Key(admin, tenant, "applications:read")
		old := h.Key(admin, tenant, "applications:read")
		verifier := h.Key(admin, tenant, "keys:verify")
		replaced := old.Credential.Value
		testkit.RefreshKey(t, admin, tenant, old, api.RefreshKeyRequest{})
		asks := h.With(verifier)
		ask := func(r api.VerifyRequest) {
			t.Helper()
			_, err := asks.Verify(t.Context(), r)
			testkit.NoError(t, err)
		}
		for range 7 { // verify
			ask(api.VerifyRequest{Credential: k.Credential.Value, Transport: "header", ApplicationID: app})
		}
		for range 3 {
			ask(api.VerifyRequest{Credential: k.Credential.Value, Scopes: []string{"bookings:create"}})
		}
		for range 2 { // an application that nobody has is not counted by name
			ask(api.VerifyRequest{Credential: k.Credential.Value, ApplicationID: absent})
		}
		ask(api.VerifyRequest{Credential: replaced})
		ask(api.VerifyRequest{Credential: "clv_0123456789abcdef_nothing"}) // junk belongs to nobody
		for range 5 {                                                      // own routes
			_, err := h.With(k).Whoami(t.Context())
			testkit.NoError(t, err)
		}
		for range 4 {
			if _, err := h.With(k).Members(t.Context(), string(tenant.ID), client.Page{}); err == nil {
				t.Error("a key without the scope lists members")
			}
		}
		if _, err := h.Anyone().WithKey(replaced).Whoami(t.Context()); err == nil {
			t.Error("a replaced secret is accepted")
		}
		if _, err := h.With(k).Verify(t.Context(), api.VerifyRequest{Credential: "x"}); err == nil {
			t.Error("a key without the scope verifies")
		}
		for range 6 { // the receiver of a request
			_, err := h.Engine.Decide(t.Context(), web.ParseCredential(k.Credential.Value), verify.Request{
				Requirement: verify.Requirement{Application: app},
			})
			testkit.NoError(t, err)
		}
		_, err := h.Engine.Decide(t.Context(), web.ParseCredential(k.Credential.Value), verify.Request{Repeated: true})
		testkit.NoError(t, err)
		testkit.Send(t, h, http.MethodGet, "/api/v1/whoami", http.Header{"Authorization": {"Bearer junk"}}, "")

		byTenant, byKey := counted(t, tenant.ID, ident.PartyID(h.Owner.ID), h)
		wantCounts(t, "the tenant", byTenant, map[string]int64{
			" " + app + " header":        7,
			"insufficient_scope  ":       3,
			"application_forbidden  ":    2,
			"api_key_invalid  ":          1,
			"  bearer":                   5,
			"insufficient_scope  bearer": 4 + 1,
			"api_key_invalid  bearer":    1,
			" " + app + " ":              6,
		})
		wantCounts(t, "the keys", byKey, map[ident.KeyID]usage.Sum{
			ident.KeyID(k.Key.ID):        {Accepted: 7 + 5 + 6, Refused: 3 + 2 + 4 + 1},
			ident.KeyID(old.Key.ID):      {Refused: 2},
			ident.KeyID(verifier.Key.ID): {Accepted: 7 + 3 + 2 + 2},
		})
	})
}

func TestAnInvalidationLosesNoCount(t *testing.T) {
	t.Parallel()
	w := newWatching(t)
	k := w.Server.Key(w.admin, w.tenant, "applications:read")
	for i := range 20 {
		_, err := w.With(k).Whoami(t.Context())
		testkit.NoError(t, err)
		if i%5 == 0 {
			testkit.EditSettings(t, w.Server, w.tenant, fmt.Sprintf(`{"idle_days":%d}`, 30+i))
		}
	}
	byTenant, byKey := counted(t, w.tenant.ID, ident.PartyID(w.Owner.ID), w.Server)
	if n := byKey[ident.KeyID(k.Key.ID)]; n.Accepted != 20 || byTenant["  bearer"] != 20 {
		t.Errorf("%+v, %v", n, byTenant)
	}
}

func TestTwoNodesCountTogether(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct) // which makes two requests about the key, on the second node
	for range 10 {
		_, err := p.First.With(p.Key).Whoami(t.Context())
		testkit.NoError(t, err)
	}
	for range 5 {
		if code := p.VerifyCode(); code != api.OK {
			t.Fatal(code)
		}
	}
	byTenant, byKey := counted(t, p.Tenant.ID, ident.PartyID(p.First.Owner.ID), p.First, p.Second)
	if n := byKey[ident.KeyID(p.Key.Key.ID)]; n.Accepted != 17 || byTenant["  bearer"] != 10 || byTenant["  "] != 7 {
		t.Errorf("%+v, %v", n, byTenant)
	}
	for range 3 { // a repeated flush adds nothing
		byTenant, _ = counted(t, p.Tenant.ID, ident.PartyID(p.First.Owner.ID), p.Second, p.First)
	}
	if byTenant["  bearer"] != 10 {
		t.Errorf("after further flushes %v", byTenant)
	}
}

// The hot decision is the one that must not become slower: a key in the cache, for a receiver.
func BenchmarkDecide(b *testing.B) {
	for name, counters := range map[string]*usage.Counters{"counted": {}, "not counted": nil} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(b)
			_, p := f.key(b)
			o := f.options
			o.Cache, o.Counters = verify.NewCache(1<<20), counters
			engine := verify.New(o)
			presented := verify.PresentKey(p, policy.Location{Transport: policy.Bearer})
			b.ReportAllocs()
			for b.Loop() {
				d, err := engine.Decide(b.Context(), presented, verify.Request{IP: "192.0.2.1"})
				if err != nil || d.Code != "" {
					b.Fatal(d.Code, err)
				}
			}
		})
	}
}
