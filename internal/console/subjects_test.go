package console_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func (d *visit) subjects() []api.Subject {
	d.t.Helper()
	list, err := d.As(d.person).Subjects(d.t.Context(), string(d.tenant.ID), client.SubjectFilter{}, client.Page{})
	return testkit.Must[api.List[api.Subject]](d.t)(list, err).Items
}

func (d *visit) newPlan(name string, scopes ...string) {
	d.t.Helper()
	_, err := d.As(d.person).CreatePlan(d.t.Context(), string(d.tenant.ID),
		api.CreatePlanRequest{Name: name, Scopes: scopes, AllApplications: true})
	testkit.NoError(d.t, err)
}

// newScopes replaces the scopes that the visit's tenant added.
func (d *visit) newScopes(names ...string) {
	d.t.Helper()
	var own []api.NewScope
	for _, name := range names {
		own = append(own, api.NewScope{Name: name})
	}
	_, err := d.As(d.person).ReplaceScopes(d.t.Context(), string(d.tenant.ID), own)
	testkit.NoError(d.t, err)
}

func (d *visit) keyOfSubject(s api.Subject, scopes ...string) api.IssuedKey {
	d.t.Helper()
	return testkit.Must[api.IssuedKey](d.t)(d.As(d.person).CreateKey(d.t.Context(), string(d.tenant.ID),
		api.CreateKeyRequest{
			Name: "Key of a subject", Owner: &api.KeyOwner{Type: api.PartySubject, ID: s.ID}, Scopes: scopes,
			AllApplications: true,
		}))
}

func TestAnAdminAddsAndChangesASubject(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.newPlan("starter", "*")
	list := d.at("subjects")
	d.get(list).see(t, "no subject", http.StatusOK, "No subject yet")
	form := url.Values{
		"once": {field(t, d.get(list+"/new"), "once")}, "external_id": {" cus_9077 "}, "name": {"Baltic Lines"},
		"plan": {"starter"}, "metadata": {`{"region": "north",}`},
	}
	d.post(list+"/new", form).see(t, "no JSON", http.StatusUnprocessableEntity, `href="#f-metadata"`)
	form.Set("metadata", `{"region": "north", "seats": 3}`)
	for range 2 { // the second time, the form has done its work
		got := d.post(list+"/new", form)
		d.get(got.location).see(t, "the subject", http.StatusOK, "cus_9077")
	}
	s := d.subjects()
	if len(s) != 1 || s[0].ExternalID != "cus_9077" || *s[0].Plan != "starter" {
		t.Fatalf("%+v", s)
	}
	form.Set("once", field(t, d.get(list+"/new"), "once"))
	d.post(list+"/new", form).see(t, "a taken ID", http.StatusUnprocessableEntity, "Use that one, or another id.")

	path := list + "/" + s[0].ID
	before := d.events()
	for _, page := range []string{"/edit", "/plan"} {
		d.post(path+page, d.untouched(path+page)).see(t, page+" untouched", http.StatusSeeOther, "")
	}
	if n := d.events(); n != before {
		t.Errorf("untouched forms made %d events", n-before)
	}
	form = d.untouched(path + "/edit")
	stale := form.Get("version")
	form.Set("name", "Baltic Lines 2")
	form.Set("metadata", `{"seats": null}`)
	if got := d.post(path+"/edit", form); got.location != path+"?did=subject.edit" {
		t.Fatalf("edit: %d to %q\n%s", got.status, got.location, got.text)
	}
	if s := d.subjects()[0]; *s.Name != "Baltic Lines 2" || string(s.Metadata) != `{"seats":null}` {
		t.Errorf("%+v with %s", s, s.Metadata)
	}
	form.Set("version", stale)
	d.post(path+"/edit", form).see(t, "a stale form", http.StatusUnprocessableEntity, "was changed since")
	d.post(path+"/plan", url.Values{"plan": {""}, "version": {stale}}).see(t, "a stale form",
		http.StatusUnprocessableEntity, "was changed since")
}

func TestSubjectsAreFoundByIDPlanAndName(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.newPlan("starter", "*")
	for id, plan := range map[string]string{"cus_1": "starter", "cus_10": "", "acme": "starter"} {
		_, err := d.As(d.person).CreateSubject(t.Context(), string(d.tenant.ID),
			api.CreateSubjectRequest{ExternalID: id, Name: "Name of " + id, Plan: plan})
		testkit.NoError(t, err)
	}
	for query, want := range map[string]string{
		"external_id=cus_1": "cus_1", "plan=starter": "acme cus_1", "q=acme": "acme", "q=name": "acme cus_1 cus_10",
		"q=name&plan=starter": "acme cus_1", "external_id=none": "", "plan=-": "cus_10", "plan=-&q=acme": "",
		"plan=-&external_id=cus_1": "",
	} {
		page := d.get(d.at("subjects") + "?" + query)
		for _, id := range []string{"acme", "cus_1", "cus_10"} {
			shown := strings.Contains(page.text, "Name of "+id+"<")
			if found := strings.Contains(" "+want+" ", " "+id+" "); shown != found {
				t.Errorf("%s: shows %s: %v", query, id, shown)
			}
		}
		page.see(t, query, http.StatusOK, "Clear the filters")
	}
}

func TestASubjectMovesToAPlanAndItsKeysFollow(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.newScopes("rates:read", "rates:set")
	d.newPlan("starter", "rates:read")
	s := d.newSubject("cus_1", "")
	k := d.keyOfSubject(s, "rates:read", "rates:set")
	path := d.at("subjects/" + s.ID)
	d.get(path).see(t, "the page", http.StatusOK, "Key of a subject")
	form := d.untouched(path + "/plan")
	form.Set("plan", "none-such")
	d.post(path+"/plan", form).see(t, "no such plan", http.StatusUnprocessableEntity, "The tenant has no such plan.")
	form.Set("plan", "starter")
	d.post(path+"/plan", form).see(t, "move", http.StatusSeeOther, "")
	who := testkit.Must[api.Whoami](t)(d.With(k).Whoami(t.Context()))
	if got := strings.Join(who.Scopes, " "); got != "rates:read" {
		t.Errorf("the key may use %s", got)
	}
}

func TestASubjectIsDisabledEnabledAndDeletedWithItsKeys(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.newScopes("rates:read")
	s := d.newSubject("cus_1", "")
	k := d.keyOfSubject(s, "rates:read")
	path := d.at("subjects/" + s.ID)
	d.get(path+"/disable").see(t, "before", http.StatusOK, "1 API key")
	d.post(path+"/disable", nil)
	if code := testkit.WhoamiCode(t, d.With(k)); code != api.APIKeyDisabled {
		t.Errorf("its key is %q", code)
	}
	if got := d.post(path+"/enable", nil); got.location != path+"?did=subject.enable" {
		t.Errorf("enable: %d to %q", got.status, got.location)
	}
	if code := testkit.WhoamiCode(t, d.With(k)); code != "" {
		t.Errorf("its key is %q", code)
	}
	d.get(path).see(t, "the history", http.StatusOK, "disabled the subject")
	d.get(path+"/delete").see(t, "before", http.StatusOK, "1 API key")
	if got := d.post(path+"/delete", nil); got.location != d.at("subjects")+"?did=subject.delete" {
		t.Errorf("delete: %d to %q", got.status, got.location)
	}
	if code := testkit.WhoamiCode(t, d.With(k)); code != api.APIKeyRevoked {
		t.Errorf("its key is %q", code)
	}
	d.get(path).see(t, "a deleted subject", http.StatusNotFound, "not found")
}

func TestSubjectsAreExportedWithTheFilterOfTheListAndWithoutFormulas(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	c := d.As(d.person)
	for i := range 230 {
		_, err := c.CreateSubject(t.Context(), string(d.tenant.ID), api.CreateSubjectRequest{
			ExternalID: fmt.Sprintf("cus_%d", i), Name: "=cmd()", Metadata: json.RawMessage(`{"n":1}`),
		})
		testkit.NoError(t, err)
	}
	file := d.get(d.at("subjects.csv"))
	file.see(t, "the file", http.StatusOK, "external_id")
	rows := testkit.Must[[][]string](t)(csv.NewReader(strings.NewReader(file.text)).ReadAll())
	if len(rows) != 231 || rows[0][1] != "external_id" || rows[1][1] != "cus_229" || rows[230][1] != "cus_0" ||
		rows[1][2] != "'=cmd()" || rows[1][4] != "active" || rows[1][6] != `{"n":1}` {
		t.Errorf("%d rows: %v", len(rows), rows[:2])
	}
	if kind := file.header.Get("Content-Type"); kind != "text/csv; charset=utf-8" {
		t.Errorf("the file is %s", kind)
	}
	one := d.get(d.at("subjects.csv?external_id=cus_7")).text
	if strings.Count(one, "\n") != 2 || !strings.Contains(one, "cus_7,") {
		t.Errorf("with a filter:\n%s", one)
	}
	d.get(d.at("subjects?external_id=cus_7")).see(t, "the list", http.StatusOK, "subjects.csv?external_id=cus_7")
}
