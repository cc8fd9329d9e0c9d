package session_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// twoAccounts are two accounts, each with a tenant, and a person who belongs to both.
type twoAccounts struct {
	*testkit.Server
	t           *testing.T
	other       account.Account
	otherOwner  principal.Person
	here, there tenancy.Tenant
	both        principal.Person
}

func newTwoAccounts(t *testing.T, e testkit.Engine) *twoAccounts {
	t.Helper()
	w := &twoAccounts{Server: testkit.Start(t, e), t: t}
	w.other, w.otherOwner = w.OtherAccount("Other Owner")
	w.here = w.Tenant("Here", nil)
	w.there = testkit.Must[tenancy.Tenant](t)(w.Tenancy.CreateTenant(t.Context(), principal.Operator(), w.other.ID,
		"There",
		policy.Standard, nil))
	w.Join(w.there, w.otherOwner, scope.Admin)
	w.Join(w.here, w.Owner, scope.Admin)
	w.both = w.Member(w.here, "Of both", scope.Admin)
	w.Join(w.there, w.both, scope.Admin)
	return w
}

// bounds sets how long sessions last here, and thereby nowhere else.
func (w *twoAccounts) bounds(idleMinutes, absoluteHours int) {
	w.t.Helper()
	testkit.SetPolicy(w.t, w.Server,
		api.UpdatePolicyRequest{SessionIdleMinutes: api.To(idleMinutes), SessionAbsoluteHours: api.To(absoluteHours)})
}

func (w *twoAccounts) boundsThere(idleMinutes, absoluteHours int) {
	w.t.Helper()
	p := api.UpdatePolicyRequest{SessionIdleMinutes: api.To(idleMinutes), SessionAbsoluteHours: api.To(absoluteHours)}
	testkit.Must[api.Policy](w.t)(w.As(w.otherOwner).EditPolicy(w.t.Context(), string(w.other.ID), p))
}

// lives demands where a session lives. here and there are what its tenants answer.
func (w *twoAccounts) lives(when string, c *client.Client, here, there api.Code) {
	w.t.Helper()
	for _, at := range []struct {
		name   string
		tenant tenancy.Tenant
		want   api.Code
	}{{"here", w.here, here}, {"there", w.there, there}} {
		_, err := c.Tenant(w.t.Context(), string(at.tenant.ID))
		if got := testkit.Code(w.t, err); got != at.want {
			w.t.Errorf("%s, %s: %q, want %q", when, at.name, got, at.want)
		}
	}
}

// What has ended does not live again because another account would have let it live.
func TestASessionThatHasEndedDoesNotLiveAgainInAnAccountThatThePersonComesToLater(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newTwoAccounts(t, e)
		ann := w.Member(w.here, "Of one", scope.Member)
		w.bounds(10, 1)
		old := w.As(ann)
		w.Clock.Move(2 * time.Hour)
		w.lives("after its time", old, api.SessionEnded, api.SessionEnded)
		live := w.As(ann)
		w.Join(w.there, ann, scope.Member)
		w.lives("once its person belongs to another account", old, api.SessionEnded, api.SessionEnded)
		w.lives("what had not ended", live, "", "")
		testkit.NoError(t, w.As(w.otherOwner).RemoveMember(t.Context(), string(w.there.ID), string(ann.ID)))

		w.Clock.Move(30 * time.Minute)
		w.Join(w.there, ann, scope.Member)
		_, err := w.As(w.otherOwner).EditMember(t.Context(), string(w.there.ID), string(ann.ID),
			api.UpdateMemberRequest{Status: api.To(api.Status("disabled"))})
		testkit.NoError(t, err)
		old = w.As(ann)
		w.Clock.Move(2 * time.Hour)
		_, err = w.As(w.otherOwner).EditMember(t.Context(), string(w.there.ID), string(ann.ID),
			api.UpdateMemberRequest{Status: api.To(api.Status("active"))})
		testkit.NoError(t, err)
		w.lives("once a membership is enabled", old, api.SessionEnded, api.SessionEnded)
	})
}

func TestASessionThatHasEndedDoesNotLiveAgainInANewAccountOfItsPerson(t *testing.T) {
	t.Parallel()
	w := newTwoAccounts(t, testkit.SQLite)
	ann := w.Member(w.here, "Of one", scope.Member)
	w.bounds(10, 1)
	old := w.As(ann)
	w.Clock.Move(2 * time.Hour)
	_, err := w.Accounts.CreateAccount(t.Context(), principal.Operator(), "A third account", ann, true)
	testkit.NoError(t, err)
	w.lives("once its person owns another account", old, api.SessionEnded, api.SessionEnded)
}

// While a tenant or an account is disabled, its loose policy binds nobody, and the default ends the
// sessions of its people. What ended then does not live again.
func TestASessionThatEndedWhileATenantOrAnAccountWasDisabledStaysEnded(t *testing.T) {
	disable := func(to api.Status) func(*twoAccounts) {
		return func(w *twoAccounts) {
			_, err := w.As(w.Owner).EditTenant(w.t.Context(), string(w.here.ID),
				api.UpdateTenantRequest{Status: api.To(to)})
			testkit.NoError(w.t, err)
		}
	}
	disableAccount := func(disabled bool) func(*twoAccounts) {
		return func(w *twoAccounts) {
			_, err := w.Accounts.SetAccountDisabled(w.t.Context(), principal.Operator(), w.Account.ID, disabled)
			testkit.NoError(w.t, err)
		}
	}
	for _, c := range []struct {
		name            string
		disable, enable func(*twoAccounts)
		// account is set where an account was disabled, so that its admin had no account either.
		account bool
	}{
		{"a tenant", disable(api.StatusDisabled), disable(api.StatusActive), false},
		{"an account", disableAccount(true), disableAccount(false), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
				w := newTwoAccounts(t, e)
				w.bounds(10080, 720)
				member := w.Member(w.here, "Of one", scope.Member)
				ended, endedOfBoth := w.As(member), w.As(w.both)
				endedOfAdmin := w.As(w.AccountMember("An Admin", scope.AccountAdmin))
				w.Clock.Move(6 * time.Hour)
				live, liveThere := w.As(member), w.As(w.both)
				c.disable(w)
				w.Clock.Move(7 * time.Hour)
				if testkit.HasSession(t, ended) || testkit.HasSession(t, endedOfBoth) {
					t.Error("a member: the session has not ended")
				}
				if testkit.HasSession(t, endedOfAdmin) == c.account {
					t.Errorf("an admin of the account: the session has ended: %t", !c.account)
				}
				c.enable(w)
				w.lives("a member, enabled again", ended, api.SessionEnded, api.SessionEnded)
				w.lives("a member of two accounts, enabled again", endedOfBoth, api.SessionEnded, api.SessionEnded)
				w.lives("what had not ended", live, "", api.NotFound)
				w.lives("what had not ended there", liveThere, "", "")
				if testkit.HasSession(t, endedOfAdmin) == c.account {
					t.Errorf("an admin, enabled again: the session has ended: %t", !c.account)
				}
			})
		})
	}
}

// However the policy of one account ends a session, it lives on in the other one as that one lets
// it.
func TestAnAccountsPolicyEndsASessionInThatAccountAlone(t *testing.T) {
	const ended, lives = api.SessionEnded, api.Code("")
	type step func(w *twoAccounts)
	wait := func(d time.Duration) step { return func(w *twoAccounts) { w.Clock.Move(d) } }
	bounds := func(idle, absolute int) step { return func(w *twoAccounts) { w.bounds(idle, absolute) } }
	there := func(idle, absolute int) step { return func(w *twoAccounts) { w.boundsThere(idle, absolute) } }
	for _, c := range []struct {
		name        string
		before      []step
		steps       []step
		here, there api.Code
	}{
		{"the same bounds", nil, []step{wait(time.Hour)}, lives, lives},
		{"idle here", []step{bounds(15, 720)}, []step{wait(time.Hour)}, ended, lives},
		{"idle there", []step{there(15, 720)}, []step{wait(time.Hour)}, lives, ended},
		{"idle in both", []step{bounds(15, 720), there(30, 720)}, []step{wait(time.Hour)}, ended, ended},
		{"not idle here yet", []step{bounds(15, 720)}, []step{wait(14 * time.Minute)}, lives, lives},
		{"old here", []step{bounds(10080, 2)}, []step{wait(2 * time.Hour)}, ended, lives},
		{"old there", []step{there(10080, 2)}, []step{wait(2 * time.Hour)}, lives, ended},
		{"old here, idle there", []step{bounds(10080, 2), there(15, 720)}, []step{wait(3 * time.Hour)}, ended, ended},
		{"looser here than by default", []step{bounds(10080, 720)}, []step{wait(13 * time.Hour)}, lives, ended},
		{"tightened while it was idle", nil, []step{wait(time.Hour), bounds(15, 720)}, ended, lives},
		{"tightened when it is old", nil, []step{wait(3 * time.Hour), bounds(10080, 2)}, ended, lives},
		{
			"loosened after it was idle for too long",
			[]step{bounds(15, 720)},
			[]step{wait(time.Hour), bounds(10080, 720)},
			ended, lives,
		},
		{
			"loosened after it was too old",
			[]step{bounds(10080, 1)},
			[]step{wait(2 * time.Hour), bounds(10080, 720)},
			ended, lives,
		},
		{
			"loosened in time",
			[]step{bounds(15, 720)},
			[]step{wait(5 * time.Minute), bounds(10080, 720), wait(time.Hour)},
			lives, lives,
		},
		{"the strict account came later", nil, []step{bounds(15, 1), wait(time.Hour)}, ended, lives},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
				w := newTwoAccounts(t, e)
				for _, s := range c.before {
					s(w)
				}
				session := w.As(w.both)
				for _, s := range c.steps {
					s(w)
				}
				w.lives("at first", session, c.here, c.there)
				w.lives("seen again at once", session, c.here, c.there)
				w.Clock.Move(2 * time.Minute)
				w.lives("seen again later", session, c.here, c.there)
				w.bounds(10080, 720)
				w.boundsThere(10080, 720)
				w.lives("whatever the policies become", session, c.here, c.there)
				if want := c.here == lives || c.there == lives; testkit.HasSession(t, session) != want {
					t.Errorf("signed in at all: %t", !want)
				}
				w.lives("signed in again", w.As(w.both), lives, lives)
			})
		})
	}
}

// What is refused, and what is left out, where a session has ended in one account.
func TestASessionThatEndedInAnAccountSeesAndDoesNothingThere(t *testing.T) {
	w := newTwoAccounts(t, testkit.SQLite)
	testkit.Must[api.Member](t)(w.As(w.Owner).SetAccountMember(t.Context(), string(w.Account.ID), string(w.both.ID),
		"admin"))
	w.bounds(15, 720)
	session := w.As(w.both)
	k, elsewhere := w.Key(session, w.here, "applications:read"), w.Key(session, w.there, "applications:read")
	testkit.Must[api.Account](t)(session.Account(t.Context(), string(w.Account.ID)))
	plain := w.Member(w.here, "Key Owner", scope.Admin)
	_, token := testkit.KeyByLink(t, w.As(plain), w.here, w.both, nil)
	w.Clock.Move(time.Hour)
	tenant := "/api/v1/tenants/" + string(w.here.ID)
	account := "/api/v1/accounts/" + string(w.Account.ID)
	for _, c := range []struct{ method, path, body string }{
		{"GET", tenant, ""},
		{"PATCH", tenant, `{"name":"Other name"}`},
		{"GET", tenant + "/keys", ""},
		{"GET", tenant + "/keys/" + k.Key.ID, ""},
		{"POST", tenant + "/keys", `{"name":"A new key","scopes":["applications:read"],"all_applications":true}`},
		{"POST", tenant + "/keys/" + k.Key.ID + "/refresh", `{}`},
		{"POST", tenant + "/keys/" + k.Key.ID + "/revoke", ""},
		{"DELETE", tenant + "/keys/" + k.Key.ID, ""},
		{"GET", tenant + "/key-health", ""},
		{"GET", tenant + "/members", ""},
		{"POST", tenant + "/members", `{"email":"new@claviger.example","role":"member"}`},
		{"DELETE", tenant + "/members/me", ""},
		{"GET", tenant + "/applications", ""},
		{"POST", tenant + "/applications", `{"name":"An application"}`},
		{"GET", tenant + "/scopes", ""},
		{"GET", tenant + "/audit", ""},
		{"GET", account, ""},
		{"PATCH", account, `{"name":"Other name"}`},
		{"GET", account + "/policy", ""},
		{"PATCH", account + "/policy", `{"session_idle_minutes":10080}`},
		{"GET", account + "/members", ""},
		{"PUT", account + "/members/" + string(w.both.ID), `{"role":"admin"}`},
		{"GET", account + "/audit", ""},
		{
			"POST", "/api/v1/tenants",
			`{"name":"New tenant","preset":"standard","account_id":"` + string(w.Account.ID) + `"}`,
		},
		{"POST", "/api/v1/claims/" + token, ""},
	} {
		if got := testkit.Code(t, testkit.SendBody(t, session, c.method, c.path, c.body)); got != api.SessionEnded {
			t.Errorf("%s %s: %q", c.method, c.path, got)
		}
	}

	tenants := testkit.Must[api.List[api.Tenant]](t)(session.Tenants(t.Context(), client.Page{}))
	accounts := testkit.Must[api.List[api.Account]](t)(session.Accounts(t.Context(), client.Page{}))
	keys := testkit.Must[api.List[api.OwnKey]](t)(session.OwnKeys(t.Context(), client.KeyFilter{}, client.Page{}))
	if len(tenants.Items) != 1 || tenants.Items[0].ID != string(w.there.ID) {
		t.Errorf("tenants: %+v", tenants.Items)
	}
	if len(accounts.Items) != 1 || accounts.Items[0].ID != string(w.other.ID) {
		t.Errorf("accounts: %+v", accounts.Items)
	}
	if len(keys.Items) != 1 || keys.Items[0].ID != elsewhere.Key.ID {
		t.Errorf("keys: %+v", keys.Items)
	}
	var now api.Session
	testkit.NoError(t, session.Do(t.Context(), http.MethodGet, "/api/v1/session", nil, &now))
	if len(now.Accounts) != 0 || len(now.Memberships) != 1 || !slices.Equal(now.EndedAccounts,
		[]string{string(w.Account.ID)}) {
		t.Errorf("the session: %+v", now)
	}
	d := testkit.Must[api.Decision](t)(session.Verify(t.Context(),
		api.VerifyRequest{Credential: k.Credential.Value}))
	if d.Active {
		t.Error("a key of the account is verified")
	}
	if d := testkit.Must[api.Decision](t)(session.Verify(t.Context(),
		api.VerifyRequest{Credential: elsewhere.Credential.Value})); !d.Active {
		t.Errorf("a key of the other account is %s", d.Code)
	}
	// Without a name, nothing is done in an account that was not meant.
	if got := testkit.Code(t,
		testkit.SendBody(t, session, "POST", "/api/v1/tenants",
			`{"name":"New tenant","preset":"standard"}`)); got != api.ValidationFailed {
		t.Errorf("a tenant in no account that is named: %q", got)
	}
	testkit.Must[api.Whoami](t)(session.Whoami(t.Context()))
	testkit.Must[api.IssuedKey](t)(w.As(w.both).ClaimKey(t.Context(), token))
}

// A session ends when the accounts of its person say, not when one that they joined, or left,
// would.
func TestASessionGoesByTheAccountsThatItsPersonBelongsToNow(t *testing.T) {
	t.Parallel()
	w := newTwoAccounts(t, testkit.SQLite)
	w.bounds(10080, 1)
	p := w.Member(w.here, "Joins later", scope.Member)
	session := w.As(p)
	began := w.Clock.Now()
	var now api.Session
	testkit.NoError(t, session.Do(t.Context(), http.MethodGet, "/api/v1/session", nil, &now))
	if now.ExpiresAt.Sub(began.Add(time.Hour)).Abs() > time.Minute {
		t.Errorf("a session of %v ends at %v", began, now.ExpiresAt)
	}
	w.Join(w.there, p, scope.Member)
	w.Clock.Move(2 * time.Hour)
	w.lives("joined another account", session, api.SessionEnded, "")
	list := testkit.Must[api.List[api.SessionInfo]](t)(session.Sessions(t.Context(), client.Page{}))
	if len(list.Items) != 1 ||
		list.Items[0].ExpiresAt.Sub(began.Add(policy.DefaultSessions.Absolute)).Abs() > time.Minute {
		t.Errorf("listed are %+v", list.Items)
	}
	testkit.NoError(t, w.As(w.otherOwner).RemoveMember(t.Context(), string(w.there.ID), string(p.ID)))
	if testkit.HasSession(t, session) {
		t.Error("a session lives in no account")
	}
	fresh := w.As(p)
	testkit.NoError(t, w.As(w.Owner).RemoveMember(t.Context(), string(w.here.ID), string(p.ID)))
	if !testkit.HasSession(t, fresh) {
		t.Error("a session of a person of no account has ended")
	}
}
