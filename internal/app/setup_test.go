package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func setupLink(t *testing.T, h *testkit.House) string {
	t.Helper()
	_, ticket, err := h.Tenancy.NewSetupLink(t.Context(), principal.Operator())
	if err != nil {
		t.Fatal(err)
	}
	return ticket.Reveal()
}

func newHouse(token string) api.Setup {
	return api.Setup{Token: token, Account: "New house", Email: "Founder@Claviger.Example", Name: "The Founder", Password: testkit.Password}
}

func TestASetUpLinkMakesAnAccountItsOwnerAndAStandardTenantOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	void, token := setupLink(t, h), setupLink(t, h)
	_, _, err := h.Anyone().SetUp(t.Context(), newHouse(void))
	expect(t, "voided by a newer one", err, api.LinkInvalid)
	founder, s, err := h.Anyone().SetUp(t.Context(), newHouse(token))
	if err != nil {
		t.Fatal(err)
	}
	if *s.User.Email != "Founder@Claviger.Example" || *s.User.Name != "The Founder" || len(s.Accounts) != 1 || s.Accounts[0].Role != "owner" || len(s.Memberships) != 1 || s.Memberships[0].Role != "admin" {
		t.Fatalf("signed in as %+v", s)
	}
	account := must[api.Account](t)(founder.Account(t.Context(), s.Accounts[0].AccountID))
	tenant := must[api.Tenant](t)(founder.Tenant(t.Context(), s.Memberships[0].TenantID))
	if account.Name != "New house" || tenant.Name != "New house" || tenant.AccountID != account.ID || tenant.Preset != "standard" || !cmp.Equal(tenant.Settings, presetSettings["standard"]) {
		t.Errorf("made %+v and %+v", account, tenant)
	}
	k, err := founder.CreateKey(t.Context(), tenant.ID, api.NewKey{Name: "First key", Scopes: []string{"*"}, AllApplications: true})
	if err != nil || k.Key.EffectiveExpiresAt == nil || *k.Key.ExpiryReason != "auto_expiry" {
		t.Errorf("a key of the new house: %+v, %v", k.Key, err)
	}
	_, err = founder.Account(t.Context(), string(h.Account.ID))
	expect(t, "another account", err, api.NotFound)
	_, _, err = h.Anyone().SetUp(t.Context(), newHouse(token))
	expect(t, "again", err, api.LinkInvalid)
	events := must[api.List[api.Event]](t)(founder.AccountEvents(t.Context(), account.ID, client.EventFilter{}, client.Page{}))
	if first := events.Items[len(events.Items)-1]; len(events.Items) != 2 || first.Action != "account.create" || *first.Actor.ID != s.User.ID || *first.IP != "127.0.0.1" {
		t.Errorf("the trail begins with %+v", events.Items)
	}
}

func TestASetUpLinkLastsADayAndWorksOnceForThirtyTwoAtOnce(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		token := setupLink(t, h)
		h.Clock.Move(24 * time.Hour)
		_, _, err := h.Anyone().SetUp(t.Context(), newHouse(token))
		expect(t, "after a day", err, api.LinkInvalid)
		token = setupLink(t, h)
		h.Clock.Move(24*time.Hour - time.Minute)
		acts := make([]func() error, 32)
		for i := range acts {
			acts[i] = func() error { _, _, err := h.Anyone().SetUp(t.Context(), newHouse(token)); return err }
		}
		count := atOnce(t, acts...)
		if count[""] != 1 || count[""]+count[api.LinkInvalid]+count[api.Unavailable] != len(acts) {
			t.Errorf("%v, want one account", count)
		}
		founder, _, err := h.Anyone().SignIn(t.Context(), "founder@claviger.example", testkit.Password)
		if err != nil {
			t.Fatal(err)
		}
		accounts, tenants := must[api.List[api.Account]](t)(founder.Accounts(t.Context(), client.Page{})), must[api.List[api.Tenant]](t)(founder.Tenants(t.Context(), client.Page{}))
		if len(accounts.Items) != 1 || len(tenants.Items) != 1 || accounts.Items[0].Number != 2 {
			t.Errorf("made %+v and %+v", accounts.Items, tenants.Items)
		}
	})
}

func TestARefusedSetUpLeavesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	token := setupLink(t, h)
	const good = `"account":"New house","email":"founder@claviger.example","name":"The Founder","password":"correct horse battery staple"`
	for change, want := range map[string]string{
		`"account":"New house">"account":"ab"`:                                    "account too_short",
		`"account":"New house">"account":"a\u0000bcd"`:                            "account character",
		`"account":"New house",>`:                                                 "account too_short",
		`"email":"founder@claviger.example">"email":"founder"`:                    "email form",
		`"email":"founder@claviger.example">"email":["founder@claviger.example"]`: "email type",
		`"name":"The Founder">"name":"ab"`:                                        "name too_short",
		`"password":"correct horse battery staple">"password":"short"`:            "password too_short",
		`"name":"The Founder">"name":"The Founder","preset":"blancco"`:            "preset unknown",
		`"account":"New house">"account":"ab","account":"New house"`:              "code malformed_request",
	} {
		from, to, _ := strings.Cut(change, ">")
		body := `{"token":"` + token + `",` + strings.Replace(good, from, to, 1) + `}`
		if got := fieldsAtFault(t, tell(t, h.Anyone(), http.MethodPost, "/api/v1/setup", body)); got != want {
			t.Errorf("%s: %s, want %s", change, got, want)
		}
	}
	_, _, err := h.Anyone().SignIn(t.Context(), "founder@claviger.example", testkit.Password)
	expect(t, "nobody was made", err, api.SignInFailed)
	known := newHouse(token)
	known.Email, known.Password = h.Owner.Email, "another horse battery staple"
	_, _, err = h.Anyone().SetUp(t.Context(), known)
	expect(t, "a known person with another password", err, api.SignInFailed)
	known.Password, known.Name = testkit.Password, "Mallory"
	_, s, err := h.Anyone().SetUp(t.Context(), known)
	if err != nil || s.User.ID != string(h.Owner.ID) || *s.User.Name != h.Owner.Name || len(s.Accounts) != 2 {
		t.Errorf("a known person: %+v, %v", s, err)
	}
	tenants := must[api.List[api.Tenant]](t)(h.As(h.Owner).Tenants(t.Context(), client.Page{}))
	if len(tenants.Items) != 1 || tenants.Items[0].Number != 1 {
		t.Fatalf("what was refused was numbered: %+v", tenants.Items)
	}
	if account := must[api.Account](t)(h.As(h.Owner).Account(t.Context(), tenants.Items[0].AccountID)); account.Number != 2 {
		t.Errorf("what was refused was numbered: %+v", account)
	}
}

func TestASetUpLinkThatIsUsedUpTellsNothingOfAnyone(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	token := setupLink(t, h)
	_, _, err := h.Anyone().SetUp(t.Context(), newHouse(token))
	expect(t, "the first time", err, "")
	for email, password := range map[string]string{
		h.Owner.Email: "another horse battery staple", "founder@claviger.example": testkit.Password, "nobody@claviger.example": "short",
	} {
		n := newHouse(token)
		n.Email, n.Password = email, password
		_, _, err := h.Anyone().SetUp(t.Context(), n)
		expect(t, email, err, api.LinkInvalid)
	}
}

func TestOnlyTheOperatorMakesASetUpLink(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, who := range map[string]principal.Principal{
		"an owner": principal.OfSession(&principal.Session{User: h.Owner}), "a key": principal.OfKey(&principal.Key{}), "nobody": {},
	} {
		if _, _, err := h.Tenancy.NewSetupLink(t.Context(), who); err == nil {
			t.Errorf("%s made one", name)
		}
	}
}
