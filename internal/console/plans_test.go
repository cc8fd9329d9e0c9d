package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func (d *visit) plans() []api.Plan {
	d.t.Helper()
	list, err := d.As(d.person).Plans(d.t.Context(), string(d.tenant.ID), client.Page{})
	return testkit.Must[api.List[api.Plan]](d.t)(list, err).Items
}

func TestAnAdminCreatesChangesAndDeletesAPlan(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.newScopes("rates:read", "rates:set")
	app := d.Application(d.tenant, "Rates")
	list := d.at("plans")
	d.get(list).see(t, "no plan", http.StatusOK, "No plan yet")
	form := d.untouched(list + "/new")
	for name, c := range map[string]struct{ field, value, says string }{
		"a capital":        {"name", "Starter", `href="#f-name"`},
		"no scope":         {"scope", "", `href="#f-access"`},
		"a built-in scope": {"scope", "keys:verify", `href="#f-access"`},
		"no application":   {"applications", "some", `href="#f-applications"`},
	} {
		form["name"], form["scope"] = []string{"starter"}, []string{"rates:read"}
		form["applications"] = []string{"all"}
		form.Set(c.field, c.value)
		if c.value == "" {
			form.Del(c.field)
		}
		d.post(list+"/new", form).see(t, name, http.StatusUnprocessableEntity, c.says)
	}
	form["name"], form["scope"] = []string{"new"}, []string{"rates:read", "rates:set"} // a name like that of a page
	form["applications"], form["application"] = []string{"some"}, []string{string(app.ID)}
	for range 2 { // the second time, the form has done its work
		if got := d.post(list+"/new", form); got.location != list+"?did=plan.new" {
			t.Fatalf("create: %d to %q\n%s", got.status, got.location, got.text)
		}
	}
	d.get(list).see(t, "the list", http.StatusOK, `<span class="tag">rates:set</span>`)
	form.Set("once", field(t, d.get(list+"/new"), "once"))
	d.post(list+"/new", form).see(t, "a taken name", http.StatusUnprocessableEntity, `href="#f-name"`)

	path := list + "/new"
	s := d.newSubject("cus_1", "new")
	k := d.keyOfSubject(s, "rates:read", "rates:set")
	d.newScopes("rates:read") // the plan keeps the other one
	before := d.events()
	d.post(path+"/edit", d.untouched(path+"/edit")).see(t, "untouched", http.StatusSeeOther, "")
	if n := d.events(); n != before {
		t.Errorf("an untouched form made %d events", n-before)
	}
	d.newScopes("rates:read", "rates:set")
	d.get(path+"/edit").see(t, "the form", http.StatusOK, "On the plan: 1 subject.")
	form = d.untouched(path + "/edit")
	stale := form.Get("version")
	form["scope"], form["applications"] = []string{"rates:read"}, []string{"all"}
	effect := d.post(path+"/edit", form)
	effect.see(t, "the effect", http.StatusOK, "1 key loses <code>rates:set</code> at once.")
	if strings.Join(d.plans()[0].Scopes, " ") != "rates:read rates:set" {
		t.Errorf("the plan is changed before its effect was seen: %+v", d.plans()[0])
	}
	form.Set("previewed", field(t, effect, "previewed"))
	form["scope"] = []string{"rates:set"}
	d.post(path+"/edit", form).see(t, "another effect", http.StatusOK, "1 key loses <code>rates:read</code> at once.")
	form["scope"] = []string{"rates:read"}
	d.post(path+"/edit", form).see(t, "edit", http.StatusSeeOther, "")
	who := testkit.Must[api.Whoami](t)(d.With(k).Whoami(t.Context()))
	if got := strings.Join(who.Scopes, " "); got != "rates:read" || !d.plans()[0].AllApplications {
		t.Errorf("the key may use %s; the plan is %+v", got, d.plans()[0])
	}
	form.Set("version", stale)
	form["scope"] = []string{"rates:set"}
	d.post(path+"/edit", form).see(t, "a stale form", http.StatusUnprocessableEntity, "was changed since")

	d.get(path+"/delete").see(t, "before", http.StatusOK, "1 subject")
	d.post(path+"/delete", nil).see(t, "a plan in use", http.StatusConflict, "1 subject has this plan.")
	d.post(d.at("subjects/"+s.ID+"/delete"), nil)
	if got := d.post(path+"/delete", nil); got.location != list+"?did=plan.delete" || len(d.plans()) != 0 {
		t.Errorf("delete: %d to %q; %+v", got.status, got.location, d.plans())
	}
}

func TestPlansAreListedInPages(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	for i := range 51 {
		d.newPlan("p"+strings.Repeat("x", i), "*")
	}
	page := d.get(d.at("plans"))
	_, next, found := strings.Cut(page.text, `href="`+d.at("plans")+`?after=`)
	if !found {
		t.Fatalf("no next page:\n%s", page.text)
	}
	cursor, _, _ := strings.Cut(next, `"`)
	last := d.get(d.at("plans") + "?" + url.Values{"after": {cursor}}.Encode())
	last.see(t, "the next page", http.StatusOK, "p"+strings.Repeat("x", 50)+"</code>")
	if strings.Contains(last.text, "<code>px</code>") {
		t.Error("the next page repeats the first")
	}
}
