package app_test

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
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// tokenOf gives the one-time token at the end of an invitation's link.
func tokenOf(i api.Invitation) string { return (*i.URL)[strings.LastIndexByte(*i.URL, '/')+1:] }

func invite(t *testing.T, c *client.Client, tenant tenancy.Tenant, email, role string) api.Invitation {
	t.Helper()
	return must[api.Invitation](t)(c.Invite(t.Context(), string(tenant.ID), api.NewInvitation{Email: email, Role: role}))
}

// accepting gives the act of accepting the invitation.
func accepting(t *testing.T, h *testkit.House, token string, a api.Acceptance) func() error {
	return func() error {
		_, _, err := h.Anyone().AcceptInvitation(t.Context(), token, a)
		return err
	}
}

var newcomer = api.Acceptance{Name: "Eve Newcomer", Password: testkit.Password}

func TestAnInvitationMakesAMemberOnceWithinSevenDays(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	i := invite(t, admin, tenant, " Eve@Claviger.Example ", "auditor")
	if i.Email != "Eve@Claviger.Example" || i.Role != "auditor" || !strings.HasPrefix(*i.URL, h.URL+"/invitations/") || i.ID == "" {
		t.Errorf("%+v with %s", i, *i.URL)
	}
	if left := i.ExpiresAt.Sub(h.Clock.Now()); left > 7*24*time.Hour || left < 7*24*time.Hour-time.Minute {
		t.Errorf("it can be accepted for %s", left)
	}
	h.Clock.Move(7*24*time.Hour - time.Minute)
	eve, s, err := h.Anyone().AcceptInvitation(t.Context(), tokenOf(i), newcomer)
	if err != nil {
		t.Fatal(err)
	}
	if *s.User.Email != "Eve@Claviger.Example" || *s.User.Name != "Eve Newcomer" || len(s.Memberships) != 1 || s.Memberships[0] != (api.Membership{TenantID: string(tenant.ID), AccountID: string(h.Account.ID), Role: "auditor"}) {
		t.Errorf("signed in as %+v", s)
	}
	must[api.Tenant](t)(eve.Tenant(t.Context(), string(tenant.ID)))
	expect(t, "accepted again", accepting(t, h, tokenOf(i), newcomer)(), api.LinkInvalid)
	if _, _, err := h.Anyone().SignIn(t.Context(), "eve@claviger.example", testkit.Password); err != nil {
		t.Errorf("signing in afterwards: %v", err)
	}
	_, err = h.As(h.Owner).Invite(t.Context(), string(tenant.ID), api.NewInvitation{Email: "EVE@claviger.example", Role: "admin"})
	expect(t, "inviting a member", err, api.Conflict)

	late := invite(t, h.As(h.Owner), tenant, "late@claviger.example", "member")
	h.Clock.Move(7 * 24 * time.Hour)
	expect(t, "after seven days", accepting(t, h, tokenOf(late), newcomer)(), api.LinkInvalid)
	void, good := invite(t, h.As(h.Owner), tenant, "late@claviger.example", "member"), invite(t, h.As(h.Owner), tenant, "Late@Claviger.Example", "auditor")
	expect(t, "voided by a second one", accepting(t, h, tokenOf(void), newcomer)(), api.LinkInvalid)
	expect(t, "the second one", accepting(t, h, tokenOf(good), newcomer)(), "")
}

// However many open the link at once, one of them becomes the member.
func TestAnInvitationIsAcceptedOnceByThirtyTwoAtOnce(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main tenant", nil)
		known := h.Person("Known Person")
		for _, email := range []string{"eve@claviger.example", known.Email} {
			i := invite(t, h.As(h.Owner), tenant, email, "member")
			acts := make([]func() error, 32)
			for n := range acts {
				acts[n] = accepting(t, h, tokenOf(i), newcomer)
			}
			count := atOnce(t, acts...)
			// Passwords are worked on a few at a time: who waits too long for a turn is told so.
			if count[""] != 1 || count[""]+count[api.LinkInvalid]+count[api.Unavailable] != len(acts) {
				t.Errorf("%s: %v, want one acceptance", email, count)
			}
		}
		if list := must[api.List[api.Member]](t)(h.As(h.Owner).Members(t.Context(), string(tenant.ID), client.Page{})); len(list.Items) != 2 {
			t.Errorf("%d members, want 2", len(list.Items))
		}
	})
}

// Whoever invites learns nothing of who is known to the server: the answers differ in what is random, and in nothing else.
func TestInvitingTellsNothingAboutTheAddress(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	known, admin := h.Person("Known Person"), cookieOf(t, h, h.Member(tenant, "Tenant Admin", scope.Admin))
	random := regexp.MustCompile(`"lnk_[^"]*"|[\w-]{43}[0-9a-f]{16}|"expires_at":"[^"]*"`)
	answer := func(email string) (int, http.Header, string) {
		status, header, body := send(t, h, http.MethodPost, tenantURL(tenant.ID)+"/members", admin.Clone(), `{"email":"`+email+`","role":"member"}`)
		header.Del("X-Request-Id")
		header.Del("Date")
		header.Del("Content-Length") // a time that ends in a zero is shorter
		return status, header, random.ReplaceAllString(strings.Replace(string(body), email, "", 1), "")
	}
	status, header, body := answer(known.Email)
	if status != http.StatusCreated || header.Get("Location") != tenantURL(tenant.ID)+"/members" || strings.Contains(body, known.Name) {
		t.Fatalf("%d %v %s", status, header, body)
	}
	again, headerOfUnknown, bodyOfUnknown := answer("p" + known.Email[1:len(known.Email)-1] + "f") // of the same length
	if again != status || !cmp.Equal(header, headerOfUnknown) || body != bodyOfUnknown {
		t.Errorf("an unknown address answers %d\n%s\n%s\nand %s", again, cmp.Diff(header, headerOfUnknown), body, bodyOfUnknown)
	}
}

func TestAKnownPersonAcceptsWithTheirOwnPasswordAndStaysWhoTheyAre(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	known := h.Person("Known Person")
	i := invite(t, h.As(h.Owner), tenant, strings.ToUpper(known.Email), "member")
	expect(t, "another password", accepting(t, h, tokenOf(i), api.Acceptance{Name: "Mallory", Password: "another horse battery staple"})(), api.SignInFailed)
	for name, a := range map[string]api.Acceptance{ // whoever is new is told the same
		"a short password": {Name: "Mallory", Password: "short"},
		"no password":      {Name: "Mallory"},
		"no name":          {Password: testkit.Password},
	} {
		expect(t, name, accepting(t, h, tokenOf(i), a)(), api.ValidationFailed)
	}
	_, s, err := h.Anyone().AcceptInvitation(t.Context(), tokenOf(i), api.Acceptance{Name: "Mallory", Password: testkit.Password})
	if err != nil || s.User.ID != string(known.ID) || *s.User.Name != known.Name || *s.User.Email != known.Email || len(s.Memberships) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	h.As(known) // by the password of before
}

func TestARefusedAcceptanceUsesNothingUp(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Owner)
	i := invite(t, owner, tenant, "eve@claviger.example", "member")
	path := "/api/v1/invitations/" + tokenOf(i)
	check := unchanged(t, owner, tenantURL(tenant.ID)+"/members", accountURL(h.Account.ID)+"/audit")
	for body, want := range map[string]string{
		`{"name":"Eve","password":"short"}`:                                       "password too_short",
		`{"name":"Eve","password":"` + strings.Repeat("x", 257) + `"}`:            "password too_long",
		`{"password":"correct horse battery staple"}`:                             "name too_short",
		`{"name":"E\u202eve","password":"correct horse battery staple"}`:          "name character",
		`{"name":"Eve","password":"short","email":"mallory@claviger.example"}`:    "email unknown",
		`{"name":"Eve","password":"correct horse battery staple","role":"admin"}`: "role unknown",
		`{"name":"Eve","password":["correct horse battery staple"]}`:              "password type",
	} {
		if got := fieldsAtFault(t, tell(t, h.Anyone(), http.MethodPost, path, body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	_, _, err := h.Anyone().SignIn(t.Context(), "eve@claviger.example", testkit.Password)
	expect(t, "nobody was made", err, api.SignInFailed)
	check()
	expect(t, "accepted at last", accepting(t, h, tokenOf(i), newcomer)(), "")
}

func TestAnInvitationOfNoOneWhoMayInviteIsInvalid(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Owner)
	h.Member(tenant, "Other Admin", scope.Admin)
	edit := func(p principal.Person, patch api.MemberPatch) func() error {
		return func() error {
			_, err := owner.EditMember(t.Context(), string(tenant.ID), string(p.ID), patch)
			return err
		}
	}
	for name, unmake := range map[string]func(p principal.Person) func() error{
		"made a member": func(p principal.Person) func() error { return edit(p, api.MemberPatch{Role: api.To("member")}) },
		"disabled":      func(p principal.Person) func() error { return edit(p, api.MemberPatch{Status: api.To("disabled")}) },
		"removed": func(p principal.Person) func() error {
			return func() error { return owner.RemoveMember(t.Context(), string(tenant.ID), string(p.ID)) }
		},
	} {
		inviter := h.Member(tenant, "The Inviter", scope.Admin)
		i := invite(t, h.As(inviter), tenant, "eve@claviger.example", "admin")
		expect(t, name, unmake(inviter)(), "")
		expect(t, "invited by someone "+name, accepting(t, h, tokenOf(i), newcomer)(), api.LinkInvalid)
	}
	boss := h.Officer("Account Admin", scope.AccountAdmin)
	byBoss, byOwner := invite(t, h.As(boss), tenant, "ann@claviger.example", "member"), invite(t, owner, tenant, "bob@claviger.example", "member")
	expect(t, "unmade", owner.RemoveAccountMember(t.Context(), string(h.Account.ID), string(boss.ID)), "")
	expect(t, "invited by who was an account admin", accepting(t, h, tokenOf(byBoss), newcomer)(), api.LinkInvalid)

	disable := func(off bool) {
		t.Helper()
		must[api.Tenant](t)(owner.EditTenant(t.Context(), string(tenant.ID), api.TenantPatch{Status: api.To(status(off))}))
	}
	disable(true)
	expect(t, "into a disabled tenant", accepting(t, h, tokenOf(byOwner), newcomer)(), api.LinkInvalid)
	disable(false)
	operate := func(off bool) {
		t.Helper()
		must[tenancy.Account](t)(h.Tenancy.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID, off))
	}
	_, byOperator, err := h.Tenancy.Invite(t.Context(), principal.Operator(), tenant.ID, "cat@claviger.example", scope.Member)
	if err != nil {
		t.Fatal(err)
	}
	operate(true)
	expect(t, "into a disabled account", accepting(t, h, tokenOf(byOwner), newcomer)(), api.LinkInvalid)
	expect(t, "into a disabled account, by the operator", accepting(t, h, byOperator.Reveal(), newcomer)(), api.LinkInvalid)
	operate(false)
	expect(t, "into the account enabled again", accepting(t, h, tokenOf(byOwner), newcomer)(), "")
	expect(t, "by the operator", accepting(t, h, byOperator.Reveal(), newcomer)(), "")
}

func TestOneLinkNeverPassesForAnother(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	i := tokenOf(invite(t, h.As(h.Owner), tenant, "eve@claviger.example", "member"))
	_, setup, err := h.Tenancy.NewSetupLink(t.Context(), principal.Operator())
	if err != nil {
		t.Fatal(err)
	}
	session := cookieOf(t, h, h.Owner).Get("Cookie")
	session = session[strings.IndexByte(session, '=')+1:]
	for name, token := range map[string]string{
		"a set-up link": setup.Reveal(), "a session": session, "junk": "junk", "a long one": strings.Repeat("a", 5000), "another tag": i[:len(i)-1] + flipped(i[len(i)-1:]), "another token": flipped(i[:1]) + i[1:], "cut": i[:58], "a NUL": "a%00",
	} {
		expect(t, name+" as an invitation", tell(t, h.Anyone(), http.MethodPost, "/api/v1/invitations/"+token, `{"name":"Eve","password":"correct horse battery staple"}`), api.LinkInvalid)
	}
	for name, token := range map[string]string{"an invitation": i, "a session": session, "junk": "junk", "nothing": "", "a NUL": "\x00"} {
		_, _, err := h.Anyone().SetUp(t.Context(), api.Setup{Token: token, Account: "Mallory's", Email: "mallory@claviger.example", Name: "Mallory", Password: testkit.Password})
		expect(t, name+" as a set-up link", err, api.LinkInvalid)
	}
}

// flipped gives another character that a token may have there.
func flipped(c string) string {
	if c == "a" {
		return "b"
	}
	return "a"
}

func TestAnInvitationSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Owner)
	check := unchanged(t, owner, tenantURL(tenant.ID)+"/audit")
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
		if got := fieldsAtFault(t, tell(t, owner, http.MethodPost, tenantURL(tenant.ID)+"/members", body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	check()
}
