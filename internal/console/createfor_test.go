package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// newAdminVisitIn is newAdminVisit in a tenant with other settings.
func newAdminVisitIn(t testing.TB, change func(*policy.Settings)) *visit {
	t.Helper()
	d := newVisit(t, change)
	d.person = d.Member(d.tenant, "Ada Admin", scope.Admin)
	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.person)
	return d
}

// stranger returns a browser in which an admin of another tenant is signed in.
func (d *visit) stranger() *visitor {
	d.t.Helper()
	v := newVisitor(d.t, d.URL)
	v.signIn(d.Member(d.Tenant("Other", nil), "Stranger", scope.Admin))
	return v
}

// tenantKeys returns the keys of the visit's tenant.
func (d *visit) tenantKeys() []api.Key {
	d.t.Helper()
	list, err := d.As(d.person).Keys(d.t.Context(), string(d.tenant.ID), client.KeyFilter{}, client.Page{})
	return testkit.Must[api.List[api.Key]](d.t)(list, err).Items
}

func (d *visit) newSubject(externalID, plan string) api.Subject {
	d.t.Helper()
	return testkit.Must[api.Subject](d.t)(d.As(d.person).CreateSubject(d.t.Context(), string(d.tenant.ID),
		api.CreateSubjectRequest{ExternalID: externalID, Name: "Baltic Lines", Plan: plan}))
}

// newKeyFor is the form for a key of an owner, filled in.
func (d *visit) newKeyFor(owner string, more ...string) url.Values {
	d.t.Helper()
	page := d.get(d.at("keys/new") + "?owner=" + owner)
	form := url.Values{
		"once": {field(d.t, page, "once")}, "owner": {field(d.t, page, "owner")}, "name": {"For another"},
		"expiry": {"30"}, "access": {"read"}, "applications": {"all"}, "delivery": {"link"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestAnAdminCreatesAKeyThatOnlyItsOwnerSees(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	owner := d.Member(d.tenant, "Jonas Lindqvist", scope.Member)
	path := d.at("keys/new")
	if list := d.get(d.at("keys")); !strings.Contains(list.text, `href="`+path+`"`) {
		t.Errorf("the list leads to no form for others:\n%s", list.text)
	}
	d.get(path).see(t, "the choice", http.StatusOK, owner.Email)
	d.post(path, url.Values{"owner_type": {"user"}, "person": {"nobody@claviger.example"}}).see(t, "nobody",
		http.StatusUnprocessableEntity, "No member of the tenant has this e-mail address.")
	chosen := d.post(path, url.Values{"owner_type": {"user"}, "person": {strings.ToUpper(owner.Email)}})
	if chosen.location != path+"?owner="+string(owner.ID) {
		t.Fatalf("%d to %q", chosen.status, chosen.location)
	}
	d.get(chosen.location).see(t, "the form", http.StatusOK, "0 of 2 keys in use. Role: member.")
	d.post(path, d.newKeyFor(string(owner.ID), "name", "x", "description", "Kept")).see(t, "a short name",
		http.StatusUnprocessableEntity, "Kept")

	form := d.newKeyFor(string(owner.ID))
	page := d.post(path, form)
	page.see(t, "the link", http.StatusOK, "Pass this link on to Jonas Lindqvist")
	if strings.Contains(page.text, "clv_ak_") {
		t.Error("the admin sees the secret")
	}
	_, token, _ := strings.Cut(page.text, "/claims/")
	token, _, _ = strings.Cut(token, "<")
	again := d.post(path, form)
	again.see(t, "sent again", http.StatusOK, "This link was shown once, when")
	if strings.Contains(again.text, "/claims/") || len(d.tenantKeys()) != 1 {
		t.Errorf("the form did something twice:\n%s", again.text)
	}
	theirs := newVisitor(t, d.URL)
	theirs.signIn(owner)
	theirs.post("/claims/"+token, nil).see(t, "the owner", http.StatusOK, "clv_ak_")
}

func TestAnAdminMaySeeTheSecretOfAMembersKeyOnce(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, func(s *policy.Settings) { s.Disclosure = policy.Recoverable })
	owner := d.Member(d.tenant, "Jonas Lindqvist", scope.Member)
	form := d.newKeyFor(string(owner.ID), "delivery", "direct")
	page := d.post(d.at("keys/new"), form)
	page.see(t, "the secret", http.StatusOK, "It is shown this one time")
	if k := d.tenantKeys()[0]; k.Owner.ID != string(owner.ID) {
		t.Errorf("the key is %+v", k)
	}
	again := d.post(d.at("keys/new"), form)
	again.see(t, "sent again", http.StatusOK, "This secret was shown once, when")
	if strings.Contains(again.text, "clv_ak_") {
		t.Error("the secret is shown again")
	}
}

func TestALinkIsMailedWhereMailWorks(t *testing.T) {
	t.Parallel()
	c := testkit.SQLite.Config(t)
	c.Mail.SMTP, c.Mail.TLS = config.MailServer(testkit.StartMailServer(t).Address), config.NoMailTLS
	d := &visit{Server: testkit.StartIn(t, c)}
	d.tenant = d.Tenant("Shipping API", nil)
	d.person = d.Member(d.tenant, "Ada Admin", scope.Admin)
	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.person)
	form := d.newKeyFor(string(d.Member(d.tenant, "Jonas Lindqvist", scope.Member).ID))
	for range 2 {
		got := d.post(d.at("keys/new"), form)
		if !strings.HasSuffix(got.location, "?did=mailed") || strings.Contains(got.text, "/claims/") {
			t.Fatalf("%d to %q\n%s", got.status, got.location, got.text)
		}
		d.get(got.location).see(t, "the key", http.StatusOK, "gets an e-mail with a link",
			"The link to its secret was mailed to Jonas Lindqvist on")
	}
	path := d.at("keys/" + d.tenantKeys()[0].ID)
	once := url.Values{"once": {strings.Repeat("b", 20)}}
	for range 2 {
		got := d.post(path+"/claim-link", once)
		if got.location != path+"?did=claim-link" {
			t.Fatalf("a new link: %d to %q\n%s", got.status, got.location, got.text)
		}
		d.get(got.location).see(t, "the key", http.StatusOK, "A new link is mailed to the owner.")
	}
	if n := len(d.tenantKeys()); n != 1 {
		t.Errorf("%d keys", n)
	}
}

func TestALostClaimLinkIsReplacedOnThePageOfTheKey(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	owner := d.Member(d.tenant, "Jonas Lindqvist", scope.Member)
	d.post(d.at("keys/new"), d.newKeyFor(string(owner.ID))).see(t, "the link", http.StatusOK, "/claims/")
	path := d.at("keys/" + d.tenantKeys()[0].ID)
	page := d.get(path)
	page.see(t, "the key", http.StatusOK, "Not claimed yet. Ada Admin created the key for Jonas Lindqvist.",
		"New claim link")
	form := url.Values{"once": {field(t, page, "once")}}
	renewed := d.post(path+"/claim-link", form)
	renewed.see(t, "the new link", http.StatusOK, "Pass this link on to Jonas Lindqvist")
	_, token, _ := strings.Cut(renewed.text, "/claims/")
	token, _, _ = strings.Cut(token, "<")
	again := d.post(path+"/claim-link", form)
	again.see(t, "sent again", http.StatusOK, "This link was shown once, when")
	if strings.Contains(again.text, "/claims/") {
		t.Errorf("the form did something twice:\n%s", again.text)
	}
	history := d.get(path)
	history.see(t, "the history", http.StatusOK, "created another claim link")
	if strings.Contains(history.text, "Never expires") || strings.Contains(history.text, `class="lifeline"`) {
		t.Error("a key that nobody can use yet is said to live")
	}
	theirs := newVisitor(t, d.URL)
	theirs.signIn(owner)
	seen := theirs.get(path)
	seen.see(t, "their key", http.StatusOK, "Not claimed yet. Ada Admin created the key for you.",
		"ask an admin of the tenant for a new one")
	if strings.Contains(seen.text, "claim-link") {
		t.Error("the owner is offered a link")
	}
	theirs.post("/claims/"+token, nil).see(t, "the owner", http.StatusOK, "clv_ak_")
	claimed := d.get(path)
	if strings.Contains(claimed.text, "New claim link") || strings.Contains(claimed.text, "Not claimed") {
		t.Errorf("after the claim:\n%s", claimed.text)
	}
	d.post(path+"/claim-link", url.Values{"once": {strings.Repeat("b", 20)}}).see(t, "after the claim",
		http.StatusConflict, "The key has a secret")
}

func TestTheSecretOfAnOwnerOfTheAccountIsForThemAlone(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.Join(d.tenant, d.Owner, scope.Member)
	form := d.newKeyFor(string(d.Owner.ID), "delivery", "direct")
	d.post(d.at("keys/new"), form).see(t, "an admin of the tenant", http.StatusUnprocessableEntity,
		"Only they may see its secret")
	boss := d.AccountMember("Account admin", scope.AccountAdmin)
	d.visitor = newVisitor(t, d.URL)
	d.signIn(boss)
	page := d.get(d.at("keys/new") + "?owner=" + string(d.Owner.ID))
	page.see(t, "an admin of the account", http.StatusOK, "nobody but them may see the secret")
	if strings.Contains(page.text, `value="direct"`) {
		t.Error("the form offers to show the secret")
	}
}

func TestKeysOfMachinesAreShownOnceToTheAdmin(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	c := d.As(d.person)
	testkit.Must[api.List[api.Scope]](t)(c.ReplaceScopes(t.Context(), string(d.tenant.ID),
		[]api.NewScope{{Name: "rates:read"}, {Name: "bookings:read"}}))
	testkit.Must[api.Plan](t)(c.CreatePlan(t.Context(), string(d.tenant.ID),
		api.CreatePlanRequest{Name: "starter", Scopes: []string{"rates:read"}, AllApplications: true}))
	account := testkit.ServiceAccount(t, c, d.tenant, "Customer platform", api.RoleMember)
	subject := d.newSubject("cus_9077", "starter")
	path := d.at("keys/new")
	for name, choice := range map[string]url.Values{
		account.ID: {"owner_type": {"service_account"}, "service_account": {account.ID}},
		subject.ID: {"owner_type": {"subject"}, "external_id": {" cus_9077 "}},
	} {
		if got := d.post(path, choice); got.location != path+"?owner="+name {
			t.Errorf("%v: %d to %q", choice, got.status, got.location)
		}
	}
	d.post(path, url.Values{"owner_type": {"subject"}, "external_id": {"cus_1"}}).see(t, "an unknown subject",
		http.StatusUnprocessableEntity, "no subject with this external ID")
	for owner, scopes := range map[string]string{account.ID: "applications:read", subject.ID: "rates:read"} {
		form := d.newKeyFor(owner, "name", "Key of "+owner[:3])
		form.Del("delivery")
		page := d.get(path + "?owner=" + owner)
		if strings.Contains(page.text, `name="delivery"`) {
			t.Errorf("%s: the form offers a link", owner)
		}
		d.post(path, form).see(t, owner, http.StatusOK, "clv_ak_")
		k := d.tenantKeys()[0]
		if k.Owner.ID != owner || !strings.Contains(strings.Join(k.Scopes, " "), scopes) {
			t.Errorf("the key is %+v with %v", k, k.Scopes)
		}
		if owner == subject.ID && len(k.Scopes) != 1 {
			t.Errorf("a key on the plan has %v", k.Scopes)
		}
	}
}

func TestOwnersOfKeysAreThoseOfTheTenantsSettings(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, func(s *policy.Settings) {
		s.Creators = []policy.Creator{policy.BySelf}
		s.Owners = []ident.PartyType{ident.UserParty, ident.SubjectParty}
	})
	page := d.get(d.at("keys/new"))
	page.see(t, "the choice", http.StatusOK, "your customer, by external ID")
	for _, other := range []string{`value="user"`, `value="service_account"`} {
		if strings.Contains(page.text, other) {
			t.Errorf("the form offers %s", other)
		}
	}
	member := d.Member(d.tenant, "Jonas Lindqvist", scope.Member)
	d.get(d.at("keys/new")+"?owner="+string(member.ID)).see(t, "a member", http.StatusForbidden, "creators")
}

func TestAKeyForSomebodyElseIsCreatedByAdminsAlone(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	owner := d.Member(d.tenant, "Jonas Lindqvist", scope.Member)
	form := d.newKeyFor(string(owner.ID), "delivery", "direct")
	path := d.at("keys/new")
	for who, c := range map[string]struct {
		v      *visitor
		status int
	}{
		"a member":   {d.as("A colleague", scope.Member), http.StatusForbidden},
		"an auditor": {d.as("An auditor", scope.Auditor), http.StatusForbidden},
		"a stranger": {d.stranger(), http.StatusNotFound},
		"nobody":     {newVisitor(t, d.URL), http.StatusUnauthorized},
	} {
		if got := c.v.post(path, form); got.status != c.status {
			t.Errorf("POST by %s: %d, want %d", who, got.status, c.status)
		}
		for _, address := range []string{path, path + "?owner=" + string(owner.ID)} {
			if got := c.v.get(address); who != "nobody" && got.status != c.status {
				t.Errorf("GET by %s: %d, want %d", who, got.status, c.status)
			}
		}
	}
	other := d.Member(d.Tenant("Another", nil), "Elsewhere", scope.Member)
	d.get(path+"?owner="+string(other.ID)).see(t, "somebody of another tenant", http.StatusNotFound, "not found")
	for _, nonsense := range []string{"usr_x", "sva_x", "sub_x", "mgk_x", "system"} {
		d.get(path+"?owner="+nonsense).see(t, nonsense, http.StatusNotFound, "not found")
	}
	own := "/settings/keys/new?tenant=" + string(d.tenant.ID)
	if got := d.get(path + "?owner=" + string(d.person.ID)); got.location != own {
		t.Errorf("a key of one's own: %d to %q", got.status, got.location)
	}
	if n := len(d.tenantKeys()); n != 0 {
		t.Errorf("%d keys", n)
	}
}
