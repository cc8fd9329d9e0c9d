package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

var numbers = regexp.MustCompile(`<span class="num">([^<]*)</span>`)

// numbersBeside returns the numbers in the row of a table that begins with an object.
func numbersBeside(t *testing.T, page shown, object string) string {
	t.Helper()
	_, row, found := strings.Cut(page.text, ">"+object+"<")
	if !found {
		t.Fatalf("no row of %s:\n%s", object, page.text)
	}
	row, _, _ = strings.Cut(row, "</tr>")
	var list []string
	for _, m := range numbers.FindAllStringSubmatch(row, -1) {
		list = append(list, m[1])
	}
	return strings.Join(list, " ")
}

func TestListsSayHowManyKeysHaveAScopeAnApplicationOrAPlan(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, testkit.UnlimitedKeys)
	d.newScopes("rates:read", "rates:set")
	rates, tracking := d.Application(d.tenant, "Rates"), d.Application(d.tenant, "Tracking")
	d.newPlan("starter", "rates:read", "rates:set")
	d.newPlan("unused", "*")
	one := d.newSubject("cus_1", "starter")
	d.newSubject("cus_2", "starter")
	d.keyOfSubject(one, "rates:read")
	d.keyOfSubject(one, "rates:set")
	create := func(scopes []string, apps ...string) api.IssuedKey {
		return testkit.Must[api.IssuedKey](t)(d.As(d.person).CreateKey(t.Context(), string(d.tenant.ID),
			api.CreateKeyRequest{
				Name: "Counted", Scopes: scopes, AllApplications: len(apps) == 0, ApplicationIDs: apps,
			}))
	}
	create([]string{"rates:read"}, string(rates.ID))
	create([]string{"rates:read"}, string(rates.ID), string(tracking.ID))
	create([]string{"*"})
	gone := create([]string{"rates:read", "rates:set"}, string(rates.ID))
	_, err := d.As(d.person).RevokeKey(t.Context(), string(d.tenant.ID), gone.Key.ID, "")
	testkit.NoError(t, err)
	for path, want := range map[string]map[string]string{
		"plans":        {"starter": "2 2", "unused": "0 0"},
		"applications": {"Rates": "2", "Tracking": "1"},
		"scopes":       {"rates:read": "3", "rates:set": "1"},
	} {
		page := d.get(d.at(path))
		for object, n := range want {
			if got := numbersBeside(t, page, object); got != n {
				t.Errorf("%s of %s: %q, want %q", object, path, got, n)
			}
		}
	}
	losing := d.get(d.at("scopes/rates:set/remove"))
	losing.see(t, "a scope of one key", http.StatusOK, "1 key")
	if strings.Contains(losing.text, gone.Key.PublicID) {
		t.Error("a revoked key loses a scope")
	}
}

func TestMembersDoNotLearnHowManyKeysThereAre(t *testing.T) {
	t.Parallel()
	d := newVisit(t, func(s *policy.Settings) { s.Visibility = policy.SeeAll })
	d.Application(d.tenant, "Rates")
	for _, path := range []string{"applications", "scopes"} {
		page := d.get(d.at(path))
		if page.status != http.StatusOK || strings.Contains(page.text, `scope="col">Keys<`) {
			t.Errorf("%s: %d with numbers of keys", path, page.status)
		}
	}
}

func TestListsOfPeopleMachinesAndCustomersAreSearchedByBeginningsOfWords(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.Member(d.tenant, "Priya Raman", scope.Member)
	testkit.ServiceAccount(t, d.As(d.person), d.tenant, "Nightly Terraform", api.RoleMember)
	testkit.ServiceAccount(t, d.As(d.person), d.tenant, "Billing", api.RoleMember)
	d.newSubject("cus-baltic-1", "")
	d.newSubject("cus-nordic-2", "")
	for path, c := range map[string]struct{ query, found, not string }{
		"members":          {"raman", ">Priya Raman<", "Ada Admin (you)"},
		"service-accounts": {"TERRA", ">Nightly Terraform<", ">Billing<"},
		"subjects":         {"cus nord", "cus-nordic-2", "cus-baltic-1"},
	} {
		page := d.get(d.at(path + "?q=" + strings.ReplaceAll(c.query, " ", "+")))
		page.see(t, path, http.StatusOK, c.found)
		if strings.Contains(page.text, c.not) {
			t.Errorf("%s: %q finds %q", path, c.query, c.not)
		}
		none := d.get(d.at(path + "?q=erraform"))
		if none.status != http.StatusOK || strings.Contains(none.text, c.found) {
			t.Errorf("%s: the middle of a word finds something", path)
		}
	}
	d.get(d.at("members?q=zebra")).see(t, "nobody", http.StatusOK, "Nothing matches “zebra”.")
}

func TestAPersonSearchesTheirOwnKeys(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, testkit.UnlimitedKeys)
	d.namedKeys("Nightly export", "Laptop")
	if strings.Contains(d.get("/settings/keys").text, `role="search" aria-label="Keys"`) {
		t.Error("a list of two keys has a search")
	}
	page := d.get("/settings/keys?q=night")
	page.see(t, "a word", http.StatusOK, "Nightly export")
	if strings.Contains(page.text, ">Laptop<") {
		t.Error("the search finds another key")
	}
	d.get("/settings/keys?q=nghtly").see(t, "a typing error", http.StatusOK, "No key matches “nghtly”.")
}

func TestKeysAreListedByTheManagementKeyThatCreatedThem(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, testkit.UnlimitedKeys)
	as, tenant := d.As(d.person), string(d.tenant.ID)
	d.newScopes("rates:read")
	robot := testkit.ServiceAccount(t, as, d.tenant, "Provisioner", api.RoleMember)
	customer := d.newSubject("cus_1", "")
	m := testkit.Must[api.IssuedManagementKey](t)(as.CreateManagementKey(t.Context(), tenant, robot.ID,
		api.CreateManagementKeyRequest{
			Name: "Creator", Permissions: []api.Permission{"keys:read", "keys:create"},
			Owners:   []api.PartyType{api.PartySubject},
			Ceilings: api.ManagementCeilingsRequest{Scopes: []string{"rates:read"}, AllApplications: true},
		}))
	program := d.Anyone().WithKey(*m.Value)
	k := testkit.Must[api.IssuedKey](t)(program.CreateKey(t.Context(), tenant, api.CreateKeyRequest{
		Name: "Made by a program", Owner: &api.KeyOwner{Type: api.PartySubject, ID: customer.ID},
		Scopes: []string{"rates:read"}, AllApplications: true,
	}))
	d.namedKeys("Made by a person")
	page := d.get(d.at("keys?sort=name&created_by=" + m.ID))
	if got := names(page); len(got) != 1 || got[0] != k.Key.Name {
		t.Errorf("the list has %q", got)
	}
	page.see(t, "the list", http.StatusOK, "Clear the filters")
	d.get(d.at("keys?created_by=a%00b")).see(t, "no id", http.StatusUnprocessableEntity, "Use an id.")
	page.see(t, "its owner", http.StatusOK, `<span class="vh">Subject </span><span>Baltic Lines</span>`)
	d.get(d.at("service-accounts/"+robot.ID+"/management-keys/"+m.ID)).see(t, "the management key",
		http.StatusOK, "/keys?created_by="+m.ID)
	d.get(d.at("service-accounts")).see(t, "the service accounts", http.StatusOK, "1 of 5")
}

func TestAPersonWithoutAFreeSlotIsToldWhyThereIsNoButton(t *testing.T) {
	t.Parallel()
	d := newVisit(t, func(s *policy.Settings) { s.KeysPerUser = 1 })
	d.Key(d.As(d.person), d.tenant, "applications:read")
	page := d.get("/settings/keys")
	page.see(t, "my keys", http.StatusOK, "1 of 1 keys in use")
	page.see(t, "my keys", http.StatusOK, "All in use. Revoke one to create another")
	if strings.Contains(page.text, "New API key</a>") {
		t.Error("there is a button for a key that cannot be created")
	}
	k := d.keys()[0]
	_, err := d.As(d.person).RevokeKey(t.Context(), string(d.tenant.ID), k.ID, "replaced")
	testkit.NoError(t, err)
	page = d.get("/settings/keys")
	page.see(t, "a revoked key", http.StatusOK, ": “replaced”")
	page.see(t, "a free slot", http.StatusOK, "New API key</a>")
}

func TestABlockedKeyLeadsToWhatBlocksItAndTheSwitcherKeepsThePage(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.newScopes("rates:read")
	s := d.newSubject("cus_1", "")
	k := d.keyOfSubject(s, "rates:read")
	d.post(d.at("subjects/"+s.ID+"/disable"), nil).see(t, "disable", http.StatusSeeOther, "")
	d.get(d.at("keys/"+k.Key.ID)).see(t, "the key", http.StatusOK, `href="`+d.at("subjects/"+s.ID)+`">Open the subject`)
	other := d.Tenant("Load tests", nil)
	d.Join(other, d.person, scope.Member)
	d.signIn(d.person)
	d.get(d.at("scopes")).see(t, "a page of members", http.StatusOK, `href="/t/`+string(other.ID)+`/scopes"`)
	d.get(d.at("audit")).see(t, "a page of admins", http.StatusOK, `href="/t/`+string(other.ID)+`/keys"`)
}
