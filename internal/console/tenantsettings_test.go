package console_test

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Every setting of a tenant has a field, but for the two that nobody changes here.
func TestTheFormHasEverySettingOfATenant(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	page := d.get(d.at("settings"))
	for f := range reflect.TypeFor[policy.Settings]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		shown := name == "legacy_password" || name == "members_manage_applications"
		if has := strings.Contains(page.text, `name="`+name+`"`); has == shown {
			t.Errorf("the form has a field %s: %t", name, has)
		}
	}
	page.see(t, "what the operator changes", http.StatusOK, "Password sign-in to the API")
	page.see(t, "what the preset says", http.StatusOK, "Applications are managed")
}

// odd are settings that no preset has, in another order than that of the form.
func odd(s *policy.Settings) {
	s.Transports = []policy.Transport{policy.OAuth, policy.Bearer}
	s.Creators = []policy.Creator{policy.ByAdmin, policy.BySelf}
	s.Owners = []ident.PartyType{ident.SubjectParty, ident.UserParty}
	s.VerifyRequires = []policy.VerifyField{policy.VerifyIP, policy.VerifyApplication}
	s.DefaultScopes = []scope.Scope{"tenants:read", "gone:read", "applications:read"}
	s.TokenFormat, s.TokenSeconds = policy.JWT, 120
	s.TokenAudience = "https://api.example.com"
	s.TokenAlgorithm, s.Disclosure = policy.EdDSA, policy.Recoverable
	s.KeysPerUser = 7
	s.KeysPerServiceAccount, s.KeysPerSubject = 8, 9
	s.IdleDays = 10
	s.RequestsPerMinute, s.VerifyRequestsPerMinute = 11, 12
	s.AdminRefresh = true
	s.Style, s.ClientDomain = credential.Client, "meridian.example"
}

func TestSettingsThatNobodyTouchedChangeNothing(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	for _, preset := range policy.Presets() {
		for what, change := range map[string]func(*policy.Settings){"": nil, "odd": odd} {
			made, err := d.Tenancy.CreateTenant(t.Context(), principal.Operator(), d.Account.ID, "Tenant", preset,
				change)
			tenant := testkit.Must[tenancy.Tenant](t)(made, err)
			d.tenant = tenant
			path := d.at("settings")
			before := d.events()
			if got := d.post(path, d.untouched(path)); got.location != path+"?did=tenant.edit" {
				t.Errorf("%s %s: %d to %q\n%s", preset, what, got.status, got.location, got.text)
			}
			after := testkit.Must[tenancy.Tenant](t)(d.Store.Tenant(t.Context(), tenant.ID))
			if differ := tenant.Settings.Differences(after.Settings); len(differ) > 0 || d.events() != before {
				t.Errorf("%s %s: %v differ, %d events after %d", preset, what, differ, d.events(), before)
			}
		}
	}
}

func (d *visit) settings() policy.Settings {
	d.t.Helper()
	return testkit.Must[tenancy.Tenant](d.t)(d.Store.Tenant(d.t.Context(), d.tenant.ID)).Settings
}

func TestAnOwnerChangesEverySettingOfATenant(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	path := d.at("settings")
	form := d.untouched(path)
	stale := d.untouched(path)
	for name, value := range map[string]string{
		"name": "Renamed", "style": "client", "prefix": "mer", "label": "key", "client_domain": "meridian.example",
		"key_header": "X-Meridian-Key", "dialect": "blancco", "token_format": "jwt", "token_seconds": "120",
		"token_audience": "https://api.example.com", "token_algorithm": "ES256", "keys_per_user": "5",
		"keys_per_service_account": "6", "keys_per_subject": "7", "requests_per_minute": "100",
		"verify_requests_per_minute": "200", "visibility": "own", "revoke_mode": "delete", "idle_days": "60",
		"disclosure": "recoverable", "admin_refresh": "on", "default_access": "some",
	} {
		form.Set(name, value)
	}
	form.Del("session_transport")
	form["transports"], form["owners"] = []string{"bearer", "header"}, []string{"user", "subject"}
	form["creators"], form["verify_requires"] = []string{"admin"}, []string{"ip"}
	form["default_scopes"] = []string{"applications:read"}
	if got := d.post(path, form); got.location != path+"?did=tenant.edit" {
		t.Fatalf("save: %d to %q\n%s", got.status, got.location, got.text)
	}
	want := policy.Settings{
		Style: credential.Client, Prefix: "mer", Label: "key", ClientDomain: "meridian.example",
		KeyHeader: "X-Meridian-Key", Transports: []policy.Transport{policy.Bearer, policy.Header}, KeysPerUser: 5,
		KeysPerServiceAccount: 6, KeysPerSubject: 7, Owners: []ident.PartyType{ident.UserParty, ident.SubjectParty},
		Creators: []policy.Creator{policy.ByAdmin}, Visibility: policy.SeeOwn,
		DefaultScopes: []scope.Scope{"applications:read"}, RevokeMode: policy.Delete, Disclosure: policy.Recoverable,
		Dialect: "blancco", AdminRefresh: true, TokenSeconds: 120, TokenFormat: policy.JWT,
		TokenAudience: "https://api.example.com", TokenAlgorithm: policy.ES256, IdleDays: 60, RequestsPerMinute: 100,
		VerifyRequestsPerMinute: 200, VerifyRequires: []policy.VerifyField{policy.VerifyIP},
	}
	if differ := want.Differences(d.settings()); len(differ) > 0 {
		t.Errorf("%v differ: %+v", differ, d.settings())
	}
	d.get(path).see(t, "the new name", http.StatusOK, `value="Renamed"`)
	d.post(path, stale).see(t, "a stale form", http.StatusUnprocessableEntity, "The tenant was changed since")
}

func TestSettingsWithFaultsAreShownAgainAsTheyWereFilledIn(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	path := d.at("settings")
	before := d.settings()
	for name, c := range map[string]struct{ field, value, says string }{
		"no number":      {"keys_per_user", "many", `href="#f-keys_per_user"`},
		"zero":           {"keys_per_user", "0", "Use 1 to 10000"},
		"no transport":   {"transports", "", `href="#f-transports"`},
		"no owner":       {"owners", "", `href="#f-owners"`},
		"a wrong header": {"key_header", "Authorization", `href="#f-key_header"`},
		"a long JWT":     {"token_format", "jwt", `href="#f-token_seconds"`},
		"an own label":   {"label", "mk", "have the labels mk and at"},
		"a short name":   {"name", "x", `href="#f-name"`},
		"no scope":       {"default_access", "some", `href="#f-default_scopes"`},
		"no dialect":     {"dialect", "esperanto", `href="#f-dialect"`},
	} {
		form := d.untouched(path)
		form.Set("token_audience", "kept")
		form.Set(c.field, c.value)
		if c.value == "" {
			form.Del(c.field)
		}
		page := d.post(path, form)
		page.see(t, name, http.StatusUnprocessableEntity, c.says)
		page.see(t, name, http.StatusUnprocessableEntity, `value="kept"`)
	}
	if differ := before.Differences(d.settings()); len(differ) > 0 {
		t.Errorf("%v differ", differ)
	}
}

func TestCopiesOfSecretsAreDeletedAfterATypedPhrase(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	d.tenant = d.Tenant("Recoverable", func(s *policy.Settings) { s.Disclosure = policy.Recoverable })
	path := d.at("settings")
	form := d.untouched(path)
	form.Set("disclosure", "once")
	form.Set("keys_per_user", "5")
	question := d.post(path, form)
	question.see(t, "the question", http.StatusOK, "Delete the copies of all secrets?")
	form = d.fields(question, path)
	form.Set("sure", "yes")
	d.post(path, form).see(t, "another phrase", http.StatusUnprocessableEntity, "to say that you are sure")
	if d.settings().Disclosure != policy.Recoverable {
		t.Fatal("the copies are deleted")
	}
	form.Set("sure", "delete the copies")
	if got := d.post(path, form); got.location != path+"?did=tenant.edit" {
		t.Errorf("save: %d to %q\n%s", got.status, got.location, got.text)
	}
	if s := d.settings(); s.Disclosure != policy.Once || s.KeysPerUser != 5 || len(s.Transports) != 4 {
		t.Errorf("the settings are %+v", s)
	}
}

func TestAPresetIsComparedAndApplied(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	presets := d.at("settings/presets")
	d.get(presets).see(t, "side by side", http.StatusOK, "OAuth client")
	path := presets + "/blancco"
	page := d.get(path)
	page.see(t, "the question", http.StatusOK, "Apply the preset blancco?")
	form := d.fields(page, path)
	if got := d.post(path, form); got.location != d.at("settings?did=tenant.preset") {
		t.Fatalf("apply: %d to %q\n%s", got.status, got.location, got.text)
	}
	want := testkit.Must[policy.Settings](t)(policy.Blancco.Settings())
	want.Owners = []ident.PartyType{ident.UserParty}
	if differ := want.Differences(d.settings()); len(differ) > 0 {
		t.Errorf("%v differ", differ)
	}
	d.post(path, form).see(t, "a stale question", http.StatusUnprocessableEntity, "The tenant was changed since")

	back := presets + "/standard"
	form = d.fields(d.get(back), back)
	form.Set("sure", "")
	d.post(back, form).see(t, "without the phrase", http.StatusUnprocessableEntity, "delete the copies")
	form.Set("sure", "delete the copies")
	if got := d.post(back, form); got.location != d.at("settings?did=tenant.preset") {
		t.Errorf("apply: %d to %q\n%s", got.status, got.location, got.text)
	}
	d.get(presets+"/nothing").see(t, "no preset", http.StatusNotFound, "not found")
}

func TestATenantIsDisabledAfterATypedPhraseAndEnabledAgain(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	k := d.Key(d.As(d.Member(d.tenant, "Key Owner", scope.Member)), d.tenant, "applications:read")
	path := d.at("disable")
	d.get(path).see(t, "the question", http.StatusOK, "1 key")
	d.post(path, url.Values{"sure": {"disable"}}).see(t, "half a phrase", http.StatusUnprocessableEntity, "1 key")
	got := d.post(path, url.Values{"sure": {"disable this tenant"}})
	if got.location != d.at("settings?did=tenant.disable") {
		t.Fatalf("disable: %d to %q\n%s", got.status, got.location, got.text)
	}
	if code := testkit.RouteCode(t, d.Server, k.Credential.Value, d.tenant, ""); code != api.APIKeyDisabled {
		t.Errorf("the key: %s", code)
	}
	d.get(d.at("settings")).see(t, "afterwards", http.StatusOK, "Enable this tenant")
	d.post(d.at("enable"), nil)
	if code := testkit.RouteCode(t, d.Server, k.Credential.Value, d.tenant, ""); code != api.OK {
		t.Errorf("the key: %s", code)
	}
}

func TestAdminsReadTheSettingsOfTheirTenant(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	page := d.get(d.at("settings"))
	page.see(t, "the settings", http.StatusOK, "Keys per person")
	if strings.Contains(page.text, "<form method=\"post\" action=\""+d.at("settings")) {
		t.Error("the page has a form")
	}
	if presets := d.get(d.at("settings/presets")); strings.Contains(presets.text, "/presets/standard") {
		t.Error("the page offers to apply a preset")
	}
}
