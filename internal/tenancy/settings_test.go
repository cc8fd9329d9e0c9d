package tenancy_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestSettingsThatAreLeftOutStayNullClearsAndListsReplace(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner, tenant := h.As(h.Owner), h.Tenant("Main tenant", nil)
	want := testkit.PresetSettings["standard"]
	for _, step := range []struct {
		body   string
		change func(*api.Settings)
	}{
		{`{}`, func(*api.Settings) {}},
		{`{"settings":{}}`, func(*api.Settings) {}},
		{
			`{"settings":{"keys_per_user":null,"admin_refresh":true}}`,
			func(s *api.Settings) { s.KeysPerUser, s.AdminRefresh = nil, true },
		},
		{
			`{"settings":{"transports":["header","bearer"],"idle_days":30,"requests_per_minute":60}}`,
			func(s *api.Settings) {
				s.Transports = []api.Transport{"header", "bearer"}
				s.IdleDays = new(30)
				s.RequestsPerMinute = new(60)
			},
		},
		{
			`{"settings":{"key_header":null,"transports":["bearer"]}}`,
			func(s *api.Settings) { s.KeyHeader, s.Transports = nil, []api.Transport{"bearer"} },
		},
		{
			`{"settings":{"default_scopes":["tenants:read","applications:read"]}}`,
			func(s *api.Settings) { s.DefaultScopes = []string{"tenants:read", "applications:read"} },
		},
		{`{"settings":{"default_scopes":["*"]}}`, func(s *api.Settings) { s.DefaultScopes = []string{"*"} }},
		{`{"settings":{"default_scopes":null,"idle_days":null,"requests_per_minute":null}}`, func(s *api.Settings) {
			s.DefaultScopes = []string{}
			s.IdleDays = nil
			s.RequestsPerMinute = nil
		}},
		{
			`{"settings":{"verify_requests_per_minute":6000}}`,
			func(s *api.Settings) { s.VerifyRequestsPerMinute = new(6000) },
		},
		{`{"settings":{"verify_requests_per_minute":null}}`, func(s *api.Settings) { s.VerifyRequestsPerMinute = nil }},
		{`{"settings":{"verify_requires":["scopes","application_id","tenant_id","ip"]}}`, func(s *api.Settings) {
			s.VerifyRequires = []api.VerifyMember{"scopes", "application_id", "tenant_id", "ip"}
		}},
		{
			`{"settings":{"verify_requires":["ip"]}}`,
			func(s *api.Settings) { s.VerifyRequires = []api.VerifyMember{"ip"} },
		},
		{`{"settings":{"verify_requires":null}}`, func(s *api.Settings) { s.VerifyRequires = []api.VerifyMember{} }},
		{
			`{"settings":{"style":"client","client_domain":"api.claviger.example"}}`,
			func(s *api.Settings) { s.Style, s.ClientDomain = "client", new("api.claviger.example") },
		},
		{
			`{"settings":{"keys_per_service_account":5,"keys_per_subject":7,"owners":["service_account","user"]}}`,
			func(s *api.Settings) {
				s.KeysPerServiceAccount, s.KeysPerSubject = new(5), new(7)
				s.Owners = []api.PartyType{"service_account", "user"}
			},
		},
		{
			`{"settings":{"keys_per_service_account":null,"owners":null}}`,
			func(s *api.Settings) {
				s.KeysPerServiceAccount = nil
				s.Owners = []api.PartyType{"user", "service_account", "subject"}
			},
		},
		{`{"settings":{"prefix":null,"label":null}}`, func(s *api.Settings) { s.Prefix, s.Label = nil, nil }},
		// A JWT lives for at most 300 seconds, so the format cuts the lifetime.
		{`{"settings":{"token_format":"jwt"}}`, func(s *api.Settings) {
			s.TokenFormat = "jwt"
			s.TokenSeconds = 300
		}},
		{
			`{"settings":{"token_algorithm":"ES256","token_seconds":200}}`,
			func(s *api.Settings) { s.TokenAlgorithm, s.TokenSeconds = "ES256", 200 },
		},
		{
			`{"settings":{"creators":["admin"],"visibility":"own"}}`,
			func(s *api.Settings) {
				s.Creators = []api.Creator{"admin"}
				s.Visibility = "own"
			},
		},
		{`{"settings":{"revoke_mode":"delete","disclosure":"recoverable","dialect":"blancco",` +
			`"session_transport":false}}`, func(s *api.Settings) {
			s.RevokeMode = "delete"
			s.Disclosure = "recoverable"
			s.Dialect = "blancco"
			s.SessionTransport = false
		}},
	} {
		step.change(&want)
		var got api.Tenant
		if err := owner.Do(t.Context(), http.MethodPatch, testkit.TenantPath(tenant.ID), json.RawMessage(step.body),
			&got); err != nil {
			t.Fatalf("%s: %v", step.body, err)
		}
		if diff := cmp.Diff(want, got.Settings); diff != "" {
			t.Errorf("%s:\n%s", step.body, diff)
		}
		if shown := testkit.Must[api.Tenant](t)(owner.Tenant(t.Context(), string(tenant.ID))); !cmp.Equal(got, shown) {
			t.Errorf("%s: shown otherwise:\n%s", step.body, cmp.Diff(got, shown))
		}
	}
}

func TestABadSettingIsNamedAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner, tenant := h.As(h.Owner), h.Tenant("Main tenant", nil)
	check := testkit.ExpectUnchanged(t, owner, testkit.TenantPath(tenant.ID),
		testkit.AccountPath(h.Account.ID)+"/audit")
	for _, c := range [][2]string{
		{`"style":"jwt"`, "style unknown"},
		{`"style":null`, "style required"},
		{`"style":"client"`, "client_domain form"},
		{`"prefix":"CLV"`, "prefix form"},
		{`"prefix":null`, "prefix form"},
		{`"label":"a__b"`, "label form"},
		{`"label":"` + strings.Repeat("a", 25) + `"`, "label form"},
		{`"style":"pair","prefix":"UP"`, "prefix form"},
		{`"style":"uuid","label":"\u0000"`, "label form"},
		{`"client_domain":"short.io"`, "client_domain form"},
		{`"client_domain":"Api.Claviger.Example"`, "client_domain form"},
		{`"client_domain":"` + strings.Repeat("a", 65) + `"`, "client_domain form"},
		{`"key_header":"Authorization"`, "key_header form"},
		{`"key_header":"X-Key"`, "key_header form"},
		{`"key_header":"X-A\r\nB-Key"`, "key_header form"},
		{`"key_header":"X-` + strings.Repeat("a", 59) + `-Key"`, "key_header form"},
		{`"key_header":null`, "key_header required"},
		{`"transports":[]`, "transports required"},
		{`"transports":null`, "transports required"},
		{`"transports":["bearer","session"]`, "transports.1 unknown"},
		{`"transports":["bearer","bearer"]`, "transports.1 duplicate"},
		{`"transports":"bearer"`, "transports type"},
		{`"session_transport":null`, "session_transport required"},
		{`"session_transport":"on"`, "session_transport type"},
		{`"keys_per_user":0`, "keys_per_user range"},
		{`"keys_per_user":-1`, "keys_per_user range"},
		{`"keys_per_user":10001`, "keys_per_user range"},
		{`"keys_per_user":1.5`, "keys_per_user type"},
		{`"keys_per_user":99999999999999999999`, "keys_per_user type"},
		{`"creators":[]`, "creators required"},
		{`"creators":["owner"]`, "creators.0 unknown"},
		{`"visibility":"none"`, "visibility unknown"},
		{`"visibility":null`, "visibility required"},
		{`"default_scopes":["no:such"]`, "default_scopes.0 unknown"},
		{`"default_scopes":["*","tenants:read"]`, "default_scopes every"},
		{`"default_scopes":["tenants:read","tenants:read"]`, "default_scopes.1 duplicate"},
		{`"revoke_mode":"forget"`, "revoke_mode unknown"},
		{`"disclosure":"always"`, "disclosure unknown"},
		{`"dialect":"unkey"`, "dialect unknown"},
		{`"dialect":"standard"`, "dialect unknown"},
		{`"admin_refresh":null`, "admin_refresh required"},
		{`"token_seconds":59`, "token_seconds range"},
		{`"token_seconds":86401`, "token_seconds range"},
		{`"token_seconds":null`, "token_seconds required"},
		{`"token_format":"jwt","token_seconds":301`, "token_seconds range"},
		{`"token_algorithm":"HS256"`, "token_algorithm unknown"},
		{`"token_format":"saml"`, "token_format unknown"},
		{`"idle_days":0`, "idle_days range"},
		{`"idle_days":3651`, "idle_days range"},
		{`"requests_per_minute":0`, "requests_per_minute range"},
		{`"requests_per_minute":1000001`, "requests_per_minute range"},
		{`"verify_requests_per_minute":0`, "verify_requests_per_minute range"},
		{`"verify_requests_per_minute":-1`, "verify_requests_per_minute range"},
		{`"verify_requests_per_minute":1000001`, "verify_requests_per_minute range"},
		{`"verify_requests_per_minute":"many"`, "verify_requests_per_minute type"},
		{`"verify_requires":["ip","transport"]`, "verify_requires.1 unknown"},
		{`"verify_requires":["ip","scopes","ip"]`, "verify_requires.2 duplicate"},
		{`"verify_requires":"ip"`, "verify_requires type"},
		{`"colour":"blue"`, "colour unknown"},
		{`"preset":"blancco"`, "preset unknown"},
		{
			`"disclosure":null,"style":null,"revoke_mode":null`,
			"style required, settings.revoke_mode required, settings.disclosure required",
		},
	} {
		body, want := `{"name":"Another name","settings":{`+c[0]+`}}`, "settings."+c[1]
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, owner, http.MethodPatch, testkit.TenantPath(tenant.ID), body)); got != want {
			t.Errorf("%s: %s, want %s", c[0], got, want)
		}
	}
	for body, want := range map[string]string{
		`{"name":null}`: "name required", `{"status":null}`: "status required", `{"status":"gone"}`: "status unknown",
		`{"preset":"blancco"}`:   "preset unknown",
		`{"account_id":"acc_1"}`: "account_id unknown", `{"settings":[]}`: "settings type",
		`{"name":"a\u2066bc"}`: "name character",
	} {
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, owner, http.MethodPatch, testkit.TenantPath(tenant.ID), body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	check()
}

func TestADefaultScopeThatIsGoneStandsInNoOtherSettingsWay(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner, tenant := h.As(h.Owner), string(h.Tenant("Main tenant", nil).ID)
	testkit.Must[api.List[api.Scope]](t)(owner.ReplaceScopes(t.Context(), tenant,
		[]api.NewScope{{Name: "orders:read"}}))
	edit := func(p api.SettingsPatch) error {
		_, err := owner.EditTenant(t.Context(), tenant, api.UpdateTenantRequest{Settings: &p})
		return err
	}
	testkit.ExpectCode(t, "an own scope", edit(api.SettingsPatch{DefaultScopes: api.To([]string{"orders:read"})}), "")
	testkit.Must[api.List[api.Scope]](t)(owner.ReplaceScopes(t.Context(), tenant, []api.NewScope{}))
	testkit.ExpectCode(t, "another setting", edit(api.SettingsPatch{KeysPerUser: api.To(5)}), "")
	if got := testkit.FieldErrors(t,
		edit(api.SettingsPatch{DefaultScopes: api.To([]string{
			"tenants:read",
			"orders:read",
		})})); got != "settings.default_scopes.1 unknown" {
		t.Errorf("the scope itself: %s", got)
	}
}

func TestAChangedSettingTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	officer := h.As(h.Owner)
	tenant := h.Tenant("Main tenant", nil)
	member, other := h.As(h.Member(tenant, "Key Owner", scope.Member)),
		h.As(h.Member(tenant, "Other Member", scope.Member))
	edit := func(p api.SettingsPatch) {
		t.Helper()
		if _, err := officer.EditTenant(t.Context(), string(tenant.ID),
			api.UpdateTenantRequest{Settings: &p}); err != nil {
			t.Fatal(err)
		}
	}
	first := h.Key(member, tenant, "tenants:read")
	value := first.Credential.Value
	by := func(header string) *client.Client { return h.Anyone().WithHeader(header, value) }
	expected := func(what string, c *client.Client, want api.Code) {
		t.Helper()
		if got := testkit.WhoamiCode(t, c); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	expected("the key header of before", by("X-API-Key"), "")
	expected("a header that no tenant has", by("X-Brand-New-Token"), api.APIKeyInvalid)
	edit(api.SettingsPatch{KeyHeader: api.To("X-Brand-New-Token")})
	expected("the new key header", by("x-brand-new-token"), "")
	expected("the old key header, which no tenant has any more", by("X-API-Key"), api.APIKeyInvalid)
	edit(api.SettingsPatch{Transports: api.To([]api.Transport{"basic"})})
	expected("a transport that is gone", h.With(first), api.TransportForbidden)
	expected("the key header, gone with its transport", by("X-Brand-New-Token"), api.TransportForbidden)
	edit(api.SettingsPatch{Transports: api.To([]api.Transport{"bearer", "header"})})
	expected("a transport that is back", h.With(first), "")

	if list := testkit.Must[api.List[api.Key]](t)(other.Keys(t.Context(), string(tenant.ID), client.KeyFilter{},
		client.Page{})); len(list.Items) != 1 {
		t.Errorf("visible to all, a member sees %d keys", len(list.Items))
	}
	edit(api.SettingsPatch{Visibility: api.To(api.Visibility("own"))})
	if list := testkit.Must[api.List[api.Key]](t)(other.Keys(t.Context(), string(tenant.ID), client.KeyFilter{},
		client.Page{})); len(list.Items) != 0 {
		t.Errorf("visible to their owners, a member sees %d of another's keys", len(list.Items))
	}
	create := func() (api.IssuedKey, error) {
		return member.CreateKey(t.Context(), string(tenant.ID),
			api.CreateKeyRequest{Name: "Another key", Scopes: []string{"tenants:read"}, AllApplications: true})
	}
	edit(api.SettingsPatch{KeysPerUser: api.To(1)})
	_, err := create()
	testkit.ExpectCode(t, "beyond the lowered cap", err, api.KeyLimitReached)
	expected("a key under the lowered cap", h.With(first), "")
	edit(api.SettingsPatch{KeysPerUser: api.Cleared[int](), Creators: api.To([]api.Creator{"admin"})})
	_, err = create()
	testkit.ExpectCode(t, "where members create none", err, api.Forbidden)
	edit(api.SettingsPatch{Creators: api.To([]api.Creator{"self"}), Style: api.To(api.Style("uuid"))})
	second, err := create()
	if err != nil || second.Key.Style != "uuid" {
		t.Fatalf("of the new style: %+v, %v", second.Key, err)
	}
	expected("a key of the new style", h.With(second), "")
	expected("a key of the old style", h.With(first), "")
	if shown := testkit.Must[api.Key](t)(member.Key(t.Context(), string(tenant.ID),
		first.Key.ID)); shown.Style != "token" ||
		shown.PublicID != first.Key.PublicID {
		t.Errorf("the old key became %s %s", shown.Style, shown.PublicID)
	}
}

// Only the presets of vendors allow keys for users alone. A dialect changes how errors look, and
// nothing else.
func TestAnotherDialectKeepsTheTypesOfOwners(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner := h.As(h.Owner)
	all := []api.PartyType{api.PartyUser, api.PartyServiceAccount, api.PartySubject}
	for _, c := range []struct {
		name, preset string
		to           api.Dialect
		chosen       []api.PartyType
		want         []api.PartyType
	}{
		{"to a vendor's", "standard", api.DialectBlazeMeter, nil, all},
		{"to a vendor's, with a choice", "standard", api.DialectBlazeMeter, all[:1], all[:1]},
		{"from a vendor's", "blazemeter", api.DialectProblem, nil, all[:1]},
		{"from a vendor's, with a choice", "blazemeter", api.DialectProblem, all, all},
		{"to another vendor's", "blazemeter", api.DialectBlancco, nil, all[:1]},
	} {
		created := testkit.Must[api.Tenant](t)(owner.CreateTenant(t.Context(), api.CreateTenantRequest{
			AccountID: string(h.Account.ID), Name: c.name, Preset: api.Preset(c.preset),
		}))
		patch := api.SettingsPatch{Dialect: api.To(c.to)}
		if c.chosen != nil {
			patch.Owners = api.To(c.chosen)
		}
		got := testkit.Must[api.Tenant](t)(owner.EditTenant(t.Context(), created.ID,
			api.UpdateTenantRequest{Settings: &patch}))
		if !slices.Equal(got.Settings.Owners, c.want) || got.Settings.Dialect != c.to {
			t.Errorf("%s: owners %v, dialect %s", c.name, got.Settings.Owners, got.Settings.Dialect)
		}
	}
}
