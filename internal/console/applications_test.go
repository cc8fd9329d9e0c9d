package console_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// newAdminVisit is newVisit with an admin of the tenant, whom the visit also has as person.
func newAdminVisit(t testing.TB) *visit {
	t.Helper()
	d := newVisit(t, nil)
	d.person = d.Member(d.tenant, "Ada Admin", scope.Admin)
	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.person)
	return d
}

// at returns the path of a page of the visit's tenant.
func (d *visit) at(page string) string { return "/t/" + string(d.tenant.ID) + "/" + page }

func (d *visit) applications() []api.Application {
	d.t.Helper()
	list, err := d.As(d.person).Applications(d.t.Context(), string(d.tenant.ID), client.Page{})
	return testkit.Must[api.List[api.Application]](d.t)(list, err).Items
}

func TestAnAdminAddsChangesDisablesAndDeletesAnApplication(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	list := d.at("applications")
	d.get(list).see(t, "no application", http.StatusOK, "No application yet")
	form := url.Values{"once": {field(t, d.get(list+"/new"), "once")}, "name": {"Bookings"}, "description": {"v2"}}
	for range 2 { // the second time, the form has done its work
		if got := d.post(list+"/new", form); got.location != list+"?did=application.new" {
			t.Fatalf("add: %d to %q\n%s", got.status, got.location, got.text)
		}
	}
	d.get(list).see(t, "the list", http.StatusOK, "Bookings")
	path := list + "/" + d.applications()[0].ID
	d.get(path+"/edit").see(t, "the form", http.StatusOK, `value="Bookings"`)
	edit := d.untouched(path + "/edit")
	edit.Set("name", "x")
	edit.Set("description", "typed")
	d.post(path+"/edit", edit).see(t, "a short name", http.StatusUnprocessableEntity, "typed")
	edit.Set("name", "Bookings 2")
	edit.Set("description", "")
	d.post(path+"/edit", edit)
	edit.Set("name", "Overwritten")
	d.post(path+"/edit", edit).see(t, "a form of before", http.StatusUnprocessableEntity, "was changed since")
	d.get(path+"/disable").see(t, "before it is disabled", http.StatusOK, "application_forbidden")
	d.post(path+"/disable", nil)
	got := d.applications()
	if len(got) != 1 || got[0].Name != "Bookings 2" || got[0].Description != "" || got[0].Status != api.StatusDisabled {
		t.Fatalf("%+v", got)
	}
	d.post(path+"/enable", nil)
	d.get(list).see(t, "the list", http.StatusOK, "Active")
	d.get(path+"/delete").see(t, "before it is deleted", http.StatusOK, "cannot be undone")
	d.post(path+"/delete", nil)
	d.get(path+"/edit").see(t, "a deleted application", http.StatusNotFound, "not found")
}

func TestMembersSeeApplicationsAndChangeNone(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	app := d.Application(d.tenant, "Bookings")
	list := d.at("applications")
	path := list + "/" + string(app.ID)
	page := d.get(list)
	page.see(t, "the list", http.StatusOK, "Bookings")
	for _, form := range []string{list + "/new", path + "/edit", path + "/disable", path + "/delete"} {
		d.get(form).see(t, form, http.StatusForbidden, "Only an admin")
	}
	for _, action := range []string{"/edit", "/disable", "/enable", "/delete"} {
		if got := d.post(path+action, url.Values{"name": {"Renamed"}}); got.status != http.StatusForbidden {
			t.Errorf("%s: %d to %q", action, got.status, got.location)
		}
	}
}
