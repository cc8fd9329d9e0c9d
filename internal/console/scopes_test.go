package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// ownScope returns a scope that the tenant added.
func (d *visit) ownScope(name string) (s api.Scope, found bool) {
	d.t.Helper()
	list := testkit.Must[api.List[api.Scope]](d.t)(d.As(d.person).Scopes(d.t.Context(), string(d.tenant.ID)))
	i := slices.IndexFunc(list.Items, func(s api.Scope) bool { return s.Name == name })
	if i < 0 {
		return s, false
	}
	return list.Items[i], true
}

func TestAnAdminAddsEditsAndRemovesAScope(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	list := d.at("scopes")
	d.get(list).see(t, "no scope of its own", http.StatusOK, "No scope yet")
	form := url.Values{
		"once": {field(t, d.get(list+"/new"), "once")}, "name": {"rates:read"}, "description": {"Look up rates"},
		"roles": {"admin", "member"},
	}
	for range 2 { // the second time, the form has done its work
		if got := d.post(list+"/new", form); got.location != list+"?did=scope.new" {
			t.Fatalf("add: %d to %q\n%s", got.status, got.location, got.text)
		}
	}
	for name, c := range map[string]struct{ field, value, says string }{
		"a scope that is there": {"name", "rates:read", "has this scope already"},
		"a built-in scope":      {"name", "audit:read", "This scope is built in"},
		"no scope":              {"name", "Rates", "resource:action"},
		"no role":               {"roles", "", `href="#f-roles"`},
	} {
		wrong := url.Values{
			"once": {field(t, d.get(list+"/new"), "once")}, "name": {"rates:write"}, "description": {"Kept"},
			"roles": {"admin"},
		}
		wrong.Set(c.field, c.value)
		if c.value == "" {
			wrong.Del(c.field)
		}
		page := d.post(list+"/new", wrong)
		page.see(t, name, http.StatusUnprocessableEntity, c.says)
		page.see(t, name, http.StatusUnprocessableEntity, "Kept")
	}

	path := list + "/rates:read"
	page := d.get(path + "/edit")
	page.see(t, "the form", http.StatusOK, "Look up rates")
	edit := url.Values{"version": {field(t, page, "version")}, "description": {"Rates"}, "roles": {"auditor"}}
	if got := d.post(path+"/edit", edit); got.location != list+"?did=scope.edit" {
		t.Errorf("edit: %d to %q\n%s", got.status, got.location, got.text)
	}
	if s, _ := d.ownScope("rates:read"); s.Description != "Rates" || !slices.Equal(s.Roles, []api.Role{"auditor"}) {
		t.Errorf("the scope is %+v", s)
	}
	edit.Set("description", "Overwritten")
	d.post(path+"/edit", edit).see(t, "a stale form", http.StatusUnprocessableEntity, "Overwritten")
	edit.Del("version")
	d.post(path+"/edit", edit).see(t, "no version", http.StatusUnprocessableEntity, "was changed since")
	if s, _ := d.ownScope("rates:read"); s.Description != "Rates" {
		t.Errorf("the scope is %+v", s)
	}
	d.post(path+"/remove", nil)
	if _, found := d.ownScope("rates:read"); found {
		t.Error("the scope is there")
	}
	d.get(path+"/edit").see(t, "a removed scope", http.StatusNotFound, "not found")
	d.get(list+"/audit:read/edit").see(t, "a built-in scope", http.StatusNotFound, "not found")
}

func TestRemovingAScopeListsTheKeysThatLoseIt(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	for _, name := range []scope.Scope{"rates:read", "bookings:read"} {
		testkit.NoError(t, d.Tenancy.AddScope(t.Context(), principal.Operator(), d.tenant.ID, scope.Entry{Name: name}))
	}
	for name, has := range map[string]string{"Rate watcher": "rates:read", "Booking watcher": "bookings:read"} {
		_, err := d.As(d.person).CreateKey(t.Context(), string(d.tenant.ID), api.CreateKeyRequest{
			Name: name, Scopes: []string{has}, AllApplications: true,
		})
		testkit.NoError(t, err)
	}
	page := d.get(d.at("scopes/rates:read/remove"))
	page.see(t, "the key that has it", http.StatusOK, "Rate watcher")
	page.see(t, "the number", http.StatusOK, "1 key <span")
	if strings.Contains(page.text, "Booking watcher") {
		t.Error("the page lists a key that has the scope not")
	}
}

func TestAFormOfAScopeThatNobodyTouchedChangesNothing(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	testkit.NoError(t, d.Tenancy.AddScope(t.Context(), principal.Operator(), d.tenant.ID, scope.Entry{
		Name: "rates:read", Description: "Look up\nrates & quotes", Roles: []scope.Role{scope.Auditor, scope.Admin},
	}))
	before := d.events()
	path := d.at("scopes/rates:read/edit")
	form := d.untouched(path)
	form.Set("description", strings.ReplaceAll(form.Get("description"), "\n", "\r\n")) // as browsers do
	if got := d.post(path, form); got.location != d.at("scopes?did=scope.edit") {
		t.Errorf("save: %d to %q\n%s", got.status, got.location, got.text)
	}
	if after := d.events(); after != before {
		t.Errorf("%d events, %d before", after, before)
	}
}
