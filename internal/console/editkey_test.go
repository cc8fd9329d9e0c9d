package console_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/usage"
)

// scopedVisit is newVisit in a tenant with scopes, of which bookings:void is for admins, and with a
// key that has the others. It also returns the path of the key.
func scopedVisit(t testing.TB) (*visit, string) {
	t.Helper()
	d := newVisit(t, unlimited)
	for name, roles := range map[scope.Scope][]scope.Role{
		"bookings:create": {scope.Admin, scope.Member}, "bookings:read": {scope.Admin, scope.Member},
		"bookings:void": {scope.Admin},
	} {
		testkit.NoError(t, d.Tenancy.AddScope(t.Context(), principal.Operator(), d.tenant.ID,
			scope.Entry{Name: name, Roles: roles}))
	}
	k := d.Key(d.As(d.person), d.tenant, "bookings:create", "bookings:read")
	return d, d.at("keys/" + k.Key.ID)
}

func TestAnUntouchedEditFormChangesNothingOfAKey(t *testing.T) {
	t.Parallel()
	d, path := scopedVisit(t)
	before := d.keys()[0]
	form := d.untouched(path + "/edit")
	for name, want := range map[string]string{"access": "keep", "applications": "keep", "expiry": "keep"} {
		if form.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, form.Get(name), want)
		}
	}
	if got := d.post(path+"/edit", form); got.location != path+"?did=key.edit" {
		t.Fatalf("%d to %q\n%s", got.status, got.location, got.text)
	}
	if d.keys()[0].Version != before.Version || d.accountEvents("key.edit") != 0 {
		t.Errorf("the key was %+v, and is %+v", before, d.keys()[0])
	}
}

func TestAnOwnerChangesScopesAndMetadataOfTheirKey(t *testing.T) {
	t.Parallel()
	d, path := scopedVisit(t)
	edit := path + "/edit"
	d.get(edit).see(t, "a scope for admins", http.StatusOK, `value="bookings:void" disabled`)
	form := d.untouched(edit + "?drop=bookings:create")
	form.Set("metadata", `{"team": "rates", "big": 12345678901234567890}`)
	if got := d.post(edit, form); got.status != http.StatusSeeOther {
		t.Fatalf("%d\n%s", got.status, got.text)
	}
	k := d.keys()[0]
	if !slices.Equal(k.Scopes, []string{"bookings:read"}) ||
		string(k.Metadata) != `{"big":12345678901234567890,"team":"rates"}` {
		t.Errorf("the key has %v and %s", k.Scopes, k.Metadata)
	}
	form = d.untouched(edit)
	form.Set("metadata", "")
	d.post(edit, form)
	if m := string(d.keys()[0].Metadata); m != "{}" {
		t.Errorf("metadata that was removed is %s", m)
	}

	for name, c := range map[string]struct{ field, value, more, says string }{
		"no object":          {"metadata", "[1]", "", `href="#f-metadata"`},
		"broken metadata":    {"metadata", `{"a":`, "", `href="#f-metadata"`},
		"a scope for admins": {"access", "some", "bookings:void", `href="#f-scopes"`},
		"no scope":           {"access", "some", "", `href="#f-scopes"`},
		"no application":     {"applications", "some", "", `href="#f-application_ids"`},
	} {
		form := d.untouched(edit)
		form.Set(c.field, c.value)
		form.Del("scope")
		if c.more != "" {
			form.Set("scope", c.more)
		}
		got := d.post(edit, form)
		got.see(t, name, http.StatusUnprocessableEntity, c.says)
	}
	if k := d.keys()[0]; !slices.Equal(k.Scopes, []string{"bookings:read"}) {
		t.Errorf("what was refused changed the scopes to %v", k.Scopes)
	}
}

// A person whose role lost a scope can still rename a key that has it.
func TestAKeyWithAScopeThatItsOwnerLostCanBeRenamed(t *testing.T) {
	t.Parallel()
	d, path := scopedVisit(t)
	_, err := d.As(d.Owner).PutScope(t.Context(), string(d.tenant.ID), "bookings:create",
		api.PutScopeRequest{Roles: []api.Role{"admin"}})
	testkit.NoError(t, err)
	form := d.untouched(path + "/edit")
	form.Set("name", "Renamed")
	if got := d.post(path+"/edit", form); got.status != http.StatusSeeOther {
		t.Fatalf("%d\n%s", got.status, got.text)
	}
	if k := d.keys()[0]; k.Name != "Renamed" || len(k.Scopes) != 2 {
		t.Errorf("%+v", k)
	}
}

func TestTheFindingAboutUnusedScopesLeadsToTheFormWithoutThem(t *testing.T) {
	t.Parallel()
	d, path := scopedVisit(t)
	d.Clock.Move(40 * policy.Day)
	id := ident.KeyID(d.keys()[0].ID)
	testkit.NoError(t, d.Store.RecordUses(t.Context(), []usage.Use{{Key: id, At: d.Clock.Now()}}))
	testkit.NoError(t, d.Store.RecordScopeUses(t.Context(), []usage.ScopeUse{{
		Key: id, Scope: "bookings:read", On: d.Clock.Now(),
	}}))
	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.person)
	d.get(path).see(t, "the finding", http.StatusOK, path+"/edit?drop=bookings%3Acreate")
	admin := d.Member(d.tenant, "Admin", scope.Admin)
	d.person, d.visitor = admin, newVisitor(t, d.URL)
	d.signIn(admin)
	d.get(d.at("health")).see(t, "the health page", http.StatusOK, path+"/edit?drop=bookings%3Acreate")
	page := d.get(path + "/edit?drop=bookings:create")
	for _, text := range []string{`value="bookings:read" checked`, `id="access-some" checked`} {
		page.see(t, "the form", http.StatusOK, text)
	}
	if strings.Contains(page.text, `value="bookings:create" checked`) {
		t.Error("the unused scope is chosen")
	}
}

func TestMetadataIsGivenToANewKeyAndWrongOneIsSaidAtItsField(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	d.post("/settings/keys/new", d.newKey("Rate watcher", "metadata", "nonsense")).
		see(t, "no object", http.StatusUnprocessableEntity, `href="#f-metadata"`)
	d.post("/settings/keys/new", d.newKey("Rate watcher", "metadata", `{"team":"rates"}`)).
		see(t, "an object", http.StatusOK, "clv_ak_")
	if m := string(d.keys()[0].Metadata); m != `{"team":"rates"}` {
		t.Errorf("the key has %s", m)
	}
}
