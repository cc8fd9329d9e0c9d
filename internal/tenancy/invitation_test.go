package tenancy_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAnInvitationMakesAMemberOnceWithinSevenDays(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	i := testkit.Invite(t, admin, tenant, " Eve@Claviger.Example ", "auditor")
	if i.Email != "Eve@Claviger.Example" || i.Role != "auditor" || !strings.HasPrefix(*i.URL, h.URL+"/invitations/") ||
		i.ID == "" {
		t.Errorf("%+v with %s", i, *i.URL)
	}
	if left := i.ExpiresAt.Sub(h.Clock.Now()); left > 7*24*time.Hour || left < 7*24*time.Hour-time.Minute {
		t.Errorf("it can be accepted for %s", left)
	}
	h.Clock.Move(7*24*time.Hour - time.Minute)
	eve, s, err := h.Anyone().AcceptInvitation(t.Context(), testkit.InvitationToken(i), testkit.Newcomer)
	if err != nil {
		t.Fatal(err)
	}
	if *s.User.Email != "Eve@Claviger.Example" || *s.User.Name != "Eve Newcomer" || len(s.Memberships) != 1 ||
		s.Memberships[0] != (api.Membership{
			TenantID: string(tenant.ID), AccountID: string(h.Account.ID),
			Role: "auditor",
		}) {
		t.Errorf("signed in as %+v", s)
	}
	testkit.Must[api.Tenant](t)(eve.Tenant(t.Context(), string(tenant.ID)))
	testkit.ExpectCode(t, "accepted again", testkit.Accepting(t, h, testkit.InvitationToken(i), testkit.Newcomer)(),
		api.LinkInvalid)
	if _, _, err := h.Anyone().SignIn(t.Context(), "eve@claviger.example", testkit.Password); err != nil {
		t.Errorf("signing in afterwards: %v", err)
	}
	_, err = h.As(h.Owner).Invite(t.Context(), string(tenant.ID),
		api.CreateInvitationRequest{Email: "EVE@claviger.example", Role: "admin"})
	testkit.ExpectCode(t, "inviting a member", err, api.Conflict)

	late := testkit.Invite(t, h.As(h.Owner), tenant, "late@claviger.example", "member")
	h.Clock.Move(7 * 24 * time.Hour)
	testkit.ExpectCode(t, "after seven days",
		testkit.Accepting(t, h, testkit.InvitationToken(late), testkit.Newcomer)(), api.LinkInvalid)
	void, good := testkit.Invite(t, h.As(h.Owner), tenant, "late@claviger.example", "member"),
		testkit.Invite(t, h.As(h.Owner), tenant, "Late@Claviger.Example", "auditor")
	testkit.ExpectCode(t, "voided by a second one",
		testkit.Accepting(t, h, testkit.InvitationToken(void), testkit.Newcomer)(), api.LinkInvalid)
	testkit.ExpectCode(t, "the second one", testkit.Accepting(t, h, testkit.InvitationToken(good), testkit.Newcomer)(),
		"")
}

// However many open the link at once, one of them becomes the member.
func TestAnInvitationIsAcceptedOnceByThirtyTwoAtOnce(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main tenant", nil)
		known := h.Person("Known Person")
		for _, email := range []string{"eve@claviger.example", known.Email} {
			i := testkit.Invite(t, h.As(h.Owner), tenant, email, "member")
			acts := make([]func() error, 32)
			for n := range acts {
				acts[n] = testkit.Accepting(t, h, testkit.InvitationToken(i), testkit.Newcomer)
			}
			count := testkit.Concurrently(t, acts...)
			// Passwords are worked on a few at a time: who waits too long for a turn is told so.
			if count[""] != 1 || count[""]+count[api.LinkInvalid]+count[api.Unavailable] != len(acts) {
				t.Errorf("%s: %v, want one acceptance", email, count)
			}
		}
		if list := testkit.Must[api.List[api.Member]](t)(h.As(h.Owner).Members(t.Context(), string(tenant.ID),
			client.Page{})); len(list.Items) != 2 {
			t.Errorf("%d members, want 2", len(list.Items))
		}
	})
}

// An inviter does not learn who is known to the server: the responses differ only in random values.
func TestInvitingTellsNothingAboutTheAddress(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	known, admin := h.Person("Known Person"), testkit.SessionHeader(t, h, h.Member(tenant, "Tenant Admin", scope.Admin))
	random := regexp.MustCompile(`"lnk_[^"]*"|[\w-]{43}[0-9a-f]{16}|"expires_at":"[^"]*"`)
	answer := func(email string) (int, http.Header, string) {
		status, header, body := testkit.Send(t, h, http.MethodPost, testkit.TenantPath(tenant.ID)+"/members",
			admin.Clone(),
			`{"email":"`+email+`","role":"member"}`)
		header.Del("X-Request-Id")
		header.Del("Date")
		header.Del("Content-Length") // a time that ends in a zero is shorter
		return status, header, random.ReplaceAllString(strings.Replace(string(body), email, "", 1), "")
	}
	status, header, body := answer(known.Email)
	if status != http.StatusCreated || header.Get("Location") != testkit.TenantPath(tenant.ID)+"/members" ||
		strings.Contains(body, known.Name) {
		t.Fatalf("%d %v %s", status, header, body)
	}
	again, headerOfUnknown, bodyOfUnknown := answer("p" + known.Email[1:len(known.Email)-1] + "f") // of the same length
	if again != status || !cmp.Equal(header, headerOfUnknown) || body != bodyOfUnknown {
		t.Errorf("an unknown address answers %d\n%s\n%s\nand %s", again, cmp.Diff(header, headerOfUnknown), body,
			bodyOfUnknown)
	}
}

func TestAKnownPersonAcceptsWithTheirOwnPasswordAndStaysWhoTheyAre(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	known := h.Person("Known Person")
	i := testkit.Invite(t, h.As(h.Owner), tenant, strings.ToUpper(known.Email), "member")
	testkit.ExpectCode(t, "another password",
		testkit.Accepting(t, h, testkit.InvitationToken(i),
			api.AcceptInvitationRequest{Name: "Mallory", Password: "another horse battery staple"})(),
		api.SignInFailed)
	for name, a := range map[string]api.AcceptInvitationRequest{ // a new person gets the same responses
		"a short password": {Name: "Mallory", Password: "short"},
		"no password":      {Name: "Mallory"},
		"no name":          {Password: testkit.Password},
	} {
		testkit.ExpectCode(t, name, testkit.Accepting(t, h, testkit.InvitationToken(i), a)(), api.ValidationFailed)
	}
	_, s, err := h.Anyone().AcceptInvitation(t.Context(), testkit.InvitationToken(i),
		api.AcceptInvitationRequest{Name: "Mallory", Password: testkit.Password})
	if err != nil || s.User.ID != string(known.ID) || *s.User.Name != known.Name || *s.User.Email != known.Email ||
		len(s.Memberships) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	h.As(known) // by the password of before
}

func TestARefusedAcceptanceUsesNothingUp(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Owner)
	i := testkit.Invite(t, owner, tenant, "eve@claviger.example", "member")
	path := "/api/v1/invitations/" + testkit.InvitationToken(i)
	check := testkit.ExpectUnchanged(t, owner, testkit.TenantPath(tenant.ID)+"/members",
		testkit.AccountPath(h.Account.ID)+"/audit")
	for body, want := range map[string]string{
		`{"name":"Eve","password":"short"}`:                                       "password too_short",
		`{"name":"Eve","password":"` + strings.Repeat("x", 257) + `"}`:            "password too_long",
		`{"password":"correct horse battery staple"}`:                             "name too_short",
		`{"name":"E\u202eve","password":"correct horse battery staple"}`:          "name character",
		`{"name":"Eve","password":"short","email":"mallory@claviger.example"}`:    "email unknown",
		`{"name":"Eve","password":"correct horse battery staple","role":"admin"}`: "role unknown",
		`{"name":"Eve","password":["correct horse battery staple"]}`:              "password type",
	} {
		if got := testkit.FieldErrors(t, testkit.SendBody(t, h.Anyone(), http.MethodPost, path, body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	_, _, err := h.Anyone().SignIn(t.Context(), "eve@claviger.example", testkit.Password)
	testkit.ExpectCode(t, "nobody was made", err, api.SignInFailed)
	check()
	testkit.ExpectCode(t, "accepted at last", testkit.Accepting(t, h, testkit.InvitationToken(i), testkit.Newcomer)(),
		"")
}

func TestAnInvitationOfNoOneWhoMayInviteIsInvalid(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Owner)
	h.Member(tenant, "Other Admin", scope.Admin)
	edit := func(p principal.Person, patch api.UpdateMemberRequest) func() error {
		return func() error {
			_, err := owner.EditMember(t.Context(), string(tenant.ID), string(p.ID), patch)
			return err
		}
	}
	for name, unmake := range map[string]func(p principal.Person) func() error{
		"made a member": func(p principal.Person) func() error {
			return edit(p, api.UpdateMemberRequest{Role: api.To(api.Role("member"))})
		},
		"disabled": func(p principal.Person) func() error {
			return edit(p, api.UpdateMemberRequest{Status: api.To(api.Status("disabled"))})
		},
		"removed": func(p principal.Person) func() error {
			return func() error { return owner.RemoveMember(t.Context(), string(tenant.ID), string(p.ID)) }
		},
	} {
		inviter := h.Member(tenant, "The Inviter", scope.Admin)
		i := testkit.Invite(t, h.As(inviter), tenant, "eve@claviger.example", "admin")
		testkit.ExpectCode(t, name, unmake(inviter)(), "")
		testkit.ExpectCode(t, "invited by someone "+name,
			testkit.Accepting(t, h, testkit.InvitationToken(i), testkit.Newcomer)(), api.LinkInvalid)
	}
	boss := h.AccountMember("Account Admin", scope.AccountAdmin)
	byBoss, byOwner := testkit.Invite(t, h.As(boss), tenant, "ann@claviger.example", "member"),
		testkit.Invite(t, owner, tenant, "bob@claviger.example", "member")
	testkit.ExpectCode(t, "unmade", owner.RemoveAccountMember(t.Context(), string(h.Account.ID), string(boss.ID)), "")
	testkit.ExpectCode(t, "invited by who was an account admin",
		testkit.Accepting(t, h, testkit.InvitationToken(byBoss), testkit.Newcomer)(), api.LinkInvalid)

	disable := func(off bool) {
		t.Helper()
		testkit.Must[api.Tenant](t)(owner.EditTenant(t.Context(), string(tenant.ID),
			api.UpdateTenantRequest{Status: api.To(api.Status(status(off)))}))
	}
	disable(true)
	testkit.ExpectCode(t, "into a disabled tenant",
		testkit.Accepting(t, h, testkit.InvitationToken(byOwner), testkit.Newcomer)(), api.LinkInvalid)
	disable(false)
	operate := func(off bool) {
		t.Helper()
		testkit.Must[account.Account](t)(h.Accounts.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID,
			off))
	}
	_, byOperator, err := h.Tenancy.Invite(t.Context(), principal.Operator(), tenant.ID, "cat@claviger.example",
		scope.Member)
	if err != nil {
		t.Fatal(err)
	}
	operate(true)
	testkit.ExpectCode(t, "into a disabled account",
		testkit.Accepting(t, h, testkit.InvitationToken(byOwner), testkit.Newcomer)(), api.LinkInvalid)
	testkit.ExpectCode(t, "into a disabled account, by the operator",
		testkit.Accepting(t, h, byOperator.Reveal(), testkit.Newcomer)(),
		api.LinkInvalid)
	operate(false)
	testkit.ExpectCode(t, "into the account enabled again",
		testkit.Accepting(t, h, testkit.InvitationToken(byOwner), testkit.Newcomer)(), "")
	testkit.ExpectCode(t, "by the operator", testkit.Accepting(t, h, byOperator.Reveal(), testkit.Newcomer)(), "")
}

func TestOneLinkNeverPassesForAnother(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	i := testkit.InvitationToken(testkit.Invite(t, h.As(h.Owner), tenant, "eve@claviger.example", "member"))
	setup := h.SetupLink()
	session := testkit.SessionHeader(t, h, h.Owner).Get("Cookie")
	session = session[strings.IndexByte(session, '=')+1:]
	for name, token := range map[string]string{
		"a set-up link": setup.Reveal(), "a session": session, "junk": "junk", "a long one": strings.Repeat("a", 5000),
		"another tag":   i[:len(i)-1] + testkit.OtherCharacter(i[len(i)-1:]),
		"another token": testkit.OtherCharacter(i[:1]) + i[1:], "cut": i[:58],
	} {
		testkit.ExpectCode(t, name+" as an invitation",
			testkit.SendBody(t, h.Anyone(), http.MethodPost, "/api/v1/invitations/"+token,
				`{"name":"Eve","password":"correct horse battery staple"}`), api.LinkInvalid)
	}
	for name, token := range map[string]string{
		"an invitation": i, "a session": session, "junk": "junk", "nothing": "",
		"a NUL": "\x00",
	} {
		_, _, err := h.Anyone().SetUp(t.Context(),
			api.SetUpRequest{
				Token: token, Account: "Mallory's", Email: "mallory@claviger.example", Name: "Mallory",
				Password: testkit.Password,
			})
		testkit.ExpectCode(t, name+" as a set-up link", err, api.LinkInvalid)
	}
}

func TestAnInvitationSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Owner)
	check := testkit.ExpectUnchanged(t, owner, testkit.TenantPath(tenant.ID)+"/audit")
	email := func(address string) string {
		text, err := json.Marshal(address)
		if err != nil {
			t.Fatal(err)
		}
		return `{"role":"member","email":` + string(text) + `}`
	}
	for body, want := range map[string]string{
		`{"email":"eve@claviger.example"}`:                "role unknown",
		`{"email":"eve@claviger.example","role":"owner"}`: "role unknown",
		`{"role":"member"}`:                               "email form",
		`{}`:                                              "email form, role unknown",
		`{"email":["eve@claviger.example"],"role":"member"}`:                   "email type",
		`{"email":"eve@claviger.example","role":"member","tenant_id":"ten_1"}`: "tenant_id unknown",
		email("eve"):                                          "email form",
		email("Eve <eve@claviger.example>"):                   "email form",
		email("eve@claviger.example, ann@claviger.example"):   "email form",
		email("eve@claviger.example\r\nBcc: ann@x.example"):   "email form",
		email("eve\x00@claviger.example"):                     "email form",
		email("e\u202eve@claviger.example"):                   "email form",
		email("e\u2066ve@claviger.example"):                   "email form",
		email(strings.Repeat("e", 250) + "@claviger.example"): "email form",
	} {
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, owner, http.MethodPost, testkit.TenantPath(tenant.ID)+"/members", body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	check()
}

// ownersInvitation returns the token of an invitation of Eve that makes her an owner of the
// account. Only the operator makes such invitations, for a new account.
func ownersInvitation(t *testing.T, h *testkit.Server, tenant tenancy.Tenant, by principal.Person) string {
	t.Helper()
	i := testkit.Invite(t, h.As(by), tenant, "eve@claviger.example", "admin")
	testkit.Exec(t, h, `UPDATE links SET account_id = $1 WHERE id = $2`, string(h.Account.ID), i.ID)
	again := testkit.Must[api.Invitation](t)(h.As(by).ResendInvitation(t.Context(), string(tenant.ID), i.ID))
	return testkit.InvitationToken(again)
}

func TestOnlyAnInviterWhoIsStillAnOwnerMakesAnOwner(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main tenant", nil)
		inviter := h.AccountMember("Second Owner", scope.AccountOwner)
		token := ownersInvitation(t, h, tenant, inviter)
		set := func(role scope.AccountRole) {
			t.Helper()
			_, err := h.Accounts.SetAccountMember(t.Context(), principal.Operator(), h.Account.ID, inviter.ID, role, "")
			testkit.NoError(t, err)
		}
		set(scope.AccountAdmin) // who still administers the tenant
		testkit.ExpectCode(t, "by an admin of the account", testkit.Accepting(t, h, token, testkit.Newcomer)(),
			api.LinkInvalid)
		h.Join(tenant, inviter, scope.Admin)
		testkit.NoError(t, h.Accounts.RemoveAccountMember(t.Context(), principal.Operator(), h.Account.ID, inviter.ID))
		testkit.ExpectCode(t, "by an admin of the tenant", testkit.Accepting(t, h, token, testkit.Newcomer)(),
			api.LinkInvalid)
		set(scope.AccountOwner)
		_, s, err := h.Anyone().AcceptInvitation(t.Context(), token, testkit.Newcomer)
		if err != nil || len(s.Accounts) != 1 || s.Accounts[0].Role != "owner" {
			t.Errorf("by an owner: %+v, %v", s.Accounts, err)
		}
	})
}
