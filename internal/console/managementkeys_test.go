package console_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// machineVisit is an admin's visit of a tenant with a scope, two applications, a plan and a service
// account.
type machineVisit struct {
	*visit
	account api.ServiceAccount
	apps    []string
	// path is that of the service account's management keys.
	path string
}

func newMachineVisit(t testing.TB) *machineVisit {
	t.Helper()
	d := &machineVisit{visit: newAdminVisit(t)}
	c := d.As(d.person)
	_, err := c.ReplaceScopes(t.Context(), string(d.tenant.ID),
		[]api.NewScope{{Name: "rates:read"}, {Name: "rates:set"}})
	testkit.NoError(t, err)
	for _, name := range []string{"Rates", "Bookings"} {
		d.apps = append(d.apps, string(d.Application(d.tenant, name).ID))
	}
	_, err = c.CreatePlan(t.Context(), string(d.tenant.ID),
		api.CreatePlanRequest{Name: "starter", Scopes: []string{"*"}, AllApplications: true})
	testkit.NoError(t, err)
	d.account = testkit.ServiceAccount(t, c, d.tenant, "Customer platform", api.RoleMember)
	d.path = d.at("service-accounts/" + d.account.ID + "/management-keys")
	return d
}

func (d *machineVisit) managementKeys() []api.ManagementKey {
	d.t.Helper()
	list, err := d.As(d.person).ManagementKeys(d.t.Context(), string(d.tenant.ID), d.account.ID, client.Page{})
	return testkit.Must[api.List[api.ManagementKey]](d.t)(list, err).Items
}

// managementForm is the form for a management key, filled in.
func (d *machineVisit) managementForm() url.Values {
	d.t.Helper()
	form := d.untouched(d.path + "/new")
	filled := url.Values{
		"name": {"Customer keys"}, "permissions": {"keys:read", "keys:create", "subjects:write"}, "owners": {"subject"},
		"scope": {"rates:read", "rates:set"}, "application": d.apps, "plans": {"starter", "-"},
		"max_lifetime_days": {"90"}, "key_cidrs": {"10.20.0.0/16"}, "allowed_cidrs": {"127.0.0.0/8\n::1/128"},
	}
	maps.Copy(form, filled)
	return form
}

// create creates the management key of managementForm and returns its path and value.
func (d *machineVisit) create() (path, value string) {
	d.t.Helper()
	page := d.post(d.path+"/new", d.managementForm())
	page.see(d.t, "create", http.StatusOK, "/api/v1/management/self")
	_, value, _ = strings.Cut(page.text, "<dd data-secret>")
	value, _, _ = strings.Cut(value, "<")
	return d.path + "/" + d.managementKeys()[0].ID, value
}

func (d *machineVisit) self(value string) error {
	d.t.Helper()
	_, err := d.Anyone().WithKey(value).ManagementSelf(d.t.Context())
	return err
}

func TestAnAdminCreatesAManagementKeyWhoseSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	d := newMachineVisit(t)
	form := d.managementForm()
	if form.Get("expiry") != "90" || form.Get("creates_per_hour") != "1000" || len(form["permissions"]) != 3 {
		t.Errorf("the form begins with %v", form)
	}
	for range 2 {
		d.post(d.path+"/new", form)
	}
	again := d.post(d.path+"/new", form)
	again.see(t, "sent again", http.StatusOK, "This secret was shown once, when")
	if strings.Contains(again.text, "_mk_") || len(d.managementKeys()) != 1 {
		t.Errorf("%d management keys; the page is\n%s", len(d.managementKeys()), again.text)
	}
	m := d.managementKeys()[0]
	starter := "starter"
	if c := m.Ceilings; !slices.Equal(c.Scopes, []string{"rates:read", "rates:set"}) || c.AllApplications ||
		len(c.ApplicationIDs) != 2 || len(c.Plans) != 2 || *c.MaxLifetimeDays != 90 || c.CreatesPerHour != 1000 ||
		*c.Plans[1] != starter && *c.Plans[0] != starter || len(c.AllowedCIDRs) != 1 || len(m.AllowedCIDRs) != 2 {
		t.Errorf("the management key is %+v", m)
	}
	if days := m.ExpiresAt.Sub(m.CreatedAt).Hours() / 24; days < 89 || days > 91 {
		t.Errorf("it expires after %v days", days)
	}
	path, value := d.create()
	testkit.NoError(t, d.self(value))
	page := d.get(path)
	page.see(t, "the page", http.StatusOK, "keys:create, keys:read, subjects:write")
	if strings.Contains(page.text, value) {
		t.Error("the page shows the secret")
	}
	d.get(d.at("service-accounts/"+d.account.ID)).see(t, "the service account", http.StatusOK, "2 of 5")
}

func TestTheFormForAManagementKeySaysWhatIsWrongWhereItIs(t *testing.T) {
	t.Parallel()
	d := newMachineVisit(t)
	for name, c := range map[string]struct {
		field, value, says string
	}{
		"a short name":         {"name", "x", `href="#f-name"`},
		"no permission":        {"permissions", "", `href="#f-permissions"`},
		"no owner type":        {"owners", "", `href="#f-owners"`},
		"an unknown scope":     {"scope", "nothing:read", `href="#f-access"`},
		"an unknown app":       {"application", "app_x", `href="#f-applications"`},
		"no number":            {"max_lifetime_days", "many", "Write a number."},
		"zero days":            {"max_lifetime_days", "0", `href="#f-max_lifetime_days"`},
		"too many creates":     {"creates_per_hour", "100001", `href="#f-creates_per_hour"`},
		"no network for keys":  {"key_cidrs", "nonsense", `href="#f-key_cidrs"`},
		"no network":           {"allowed_cidrs", "nonsense", `href="#f-allowed_cidrs"`},
		"a lifetime of nobody": {"expiry", "5000", `href="#f-expiry"`},
		"beyond the role":      {"permissions", "audit:read", `href="#f-permissions"`},
	} {
		form := d.managementForm()
		form.Set(c.field, c.value)
		if c.value == "" {
			form.Del(c.field)
		}
		page := d.post(d.path+"/new", form)
		page.see(t, name, http.StatusUnprocessableEntity, c.says)
		page.see(t, name, http.StatusUnprocessableEntity, `value="subjects:write"`)
	}
	if n := len(d.managementKeys()); n != 0 {
		t.Errorf("%d management keys", n)
	}
}

func TestAManagementKeyIsOnlyNarrowed(t *testing.T) {
	t.Parallel()
	d := newMachineVisit(t)
	path, _ := d.create()
	before := d.events()
	form := d.untouched(path + "/edit")
	d.post(path+"/edit", form).see(t, "untouched", http.StatusSeeOther, "")
	if n := d.events(); n != before {
		t.Errorf("an untouched form made %d events", n-before)
	}
	for name, wider := range map[string]url.Values{
		"permissions": {"permissions": {"keys:read", "keys:revoke"}}, "owners": {"owners": {"subject", "user"}},
		"access": {"access": {"all"}}, "applications": {"applications": {"all"}},
		"max_lifetime_days": {"max_lifetime_days": {""}}, "creates_per_hour": {"creates_per_hour": {"1001"}},
		"key_cidrs": {"key_cidrs": {""}}, "allowed_cidrs": {"allowed_cidrs": {""}},
	} {
		sent := maps.Clone(form)
		maps.Copy(sent, wider)
		d.post(path+"/edit", sent).see(t, name, http.StatusUnprocessableEntity, `href="#f-`+name+`"`)
	}
	stale := form.Get("version")
	form.Set("name", "Narrower")
	form["permissions"], form["scope"] = []string{"keys:read"}, []string{"rates:read"}
	form.Set("expiry", "date")
	form.Set("date", d.Clock.Now().AddDate(0, 0, 10).Format(time.DateOnly))
	if got := d.post(path+"/edit", form); got.location != path+"?did=management-key.edit" {
		t.Fatalf("narrow: %d to %q\n%s", got.status, got.location, got.text)
	}
	m := d.managementKeys()[0]
	if m.Name != "Narrower" || len(m.Permissions) != 1 || len(m.Ceilings.Scopes) != 1 ||
		m.ExpiresAt.After(d.Clock.Now().AddDate(0, 0, 11)) {
		t.Errorf("the management key is %+v", m)
	}
	form.Set("version", stale)
	form.Set("name", "Stale")
	d.post(path+"/edit", form).see(t, "a stale form", http.StatusUnprocessableEntity, "was changed since")
}

func TestAManagementKeyIsRegeneratedAndRevoked(t *testing.T) {
	t.Parallel()
	d := newMachineVisit(t)
	path, first := d.create()
	form := d.untouched(path + "/regenerate")
	form.Set("overlap", "3600")
	page := d.post(path+"/regenerate", form)
	page.see(t, "regenerate", http.StatusOK, "The old secret works until")
	_, second, _ := strings.Cut(page.text, "<dd data-secret>")
	second, _, _ = strings.Cut(second, "<")
	again := d.post(path+"/regenerate", form)
	again.see(t, "sent again", http.StatusOK, "This secret was shown once, when")
	testkit.NoError(t, d.self(first))
	testkit.NoError(t, d.self(second))
	d.get(path).see(t, "the page", http.StatusOK, "Two secrets are active")
	if got := d.post(path+"/previous", nil); got.location != path+"?did=management-key.previous" {
		t.Errorf("end the old secret: %d to %q", got.status, got.location)
	}
	testkit.ExpectCode(t, "the old secret", d.self(first), api.APIKeyInvalid)
	d.get(path+"/revoke").see(t, "before", http.StatusOK, "Customer platform")
	d.post(path+"/revoke", url.Values{"reason": {"It leaked"}})
	testkit.ExpectCode(t, "the revoked key", d.self(second), api.APIKeyRevoked)
	page = d.get(path)
	for _, text := range []string{"It leaked", "regenerated the secret", "revoked the management key"} {
		page.see(t, "the page", http.StatusOK, text)
	}
}

func TestTheSecretOfAManagementKeyIsDownloadedByAdminsAlone(t *testing.T) {
	t.Parallel()
	d := newMachineVisit(t)
	page := d.post(d.path+"/new", d.managementForm())
	form := url.Values{}
	for _, name := range []string{"id", "secret", "value"} {
		form.Set(name, field(t, page, name))
	}
	got := d.post("/settings/keys/download", form)
	got.see(t, "an admin", http.StatusOK, `"value":"`+form.Get("value")+`"`)
	if d.managementKeys()[0].LastUsedAt != nil {
		t.Error("the download counts as a use")
	}
	d.as("Somebody", scope.Auditor).post("/settings/keys/download", form).
		see(t, "an auditor", http.StatusNotFound, "not_found")
	_, foreigner := d.OtherAccount("Foreigner")
	other := newVisitor(t, d.URL)
	other.signIn(foreigner)
	other.post("/settings/keys/download", form).see(t, "a foreigner", http.StatusNotFound, "not_found")
	value := form.Get("value")
	form.Set("value", value[:len(value)-7]+"aaaaaaa")
	d.post("/settings/keys/download", form).see(t, "another secret", http.StatusNotFound, "not_found")
}

func TestAManagementKeyIsDeleted(t *testing.T) {
	t.Parallel()
	d := newMachineVisit(t)
	path, value := d.create()
	d.get(path+"/delete").see(t, "before", http.StatusOK, "Customer platform")
	list := d.at("service-accounts/" + d.account.ID)
	if got := d.post(path+"/delete", nil); got.location != list+"?did=management-key.delete" {
		t.Fatalf("%d to %q\n%s", got.status, got.location, got.text)
	}
	testkit.ExpectCode(t, "the deleted key", d.self(value), api.APIKeyInvalid)
	d.get(path).see(t, "its page", http.StatusNotFound, "not found")
}

func TestAManagementKeyNeedsARecentSignInAndWhatWasTypedIsKept(t *testing.T) {
	t.Parallel()
	d := newMachineVisit(t)
	path, _ := d.create()
	form, other := d.managementForm(), d.untouched(path+"/regenerate")
	other.Set("overlap", "0")
	form.Set("name", "Typed before")
	d.Clock.Move(6 * time.Minute)
	for page, sent := range map[string]url.Values{d.path + "/new": form, path + "/regenerate": other} {
		d.get(page).see(t, page, http.StatusUnauthorized, "Sign in again")
		asked := d.post(page, sent)
		asked.see(t, page, http.StatusUnauthorized, "Sign in again")
		if strings.Contains(asked.text, "_mk_") {
			t.Errorf("%s shows a secret", page)
		}
	}
	asked := d.post(d.path+"/new", form)
	again := url.Values{"email": {d.person.Email}, "password": {testkit.Password}, "next": {field(t, asked, "next")}}
	for name, values := range form {
		if name != "once" {
			again["kept."+name] = values
		}
	}
	back := d.post("/sign-in", again)
	back.see(t, "after the sign-in", http.StatusOK, `value="Typed before"`)
	back.see(t, "after the sign-in", http.StatusOK, `<form method="post" action="`+d.path+`/new"`)
	if n := len(d.managementKeys()); n != 1 {
		t.Errorf("%d management keys", n)
	}
}

func TestAManagementKeyOfAnotherMachineIsNotFound(t *testing.T) {
	t.Parallel()
	d := newMachineVisit(t)
	path, value := d.create()
	other := testkit.ServiceAccount(t, d.As(d.person), d.tenant, "Another", api.RoleMember)
	foreign := strings.Replace(path, d.account.ID, other.ID, 1)
	for _, page := range []string{"", "/edit", "/regenerate", "/revoke", "/delete"} {
		d.get(foreign+page).see(t, page, http.StatusNotFound, "not found")
	}
	for _, action := range []string{"/edit", "/regenerate", "/revoke", "/previous"} {
		form := url.Values{"once": {strings.Repeat("x", 20)}, "overlap": {"0"}, "name": {"Taken"}}
		d.post(foreign+action, form).see(t, action, http.StatusNotFound, "not found")
		if got := d.as("Somebody", scope.Auditor).post(path+action, form); got.status != http.StatusForbidden {
			t.Errorf("%s by an auditor: %d", action, got.status)
		}
	}
	testkit.NoError(t, d.self(value))
}
