package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func (d *visit) serviceAccounts() []api.ServiceAccount {
	d.t.Helper()
	list, err := d.As(d.person).ServiceAccounts(d.t.Context(), string(d.tenant.ID), client.Page{})
	return testkit.Must[api.List[api.ServiceAccount]](d.t)(list, err).Items
}

func TestAnAdminCreatesAndChangesAServiceAccount(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	steward := d.Member(d.tenant, "Mei-Ling Chu", scope.Member)
	list := d.at("service-accounts")
	d.get(list).see(t, "no service account", http.StatusOK, "No service account yet")
	form := url.Values{
		"once": {field(t, d.get(list+"/new"), "once")}, "name": {"Customer platform"}, "description": {"Back end"},
		"role": {"member"}, "stewards": {"nobody@claviger.example\n" + steward.Email},
	}
	wrong := d.post(list+"/new", form)
	wrong.see(t, "an unknown steward", http.StatusUnprocessableEntity, "nobody@claviger.example.")
	form.Set("stewards", strings.ToUpper(steward.Email))
	form.Set("role", "admin")
	d.post(list+"/new", form).see(t, "the role admin", http.StatusUnprocessableEntity, "Only an owner or admin of the")
	form.Set("role", "member")
	for range 2 { // the second time, the form has done its work
		got := d.post(list+"/new", form)
		d.get(got.location).see(t, "the service account", http.StatusOK, "Mei-Ling Chu")
	}
	if n := len(d.serviceAccounts()); n != 1 {
		t.Fatalf("%d service accounts", n)
	}
	a := d.serviceAccounts()[0]
	path := list + "/" + a.ID
	d.get(list).see(t, "the list", http.StatusOK, "Customer platform")

	before := d.events()
	form = d.untouched(path + "/edit")
	d.post(path+"/edit", form).see(t, "untouched", http.StatusSeeOther, "")
	if n := d.events(); n != before {
		t.Errorf("an untouched form made %d events", n-before)
	}
	stale := url.Values{"name": {"Stale"}, "role": {"member"}, "version": form["version"]}
	form.Set("name", "Customer platform 2")
	form.Set("stewards", "")
	if got := d.post(path+"/edit", form); got.location != path+"?did=service-account.edit" {
		t.Errorf("edit: %d to %q", got.status, got.location)
	}
	d.post(path+"/edit", stale).see(t, "a stale form", http.StatusUnprocessableEntity, "was changed since")
	stale.Del("version")
	d.post(path+"/edit", stale).see(t, "a form without a version", http.StatusUnprocessableEntity, "was changed since")
	if a := d.serviceAccounts()[0]; a.Name != "Customer platform 2" || len(a.Stewards) != 0 {
		t.Errorf("%+v", a)
	}
}

func TestServiceAccountsWithoutAStewardAreListedAlone(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	c := d.As(d.person)
	testkit.ServiceAccount(t, c, d.tenant, "Alone", api.RoleMember)
	looked := testkit.ServiceAccount(t, c, d.tenant, "Looked after", api.RoleMember)
	stewards := []string{string(d.person.ID)}
	_, err := c.EditServiceAccount(t.Context(), string(d.tenant.ID), looked.ID,
		api.UpdateServiceAccountRequest{Stewards: api.To(stewards)})
	testkit.NoError(t, err)
	list := d.at("service-accounts")
	page := d.get(list + "?show=no-steward")
	page.see(t, "those without", http.StatusOK, ">Alone</a>", "Clear the filters")
	if strings.Contains(page.text, ">Looked after</a>") {
		t.Error("one with a steward is listed")
	}
	d.get(list).see(t, "all", http.StatusOK, ">Looked after</a>", list+"?show=no-steward")
}

func TestAServiceAccountIsDisabledEnabledAndDeletedWithItsKeys(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	c := d.As(d.person)
	a := testkit.ServiceAccount(t, c, d.tenant, "Customer platform", api.RoleMember)
	k := testkit.KeyOfServiceAccount(t, c, d.tenant, a, "applications:read")
	path := d.at("service-accounts/" + a.ID)
	page := d.get(path)
	page.see(t, "the page", http.StatusOK, "Key of a service account")
	page.see(t, "the page", http.StatusOK, `href="`+d.at("keys/new")+"?owner="+a.ID+`"`)
	d.get(path+"/disable").see(t, "before", http.StatusOK, "1 API key")
	d.post(path+"/disable", nil)
	if code := testkit.WhoamiCode(t, d.With(k)); code != api.APIKeyDisabled {
		t.Errorf("its key is %q", code)
	}
	if got := d.post(path+"/enable", nil); got.location != path+"?did=service-account.enable" {
		t.Errorf("enable: %d to %q", got.status, got.location)
	}
	if code := testkit.WhoamiCode(t, d.With(k)); code != "" {
		t.Errorf("its key is %q", code)
	}
	for _, change := range []string{"created", "disabled", "enabled"} {
		d.get(path).see(t, "the history", http.StatusOK, "<b>You</b> "+change+" the service account")
	}
	d.get(path+"/delete").see(t, "before", http.StatusOK, "<code>Customer platform</code>")
	d.post(path+"/delete", url.Values{"sure": {"Customer"}}).see(t, "another name", http.StatusUnprocessableEntity,
		"Type Customer platform to say that you are sure.")
	if code := testkit.WhoamiCode(t, d.With(k)); code != "" {
		t.Errorf("its key is %q", code)
	}
	got := d.post(path+"/delete", url.Values{"sure": {"Customer platform"}})
	if got.location != d.at("service-accounts")+"?did=service-account.delete" {
		t.Errorf("delete: %d to %q", got.status, got.location)
	}
	if code := testkit.WhoamiCode(t, d.With(k)); code != api.APIKeyRevoked {
		t.Errorf("its key is %q", code)
	}
	d.get(path).see(t, "a deleted service account", http.StatusNotFound, "not found")
}
