package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func (d *visit) tenants() []api.Tenant {
	d.t.Helper()
	list, err := d.As(d.person).Tenants(d.t.Context(), client.Page{})
	return testkit.Must[api.List[api.Tenant]](d.t)(list, err).Items
}

func TestAnOwnerCreatesATenantFromAPresetOrLikeAnother(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	list := d.inAccount("tenants")
	d.get(list).see(t, "the list", http.StatusOK, "Shipping API")
	form := d.untouched(list + "/new")
	form.Set("name", "Load tests")
	form.Set("preset", "loadrunner")
	for range 2 { // the second time, the form has done its work
		if got := d.post(list+"/new", form); got.location != list+"?did=tenant.new" {
			t.Fatalf("create: %d to %q\n%s", got.status, got.location, got.text)
		}
	}
	if all := d.tenants(); len(all) != 2 || all[0].Preset != "loadrunner" || all[0].Name != "Load tests" {
		t.Fatalf("the tenants are %+v", all)
	}

	form = d.untouched(list + "/new")
	form.Set("name", "Partner portal")
	form.Set("preset", "copy")
	form.Set("copy_settings_from", d.tenants()[0].ID)
	d.post(list+"/new", form)
	if all := d.tenants(); len(all) != 3 || all[0].Settings.Style != "client" || all[0].Preset != "loadrunner" {
		t.Errorf("the tenants are %+v", all)
	}
	for name, c := range map[string]struct{ field, value, says string }{
		"a short name": {"name", "x", `href="#f-name"`},
		"no preset":    {"preset", "esperanto", `href="#f-preset"`},
		"no tenant":    {"copy_settings_from", "ten_00000000000000000", `href="#f-copy_settings_from"`},
	} {
		form := d.untouched(list + "/new")
		form.Set("name", "Kept name")
		if c.field == "copy_settings_from" {
			form.Set("preset", "copy")
		}
		form.Set(c.field, c.value)
		d.post(list+"/new", form).see(t, name, http.StatusUnprocessableEntity, c.says)
	}
	if all := d.tenants(); len(all) != 3 {
		t.Errorf("%d tenants", len(all))
	}
}

func TestATenantOfAnotherAccountIsNeitherListedNorCopied(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	other, foreigner := d.OtherAccount("Foreigner")
	_, err := d.Accounts.SetAccountMember(t.Context(), principal.Operator(), other.ID, d.Owner.ID,
		scope.AccountAdmin, "")
	testkit.NoError(t, err)
	foreign, err := d.Tenancy.CreateTenant(t.Context(), principal.Operator(), other.ID, "Foreign tenant",
		policy.Standard, nil)
	testkit.NoError(t, err)
	page := d.get(d.inAccount("tenants"))
	page.see(t, "the list", http.StatusOK, "Shipping API")
	if strings.Contains(page.text, "<small>"+string(foreign.ID)) {
		t.Error("the list has the tenant of another account")
	}
	form := d.untouched(d.inAccount("tenants/new"))
	form.Set("name", "Copied")
	form.Set("preset", "copy")
	form.Set("copy_settings_from", string(foreign.ID))
	d.post(d.inAccount("tenants/new"), form).see(t, "a foreign one", http.StatusUnprocessableEntity,
		"The account has no such tenant.")
	v := newVisitor(t, d.URL)
	v.signIn(foreigner)
	v.get(d.inAccount("tenants")).see(t, "a foreigner", http.StatusNotFound, "not found")
}

func (d *visit) owners() map[string]api.Role {
	d.t.Helper()
	list, err := d.As(d.Owner).AccountMembers(d.t.Context(), string(d.Account.ID), client.Page{})
	roles := map[string]api.Role{}
	for _, m := range testkit.Must[api.List[api.Member]](d.t)(list, err).Items {
		roles[m.User.ID] = m.Role
	}
	return roles
}

func TestAnOwnerAddsChangesAndRemovesAnAdminByEMail(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	list := d.inAccount("people")
	person := d.Member(d.tenant, "Priya Raman", scope.Member)
	stranger := d.Person("Stranger")
	form := d.untouched(list)
	form.Set("email", stranger.Email)
	page := d.post(list, form)
	page.see(t, "a stranger", http.StatusUnprocessableEntity, "No member of a tenant of this account")
	page.see(t, "a stranger", http.StatusUnprocessableEntity, stranger.Email)
	form.Set("email", "  "+person.Email+" ")
	form.Set("role", "admin")
	for range 2 { // the second time, the form has done its work
		if got := d.post(list, form); got.location != list+"?did=owner.new" {
			t.Fatalf("add: %d to %q\n%s", got.status, got.location, got.text)
		}
	}
	form = d.untouched(list)
	form.Set("email", person.Email)
	form.Set("role", "owner")
	d.post(list, form).see(t, "who has a role", http.StatusUnprocessableEntity, "has a role in the account already")
	if d.owners()[string(person.ID)] != "admin" {
		t.Errorf("the roles are %v", d.owners())
	}

	path := list + "/" + string(person.ID)
	form = d.untouched(path + "/role")
	form.Set("role", "owner")
	if got := d.post(path+"/role", form); got.location != list+"?did=owner.role" {
		t.Errorf("change: %d to %q\n%s", got.status, got.location, got.text)
	}
	form.Set("role", "admin")
	d.post(path+"/role", form).see(t, "a stale form", http.StatusUnprocessableEntity, "The role was changed since")
	if d.owners()[string(person.ID)] != "owner" {
		t.Errorf("the roles are %v", d.owners())
	}
	d.get(path+"/remove").see(t, "the question", http.StatusOK, "stays a member of its tenants")
	d.post(path+"/remove", nil)
	if _, found := d.owners()[string(person.ID)]; found {
		t.Errorf("the roles are %v", d.owners())
	}
	d.get(path+"/role").see(t, "who has no role", http.StatusNotFound, "not found")

	own := list + "/" + string(d.Owner.ID)
	d.post(own+"/remove", nil).see(t, "the last owner", http.StatusConflict, "last owner")
	form = d.untouched(own + "/role")
	form.Set("role", "admin")
	d.post(own+"/role", form).see(t, "the last owner", http.StatusUnprocessableEntity, "last owner")
}

func TestAnAdminOfTheAccountMakesAndChangesNoOwner(t *testing.T) {
	t.Parallel()
	d := newOwnerVisit(t)
	person := d.Member(d.tenant, "Priya Raman", scope.Member)
	admin := newVisitor(t, d.URL)
	admin.signIn(d.AccountMember("Account Admin", scope.AccountAdmin))
	list := d.inAccount("people")
	page := admin.get(list)
	f, _ := formTo(t, page, list)
	f.Fields.Set("email", person.Email)
	f.Fields.Set("role", "owner")
	admin.post(list, f.Fields).see(t, "an owner", http.StatusUnprocessableEntity, "Only an owner of the account")
	admin.post(list+"/"+string(d.Owner.ID)+"/remove", url.Values{}).see(t, "remove an owner", http.StatusForbidden,
		"Only an owner")
	if roles := d.owners(); len(roles) != 2 || roles[string(d.Owner.ID)] != "owner" {
		t.Errorf("the roles are %v", roles)
	}
}
