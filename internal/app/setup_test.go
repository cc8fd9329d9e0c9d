package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestASetUpLinkMakesAnAccountItsOwnerAndAStandardTenantOnce(t *testing.T) {
	t.Parallel()
	h := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	void, token := testkit.SetupToken(t, h), testkit.SetupToken(t, h)
	_, _, err := h.Anyone().SetUp(t.Context(), testkit.SetUpRequest(void))
	testkit.ExpectCode(t, "voided by a newer one", err, api.LinkInvalid)
	founder, s, err := h.Anyone().SetUp(t.Context(), testkit.SetUpRequest(token))
	if err != nil {
		t.Fatal(err)
	}
	if *s.User.Email != "Founder@Claviger.Example" || *s.User.Name != "The Founder" || len(s.Accounts) != 1 ||
		s.Accounts[0].Role != "owner" || len(s.Memberships) != 1 || s.Memberships[0].Role != "admin" {
		t.Fatalf("signed in as %+v", s)
	}
	account := testkit.Must[api.Account](t)(founder.Account(t.Context(), s.Accounts[0].AccountID))
	tenant := testkit.Must[api.Tenant](t)(founder.Tenant(t.Context(), s.Memberships[0].TenantID))
	if account.Name != "New account" || tenant.Name != "New account" || tenant.AccountID != account.ID ||
		tenant.Preset != "standard" || !cmp.Equal(tenant.Settings, testkit.PresetSettings["standard"]) {
		t.Errorf("made %+v and %+v", account, tenant)
	}
	k, err := founder.CreateKey(t.Context(), tenant.ID,
		api.CreateKeyRequest{Name: "First key", Scopes: []string{"*"}, AllApplications: true})
	if err != nil || k.Key.EffectiveExpiresAt == nil || *k.Key.ExpiryReason != "auto_expiry" {
		t.Errorf("a key of the new account: %+v, %v", k.Key, err)
	}
	other, _ := h.OtherAccount("Other Owner")
	_, err = founder.Account(t.Context(), string(other.ID))
	testkit.ExpectCode(t, "another account", err, api.NotFound)
	_, _, err = h.Anyone().SetUp(t.Context(), testkit.SetUpRequest(token))
	testkit.ExpectCode(t, "again", err, api.LinkInvalid)
	events := testkit.Must[api.List[api.Event]](t)(founder.AccountEvents(t.Context(), account.ID, client.EventFilter{},
		client.Page{}))
	if first := events.Items[len(events.Items)-1]; len(events.Items) != 2 || first.Action != "account.create" ||
		*first.Actor.ID != s.User.ID || *first.IP != "127.0.0.1" {
		t.Errorf("the trail begins with %+v", events.Items)
	}
}

func TestASetUpLinkLastsADayAndWorksOnceForThirtyTwoAtOnce(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.StartEmpty(t, e.Config(t))
		token := testkit.SetupToken(t, h)
		h.Clock.Move(24 * time.Hour)
		_, _, err := h.Anyone().SetUp(t.Context(), testkit.SetUpRequest(token))
		testkit.ExpectCode(t, "after a day", err, api.LinkInvalid)
		token = testkit.SetupToken(t, h)
		h.Clock.Move(24*time.Hour - time.Minute)
		acts := make([]func() error, 32)
		for i := range acts {
			acts[i] = func() error {
				_, _, err := h.Anyone().SetUp(t.Context(), testkit.SetUpRequest(token))
				return err
			}
		}
		count := testkit.Concurrently(t, acts...)
		if count[""] != 1 || count[""]+count[api.LinkInvalid]+count[api.Unavailable] != len(acts) {
			t.Errorf("%v, want one account", count)
		}
		founder, _, err := h.Anyone().SignIn(t.Context(), "founder@claviger.example", testkit.Password)
		if err != nil {
			t.Fatal(err)
		}
		accounts, tenants := testkit.Must[api.List[api.Account]](t)(founder.Accounts(t.Context(), client.Page{})),
			testkit.Must[api.List[api.Tenant]](t)(founder.Tenants(t.Context(), client.Page{}))
		if len(accounts.Items) != 1 || len(tenants.Items) != 1 || accounts.Items[0].Number != 1 {
			t.Errorf("made %+v and %+v", accounts.Items, tenants.Items)
		}
	})
}

func TestARefusedSetUpLeavesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	token := testkit.SetupToken(t, h)
	const good = `"account":"New account","email":"founder@claviger.example","name":"The Founder",` +
		`"password":"correct horse battery staple"`
	for change, want := range map[string]string{
		`"account":"New account">"account":"ab"`:                                  "account too_short",
		`"account":"New account">"account":"a\u0000bcd"`:                          "account character",
		`"account":"New account",>`:                                               "account too_short",
		`"email":"founder@claviger.example">"email":"founder"`:                    "email form",
		`"email":"founder@claviger.example">"email":["founder@claviger.example"]`: "email type",
		`"name":"The Founder">"name":"ab"`:                                        "name too_short",
		`"password":"correct horse battery staple">"password":"short"`:            "password too_short",
		`"name":"The Founder">"name":"The Founder","preset":"blancco"`:            "preset unknown",
		`"account":"New account">"account":"ab","account":"New account"`:          "code malformed_request",
	} {
		from, to, _ := strings.Cut(change, ">")
		body := `{"token":"` + token + `",` + strings.Replace(good, from, to, 1) + `}`
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, h.Anyone(), http.MethodPost, "/api/v1/setup", body)); got != want {
			t.Errorf("%s: %s, want %s", change, got, want)
		}
	}
	_, _, err := h.Anyone().SignIn(t.Context(), "founder@claviger.example", testkit.Password)
	testkit.ExpectCode(t, "nobody was made", err, api.SignInFailed)
	person := h.Person("A Known Person")
	known := testkit.SetUpRequest(token)
	known.Email, known.Password = person.Email, "another horse battery staple"
	_, _, err = h.Anyone().SetUp(t.Context(), known)
	testkit.ExpectCode(t, "a known person with another password", err, api.SignInFailed)
	known.Password, known.Name = testkit.Password, "Mallory"
	_, s, err := h.Anyone().SetUp(t.Context(), known)
	if err != nil || s.User.ID != string(person.ID) || *s.User.Name != person.Name || len(s.Accounts) != 1 {
		t.Errorf("a known person: %+v, %v", s, err)
	}
	tenants := testkit.Must[api.List[api.Tenant]](t)(h.As(person).Tenants(t.Context(), client.Page{}))
	if len(tenants.Items) != 1 || tenants.Items[0].Number != 1 {
		t.Fatalf("what was refused was numbered: %+v", tenants.Items)
	}
	if account := testkit.Must[api.Account](t)(h.As(person).Account(t.Context(),
		tenants.Items[0].AccountID)); account.Number != 1 {
		t.Errorf("what was refused was numbered: %+v", account)
	}
}

func TestASetUpLinkThatIsUsedUpTellsNothingOfAnyone(t *testing.T) {
	t.Parallel()
	h := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	token, person := testkit.SetupToken(t, h), h.Person("A Known Person")
	_, _, err := h.Anyone().SetUp(t.Context(), testkit.SetUpRequest(token))
	testkit.ExpectCode(t, "the first time", err, "")
	for email, password := range map[string]string{
		person.Email: "another horse battery staple", "founder@claviger.example": testkit.Password,
		"nobody@claviger.example": "short",
	} {
		n := testkit.SetUpRequest(token)
		n.Email, n.Password = email, password
		_, _, err := h.Anyone().SetUp(t.Context(), n)
		testkit.ExpectCode(t, email, err, api.LinkInvalid)
	}
}

func TestOnlyTheOperatorMakesASetUpLink(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, who := range map[string]principal.Principal{
		"an owner": principal.OfSession(&principal.Session{User: h.Owner}), "a key": principal.OfKey(&principal.Key{}),
		"nobody": {},
	} {
		if _, _, err := h.Tenancy.FirstSetupLink(t.Context(), who); err == nil {
			t.Errorf("%s made one", name)
		}
	}
}

// openedByOperator opens an account as `claviger account create` does.
func openedByOperator(t *testing.T, h *testkit.Server) error {
	t.Helper()
	_, err := h.Tenancy.OpenAccount(t.Context(), principal.Operator(), tenancy.AccountSpec{
		Name: "Opened account", OwnerEmail: "owner@claviger.example", Preset: policy.Standard,
	})
	return err
}

func TestASetUpLinkIsVoidOnceThereIsAnAccount(t *testing.T) {
	for how, open := range map[string]func(*testing.T, *testkit.Server) error{
		"by the operator": openedByOperator,
		"with an owner": func(t *testing.T, h *testkit.Server) error {
			t.Helper()
			_, err := h.Accounts.CreateAccount(t.Context(), principal.Operator(), "Opened account",
				h.Person("Account Owner"), true)
			return err
		},
	} {
		t.Run(how, func(t *testing.T) {
			testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
				h := testkit.StartEmpty(t, e.Config(t))
				token := testkit.SetupToken(t, h)
				testkit.NoError(t, open(t, h))
				live := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM links WHERE kind = 'setup' AND expires_at > $1`,
					h.Clock.Now().UnixMicro())
				if live != 0 {
					t.Errorf("%d set-up links are open after an account was opened", live)
				}
				expectSetUpRefused(t, h, token)
				// An earlier version left links open.
				expectSetUpRefused(t, h, testkit.SetupToken(t, h))
			})
		})
	}
}

// expectSetUpRefused fails the test unless neither the link nor its page works.
func expectSetUpRefused(t *testing.T, h *testkit.Server, token string) {
	t.Helper()
	if resp, _ := testkit.Get(t, h.URL+"/setup/"+token); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the page of the link: %s", resp.Status)
	}
	_, _, err := h.Anyone().SetUp(t.Context(), testkit.SetUpRequest(token))
	testkit.ExpectCode(t, "the link", err, api.LinkInvalid)
}

func TestASetUpLinkMakesTheFirstAccountOrNone(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		for range 8 {
			h := testkit.StartEmpty(t, e.Config(t))
			token := testkit.SetupToken(t, h)
			var number int64
			testkit.Concurrently(t, func() error { return openedByOperator(t, h) }, func() error {
				founder, s, err := h.Anyone().SetUp(t.Context(), testkit.SetUpRequest(token))
				if err != nil {
					return err
				}
				a, err := founder.Account(t.Context(), s.Accounts[0].AccountID)
				number = a.Number
				return err
			})
			if number > 1 {
				t.Fatalf("the link made account number %d", number)
			}
		}
	})
}
