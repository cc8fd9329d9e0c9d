package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const operatorAccounts = "/operator/v1/accounts"

// accountRequest returns a request to create an account, altered by change.
func accountRequest(change func(*api.CreateAccountRequest)) api.CreateAccountRequest {
	o := api.CreateAccountRequest{Name: "Another company", OwnerEmail: "Ann@Claviger.Example", Preset: "standard"}
	change(&o)
	return o
}

func openAccount(t *testing.T, operator *client.Client,
	change func(*api.CreateAccountRequest),
) (o api.CreateAccountResponse) {
	t.Helper()
	if err := operator.Do(t.Context(), http.MethodPost, operatorAccounts, accountRequest(change), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func accountsOf(t *testing.T, operator *client.Client) []api.Account {
	t.Helper()
	var l api.List[api.Account]
	if err := operator.Do(t.Context(), http.MethodGet, operatorAccounts, nil, &l); err != nil {
		t.Fatal(err)
	}
	return l.Items
}

func TestTheOwnerOfAnOpenedAccountComesInByTheLinkOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	operator := h.Operator()
	o := openAccount(t, operator, func(o *api.CreateAccountRequest) { o.Tenant = "First tenant" })
	if got := o.Invitation; got.Email != "Ann@Claviger.Example" || !strings.HasPrefix(*got.URL, h.URL+"/invitations/") {
		t.Errorf("%+v with %s", got, *got.URL)
	}
	if listed := accountsOf(t, operator); len(listed) != 2 || !cmp.Equal(listed[0], o.Account) ||
		listed[1].ID != string(h.Account.ID) {
		t.Errorf("listed %+v, made %+v", listed, o.Account)
	}
	nameless := testkit.Newcomer
	nameless.Name = ""
	testkit.ExpectCode(t, "without a name", testkit.Accepting(t, h, testkit.InvitationToken(o.Invitation), nameless)(),
		api.ValidationFailed)
	ann, s, err := h.Anyone().AcceptInvitation(t.Context(), testkit.InvitationToken(o.Invitation), testkit.Newcomer)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Accounts) != 1 || s.Accounts[0] != (api.AccountMembership{AccountID: o.Account.ID, Role: "owner"}) ||
		len(s.Memberships) != 1 || s.Memberships[0] != (api.Membership{
		TenantID: o.TenantID, AccountID: o.Account.ID,
		Role: "admin",
	}) {
		t.Errorf("signed in as %+v", s)
	}
	if tenant := testkit.Must[api.Tenant](t)(ann.Tenant(t.Context(), o.TenantID)); tenant.Name != "First tenant" ||
		tenant.AccountID != o.Account.ID || tenant.Preset != "standard" {
		t.Errorf("the tenant is %+v", tenant)
	}
	events := testkit.Must[api.List[api.Event]](t)(ann.AccountEvents(t.Context(), o.Account.ID, client.EventFilter{},
		client.Page{}))
	if len(events.Items) != 2 || events.Items[1].Action != "account.create" ||
		events.Items[1].Actor.Type != "operator" ||
		events.Items[0].Action != "member.join" || events.Items[0].Details["account_role"] != "owner" {
		t.Errorf("the trail is %+v", events.Items)
	}
	testkit.ExpectCode(t, "again", testkit.Accepting(t, h, testkit.InvitationToken(o.Invitation), testkit.Newcomer)(),
		api.LinkInvalid)
}

func TestAKnownPersonBecomesOwnerByTheirOwnPassword(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	o := openAccount(t, h.Operator(),
		func(o *api.CreateAccountRequest) { o.OwnerEmail, o.OwnerName = h.Owner.Email, "Somebody else" })
	testkit.ExpectCode(t, "another password",
		testkit.Accepting(t, h, testkit.InvitationToken(o.Invitation),
			api.AcceptInvitationRequest{Password: "another horse battery staple"})(),
		api.SignInFailed)
	_, s, err := h.Anyone().AcceptInvitation(t.Context(), testkit.InvitationToken(o.Invitation),
		api.AcceptInvitationRequest{Password: testkit.Password})
	if err != nil || *s.User.Name != h.Owner.Name || len(s.Accounts) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

// The operator's name of the account is kept where the owner gives none. With some presets keys do
// not expire.
func TestAnAccountBeginsAsItsPresetSays(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for preset, expires := range map[policy.Preset]bool{
		policy.Standard: true, policy.LoadRunner: true, policy.BlazeMeter: false, policy.Blazeauth: false,
		policy.Blancco: false,
	} {
		o := openAccount(t, h.Operator(), func(o *api.CreateAccountRequest) {
			o.OwnerEmail = string(preset) + "@claviger.example"
			o.OwnerName = "The Owner"
			o.Preset = api.Preset(preset)
		})
		owner, s, err := h.Anyone().AcceptInvitation(t.Context(), testkit.InvitationToken(o.Invitation),
			api.AcceptInvitationRequest{Password: testkit.Password})
		if err != nil || *s.User.Name != "The Owner" {
			t.Fatalf("%s: %+v, %v", preset, s, err)
		}
		tenant := testkit.Must[api.Tenant](t)(owner.Tenant(t.Context(), o.TenantID))
		if tenant.Preset != api.Preset(string(preset)) || tenant.Name != "Another company" {
			t.Errorf("the tenant is %+v", tenant)
		}
		k, err := owner.CreateKey(t.Context(), o.TenantID,
			api.CreateKeyRequest{Name: "First key", Scopes: []string{"*"}, AllApplications: true})
		if err != nil {
			t.Fatal(err)
		}
		if days := k.Key.EffectiveExpiresAt.Sub(k.Key.CreatedAt).Hours() / 24; (days == 90) != expires ||
			(days == 3650) == expires {
			t.Errorf("%s: keys expire after %v days", preset, days)
		}
	}
}

func TestARefusedOpeningLeavesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	const good = `{"name":"Another company","owner_email":"ann@claviger.example","preset":"standard"}`
	for change, want := range map[string]string{
		`"Another company">"ab"`:                       "name too_short",
		`"Another company">"a\u202ebc"`:                "name character",
		`"ann@claviger.example">"ann"`:                 "owner_email form",
		`"standard">"other"`:                           "preset unknown",
		`"standard">"standard","tenant":"ab"`:          "tenant too_short",
		`"standard">"standard","owner_name":"ab"`:      "owner_name too_short",
		`"standard">"standard","number":7`:             "number unknown",
		`"standard">"standard","preset":"blancco"`:     "code malformed_request",
		`"Another company">["Another company"]`:        "name type",
		`"name":"Another company">"Name":"No company"`: "Name unknown",
	} {
		from, to, _ := strings.Cut(change, ">")
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, h.Operator(), http.MethodPost, operatorAccounts,
				strings.Replace(good, from, to, 1))); got != want {
			t.Errorf("%s: %s, want %s", change, got, want)
		}
	}
	if all := accountsOf(t, h.Operator()); len(all) != 1 {
		t.Errorf("there are %+v", all)
	}
}

func TestAUserWhomTheOperatorDisablesIsRefusedAtOnceUntilTheyAreEnabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	session := h.As(person)
	key := h.With(h.Key(session, tenant, "applications:read"))
	testkit.Must[api.Whoami](t)(key.Whoami(t.Context())) // its facts are cached now
	operator := h.Operator()
	turn := func(user, status string) (u api.User) {
		t.Helper()
		if err := operator.Do(t.Context(), http.MethodPatch, "/operator/v1/users/"+user,
			api.UpdateUserRequest{Status: api.Status(status)},
			&u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	for range 2 { // the second time there is nothing to do
		if u := turn(strings.ToUpper(person.Email), "disabled"); u.Status != "disabled" || u.ID != string(person.ID) ||
			u.Email != person.Email {
			t.Errorf("%+v", u)
		}
	}
	_, err := key.Whoami(t.Context())
	testkit.ExpectCode(t, "the key of one who is disabled", err, api.APIKeyDisabled)
	_, err = session.Whoami(t.Context())
	testkit.ExpectCode(t, "their session", err, api.SessionEnded)
	if u := turn(string(person.ID), "active"); u.Status != "active" {
		t.Errorf("%+v", u)
	}
	testkit.Must[api.Whoami](t)(key.Whoami(t.Context()))
	_, err = session.Whoami(t.Context())
	testkit.ExpectCode(t, "the session that was ended", err, api.SessionEnded)
	for path, want := range map[string]api.Code{
		"nobody@claviger.example": api.NotFound, "usr_nobody": api.NotFound,
		"%00@claviger.example": api.NotFound, "": api.NotFound,
	} {
		testkit.ExpectCode(t, path,
			operator.Do(t.Context(), http.MethodPatch, "/operator/v1/users/"+path,
				api.UpdateUserRequest{Status: "disabled"},
				nil), want)
	}
	testkit.ExpectCode(t, "another state",
		operator.Do(t.Context(), http.MethodPatch, "/operator/v1/users/"+string(person.ID),
			api.UpdateUserRequest{Status: "gone"}, nil), api.ValidationFailed)
}

func TestTheOperatorsAPIIsServedToNobodyElse(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for _, base := range []string{h.URL, h.AdminURL} {
		for _, path := range []string{operatorAccounts, "/operator/v1/audit"} {
			testkit.ExpectCode(t, base+path, testkit.Client(t, base).Do(t.Context(), http.MethodGet, path, nil, nil),
				api.NotFound)
		}
	}
	testkit.ExpectCode(t, "the management API there",
		h.Operator().Do(t.Context(), http.MethodGet, "/api/v1/whoami", nil, nil),
		api.NotFound)
}

// Each request of the operator leaves a line in the log that names the operator.
func TestTheOperatorIsInTheLog(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	since := len(h.Log.String())
	accountsOf(t, h.Operator())
	if line := testkit.RequestLogLines(t, h, since, true); len(line) != 1 || !strings.Contains(line[0],
		"route=/operator/v1/accounts status=200") || !strings.Contains(line[0], "caller=operator") {
		t.Errorf("the log says %q", line)
	}
}

func TestOnlyAnOldTenantIsOpenedToPasswordsAndOnlyByTheOperator(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	set := func(allowed bool) error {
		return h.Operator().Do(t.Context(), http.MethodPut, "/operator/v1/tenants/"+string(tenant.ID),
			api.TenantOperatorSettings{LegacyPassword: allowed}, nil)
	}
	isOpen := func(want bool) {
		t.Helper()
		if got := testkit.Must[api.Tenant](t)(h.As(h.Owner).Tenant(t.Context(),
			string(tenant.ID))).Settings.LegacyPassword; got != want {
			t.Errorf("open to passwords: %t, want %t", got, want)
		}
	}
	restart := func(before time.Time) {
		h.Config.LegacyPasswordBefore = config.Date(before.Format(time.DateOnly))
		h.Restart()
	}
	err := set(true)
	testkit.ExpectCode(t, "without a day", err, api.Conflict)
	if !strings.Contains(err.Error(), "legacy_password_before") {
		t.Errorf("it does not name the setting: %v", err)
	}
	restart(tenant.CreatedAt)
	testkit.ExpectCode(t, "on the day", set(true), api.Conflict)
	isOpen(false)
	restart(tenant.CreatedAt.Add(policy.Day))
	for range 2 { // the second time there is nothing to do
		testkit.ExpectCode(t, "before the day", set(true), "")
		isOpen(true)
	}
	events := testkit.Must[api.List[api.Event]](t)(h.As(h.Owner).TenantEvents(t.Context(), string(tenant.ID),
		client.EventFilter{}, client.Page{}))
	if last := events.Items[0]; len(events.Items) != 2 || last.Action != "tenant.edit" ||
		last.Actor.Type != "operator" || last.Details["legacy_password"] != "true" {
		t.Errorf("the trail is %+v", events.Items)
	}
	patch := `{"settings":{"legacy_password":false}}`
	if got := testkit.FieldErrors(t,
		testkit.SendBody(t, h.As(h.Owner), http.MethodPatch, "/api/v1/tenants/"+string(tenant.ID),
			patch)); got != "settings.… unknown" {
		t.Errorf("by the owner: %s", got)
	}
	restart(tenant.CreatedAt.Add(-policy.Day))
	isOpen(true)
	testkit.ExpectCode(t, "closing", set(false), "")
	isOpen(false)
	testkit.ExpectCode(t, "an unknown tenant",
		h.Operator().Do(t.Context(), http.MethodPut, "/operator/v1/tenants/ten_x", api.TenantOperatorSettings{}, nil),
		api.NotFound)
}
