package verify_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/usage"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// watching is a server with an admin, who watches keys.
type watching struct {
	*testkit.Server
	t      testing.TB
	tenant tenancy.Tenant
	admin  *client.Client
}

func newWatching(t testing.TB) *watching {
	t.Helper()
	w := &watching{t: t, Server: testkit.Start(t, testkit.SQLite)}
	w.tenant = w.Tenant("Shipping API", func(s *policy.Settings) { s.KeysPerUser = 0 })
	w.Join(w.tenant, w.Owner, scope.Admin)
	w.admin = w.As(w.Owner)
	return w
}

// watched returns a new key that is watched.
func (w *watching) watched(scopes ...string) api.IssuedKey {
	w.t.Helper()
	k := w.Server.Key(w.admin, w.tenant, scopes...)
	testkit.NoError(w.t, w.Watches.Begin(w.t.Context(), ident.KeyID(k.Key.ID), w.tenant.ID))
	return k
}

// seen returns what the key did, once everything is on record.
func (w *watching) seen(k api.IssuedKey) usage.Sighting {
	w.t.Helper()
	testkit.NoError(w.t, w.Watches.Sync(w.t.Context()))
	return testkit.Must[usage.Sighting](w.t)(w.Store.Sighting(w.t.Context(), ident.KeyID(k.Key.ID)))
}

func TestTheFirstRequestsOfAWatchedKeyAreOnRecordWithWhatWasMissing(t *testing.T) {
	t.Parallel()
	w := newWatching(t)
	tenant := string(w.tenant.ID)
	verifier := w.Server.Key(w.admin, w.tenant, "keys:verify").Credential.Value
	verify := func(r api.VerifyRequest) func(context.Context, api.IssuedKey) error {
		return func(ctx context.Context, k api.IssuedKey) error {
			r.Credential = k.Credential.Value
			_, err := w.Anyone().WithKey(verifier).Verify(ctx, r)
			return err
		}
	}
	app := w.Application(w.tenant, "Bookings")
	absent := string(ident.New[ident.ApplicationID](w.Clock.Now(), rand.Reader))
	for name, c := range map[string]struct {
		request func(context.Context, api.IssuedKey) error
		// used is the transport of an accepted request; "" for a refused one.
		used    policy.Transport
		code    fault.Kind
		missing string
	}{
		"a call of its own": {func(ctx context.Context, k api.IssuedKey) error {
			_, err := w.With(k).Whoami(ctx)
			return err
		}, policy.Bearer, "", ""},
		"a call without the scope": {func(ctx context.Context, k api.IssuedKey) error {
			_, err := w.With(k).Members(ctx, tenant, client.Page{})
			return err
		}, "", fault.InsufficientScope, "members:read"},
		"as a verifier without the scope": {func(ctx context.Context, k api.IssuedKey) error {
			_, err := w.With(k).Verify(ctx, api.VerifyRequest{Credential: "x"})
			return err
		}, "", fault.InsufficientScope, "keys:verify"},
		"a secret that was replaced": {func(ctx context.Context, k api.IssuedKey) error {
			_, err := w.admin.RefreshKey(ctx, tenant, k.Key.ID, api.RefreshKeyRequest{})
			testkit.NoError(w.t, err)
			_, err = w.With(k).Whoami(ctx)
			return err
		}, "", fault.KeyInvalid, ""},
		"verified": {verify(api.VerifyRequest{Transport: "header", IP: "192.0.2.9"}), policy.Header, "", ""},
		"verified, without the scope": {
			verify(api.VerifyRequest{Scopes: []string{"applications:read", "bookings:create"}}),
			"", fault.InsufficientScope, "bookings:create",
		},
		"verified, for an application that does not exist": {
			verify(api.VerifyRequest{ApplicationID: absent}), "", fault.ApplicationForbidden, absent,
		},
		"verified, for a text that is no application": {
			verify(api.VerifyRequest{ApplicationID: k64}), "", fault.ApplicationForbidden, "",
		},
		"verified, for an application that exists": {
			verify(api.VerifyRequest{ApplicationID: string(app.ID), Transport: "basic"}), policy.Basic, "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := w.watched("applications:read")
			_ = c.request(t.Context(), k)
			got := w.seen(k)
			if u := got.Used; u.At.IsZero() != (c.used == "") || u.Transport != c.used {
				t.Errorf("used: %+v, want by %q", u, c.used)
			}
			if r := got.Refused; r.At.IsZero() != (c.code == "") || r.Code != c.code || r.Missing != c.missing {
				t.Errorf("refused: %+v, want %s without %q", r, c.code, c.missing)
			}
		})
	}
}

// k64 is a text of a client, which must not be kept.
var k64 = strings.Repeat("k", 64)

func TestTheOldSecretSaysNothingAboutTheNewOne(t *testing.T) {
	t.Parallel()
	w := newWatching(t)
	k := w.Server.Key(w.admin, w.tenant, "applications:read")
	const hour = 3600
	fresh := testkit.Must[api.IssuedKey](t)(w.admin.RefreshKey(t.Context(), string(w.tenant.ID), k.Key.ID,
		api.RefreshKeyRequest{OverlapSeconds: hour}))
	testkit.NoError(t, w.Watches.Begin(t.Context(), ident.KeyID(k.Key.ID), w.tenant.ID))
	_, err := w.With(k).Whoami(t.Context())
	testkit.NoError(t, err)
	if got := w.seen(k); !got.Used.At.IsZero() {
		t.Errorf("the old secret counts as the new one: %+v", got.Used)
	}
	_, err = w.Anyone().WithKey(fresh.Credential.Value).Whoami(t.Context())
	testkit.NoError(t, err)
	if got := w.seen(k); got.Used.IP != "127.0.0.1" {
		t.Errorf("the new secret: %+v", got.Used)
	}
}

func TestAWrongSecretIsOnRecordOnlyForARequestThatIsAboutTheKey(t *testing.T) {
	t.Parallel()
	w := newWatching(t)
	other := w.Tenant("Other tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	verifierOf := func(tenant tenancy.Tenant) func(*testing.T, string, verify.Request) {
		person := w.Member(tenant, "Verifier of "+tenant.Name, scope.Admin)
		verifier := w.Server.Key(w.As(person), tenant, "keys:verify").Credential.Value
		return func(t *testing.T, wrong string, r verify.Request) {
			t.Helper()
			d, err := w.Anyone().WithKey(verifier).Verify(t.Context(), api.VerifyRequest{
				Credential: wrong, IP: r.IP, TenantID: string(r.Tenant),
			})
			testkit.NoError(t, err)
			if d.Code != api.APIKeyInvalid {
				t.Fatalf("the decision is %q", d.Code)
			}
		}
	}
	receiver := func(t *testing.T, wrong string, r verify.Request) {
		t.Helper()
		d, err := w.Engine.Decide(t.Context(), web.ParseCredential(wrong), r)
		if err != nil || d.Code != fault.KeyInvalid {
			t.Fatal(d.Code, err)
		}
	}
	own, foreign := verifierOf(w.tenant), verifierOf(other)
	in := func(tenant tenancy.Tenant) verify.Requirement { return verify.Requirement{Tenant: tenant.ID} }
	for name, c := range map[string]struct {
		send     func(*testing.T, string, verify.Request)
		request  verify.Request
		recorded bool
	}{
		"a verifier of its tenant":                 {own, verify.Request{}, true},
		"a verifier that names its tenant":         {own, verify.Request{Requirement: in(w.tenant)}, true},
		"a verifier that names another tenant":     {own, verify.Request{Requirement: in(other)}, false},
		"a verifier of another tenant":             {foreign, verify.Request{}, false},
		"a foreign verifier that names its tenant": {foreign, verify.Request{Requirement: in(w.tenant)}, false},
		"a receiver":                          {receiver, verify.Request{}, true},
		"a receiver bound to its tenant":      {receiver, verify.Request{Bound: w.tenant.ID}, true},
		"a receiver bound to another tenant":  {receiver, verify.Request{Bound: other.ID}, false},
		"a request that names its tenant":     {receiver, verify.Request{Named: string(w.tenant.ID)}, true},
		"a request that names another tenant": {receiver, verify.Request{Named: string(other.ID)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := w.watched("applications:read")
			_, err := w.admin.RefreshKey(t.Context(), string(w.tenant.ID), k.Key.ID, api.RefreshKeyRequest{})
			testkit.NoError(t, err)
			c.request.IP = "203.0.113.9"
			c.send(t, k.Credential.Value, c.request)
			want := usage.Seen{}
			if c.recorded {
				want = usage.Seen{Code: fault.KeyInvalid, IP: c.request.IP}
			}
			got := w.seen(k).Refused
			if got.Code != want.Code || got.IP != want.IP {
				t.Errorf("on record is %+v, want %+v", got, want)
			}
		})
	}
}

func TestAKeyIsWatchedForTenMinutes(t *testing.T) {
	t.Parallel()
	w := newWatching(t)
	k := w.watched("applications:read")
	w.Clock.Move(usage.WatchPeriod - time.Second)
	testkit.NoError(t, w.Watches.Sync(t.Context()))
	if !w.Watches.Any() {
		t.Error("the watch ended early")
	}
	w.Clock.Move(time.Second)
	testkit.NoError(t, w.Watches.Sync(t.Context()))
	_, err := w.Store.Sighting(t.Context(), ident.KeyID(k.Key.ID))
	if w.Watches.Any() || fault.KindOf(err) != fault.NotFound {
		t.Errorf("the watch goes on: %v", err)
	}
}

func TestAKeyThatIsNotWatchedCostsADecisionNoAllocation(t *testing.T) {
	w := newWatching(t)
	plain := web.ParseCredential(w.Server.Key(w.admin, w.tenant, "applications:read").Credential.Value)
	old := w.Server.Key(w.admin, w.tenant, "applications:read")
	_, err := w.admin.RefreshKey(t.Context(), string(w.tenant.ID), old.Key.ID, api.RefreshKeyRequest{})
	testkit.NoError(t, err)
	wrong := web.ParseCredential(old.Credential.Value)
	absent := string(ident.New[ident.ApplicationID](w.Clock.Now(), rand.Reader))
	scopes := []scope.Scope{"bookings:create"}
	expect := func(what string) {
		t.Helper()
		for name, decide := range map[string]func(){
			"accepted": func() {
				d, err := w.Engine.Authenticate(t.Context(), plain, "192.0.2.1")
				if err != nil || d.Code != "" {
					t.Fatal(d.Code, err)
				}
			},
			"refused without the scope": func() {
				d, err := w.Engine.Decide(t.Context(), plain, verify.Request{
					IP: "192.0.2.1", Requirement: verify.Requirement{Scopes: scopes},
				})
				if err != nil || d.Code != fault.InsufficientScope {
					t.Fatal(d.Code, err)
				}
			},
			"refused without the application": func() {
				d, err := w.Engine.Decide(t.Context(), plain, verify.Request{
					IP: "192.0.2.1", Requirement: verify.Requirement{Application: absent},
				})
				if err != nil || d.Code != fault.ApplicationForbidden {
					t.Fatal(d.Code, err)
				}
			},
			"refused": func() {
				d, err := w.Engine.Authenticate(t.Context(), wrong, "192.0.2.1")
				if err != nil || d.Code != fault.KeyInvalid {
					t.Fatal(d.Code, err)
				}
			},
		} {
			decide()
			if n := testing.AllocsPerRun(200, decide); n != 0 {
				t.Errorf("%s, %s: %v allocations", what, name, n)
			}
		}
	}
	expect("no key is watched")
	w.watched("applications:read")
	expect("another key is watched")
}
