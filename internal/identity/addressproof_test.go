package identity_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// mailless starts a server without a mail server; withMail gives it one.
func mailless(t *testing.T, e testkit.Engine) *testkit.SMTPMailbox {
	t.Helper()
	p := &testkit.SMTPMailbox{MailServer: testkit.StartMailServer(t)}
	p.Mailbox = testkit.NewMailboxOn(t, testkit.Start(t, e))
	return p
}

func TestAnInvitationIsMailedAndNotShownToTheInviterAndProvesTheAddress(t *testing.T) {
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	admin := p.As(p.Member(p.MainTenant, "Tenant Admin", scope.Admin))
	i := testkit.Invite(t, admin, p.MainTenant, "Eve@Claviger.Example", "auditor")
	if i.URL != nil {
		t.Fatalf("the inviter sees %s", *i.URL)
	}
	mails := p.Mails(t, notice.Invitation)
	if len(mails) != 1 || !strings.EqualFold(mails[0].To, "Eve@Claviger.Example") {
		t.Fatalf("mailed were %+v", mails)
	}
	if text := testkit.MailText(t, mails[0].Content); !strings.Contains(text, "Tenant Admin") ||
		!strings.Contains(text,
			"Main") || !strings.Contains(text, "auditor") {
		t.Errorf("it says %s", text)
	}
	_, s, err := p.Anyone().AcceptInvitation(t.Context(), p.InvitationToken(t, "eve@claviger.example"),
		testkit.Newcomer)
	p.NoError(err)
	eve := p.As(principal.Person{ID: ident.UserID(s.User.ID)})
	if me := testkit.Must[api.Me](t)(eve.Me(t.Context())); !me.EmailProven {
		t.Error("the address is not proven")
	}
	members := testkit.Must[api.List[api.Member]](t)(admin.Members(t.Context(), string(p.MainTenant.ID),
		client.Page{}))
	for _, m := range members.Items {
		if m.User.EmailProven == nil || !*m.User.EmailProven {
			t.Errorf("%+v", m.User)
		}
	}
}

func TestWithoutMailALinkIsShownAndProvesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	i := testkit.Invite(t, h.As(h.Owner), tenant, "eve@claviger.example", "member")
	eve, s, err := h.Anyone().AcceptInvitation(t.Context(), testkit.InvitationToken(i), testkit.Newcomer)
	testkit.NoError(t, err)
	if me := testkit.Must[api.Me](t)(eve.Me(t.Context())); me.EmailProven {
		t.Error("the address counts as proven")
	}
	list := testkit.Must[api.List[api.Member]](t)(h.As(h.Owner).Members(t.Context(), string(tenant.ID), client.Page{}))
	if m := list.Items[0]; m.User.ID != s.User.ID || m.User.EmailProven == nil || *m.User.EmailProven {
		t.Errorf("shown as %+v", m.User)
	}
	testkit.NoError(t, h.Anyone().ResetPassword(t.Context(),
		operatorsLink(t, h, principal.Person{Email: "eve@claviger.example"}), newPassword))
	me := testkit.Must[api.Me](t)(h.As(principal.Person{ID: ident.UserID(s.User.ID)}).Me(t.Context()))
	if !me.EmailProven {
		t.Error("the operator vouched for the address, and it is not proven")
	}
}

// The attack: somebody accepts in the name of an address that is not theirs, before its holder
// comes.
func TestAProvenAddressBelongsToThePersonWhoProvedItNotToAnEarlierHolder(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := mailless(t, e)
		const victim = "ceo@victim.example"
		squatted := p.Tenant("Squatted", nil)
		_, s, err := p.Anyone().AcceptInvitation(t.Context(),
			testkit.InvitationToken(testkit.Invite(t, p.As(p.Owner), squatted, victim, "admin")), testkit.Newcomer)
		p.NoError(err)
		squatter := principal.Person{ID: ident.UserID(s.User.ID), Email: victim}
		shown := testkit.InvitationToken(testkit.Invite(t, p.As(p.Owner), p.MainTenant, victim, "member"))
		p.RestartWithSMTP()
		session := p.As(squatter)
		key := p.Key(session, squatted, "applications:read")

		testkit.ExpectCode(t, "another invitation that was shown",
			testkit.Accepting(t, p.Server, shown, testkit.Newcomer)(), api.LinkInvalid)
		other := p.Tenant("Other", nil)
		testkit.Invite(t, p.As(p.Owner), other, victim, "member")
		token := p.InvitationToken(t, victim)
		mine := api.AcceptInvitationRequest{Name: "The True One", Password: "the true password of the one"}
		for name, a := range map[string]api.AcceptInvitationRequest{
			"a short password": {Name: "True", Password: "short"},
			"no name":          {Password: mine.Password},
		} {
			testkit.ExpectCode(t, name, testkit.Accepting(t, p.Server, token, a)(), api.ValidationFailed)
		}
		if !testkit.HasSession(t, session) {
			t.Fatal("what was refused ended the other")
		}
		_, s, err = p.Anyone().AcceptInvitation(t.Context(), token, mine)
		p.NoError(err)
		if s.User.ID == string(squatter.ID) || len(s.Memberships) != 1 ||
			s.Memberships[0].TenantID != string(other.ID) {
			t.Errorf("signed in as %+v", s)
		}
		if testkit.HasSession(t, session) {
			t.Error("the other's session goes on")
		}
		_, err = p.With(key).Whoami(t.Context())
		testkit.ExpectCode(t, "the other's key", err, api.APIKeyRevoked)
		if got := testkit.SignInCode(t, p.Server, victim, testkit.Password); got != api.SignInFailed {
			t.Errorf("the other's password: %q", got)
		}
		if got := testkit.SignInCode(t, p.Server, victim, mine.Password); got != "" {
			t.Errorf("the true one's password: %q", got)
		}
		me := testkit.Must[api.Me](t)(p.As(principal.Person{ID: ident.UserID(s.User.ID)}).Me(t.Context()))
		if !me.EmailProven || me.Email != victim || me.Name != mine.Name {
			t.Errorf("the true one is %+v", me)
		}
		testkit.ExpectCode(t, "the link again", testkit.Accepting(t, p.Server, token, mine)(), api.LinkInvalid)

		// A proven user gives way to nobody.
		third := p.Tenant("Third", nil)
		testkit.Invite(t, p.As(p.Owner), third, victim, "member")
		again := p.InvitationToken(t, victim)
		testkit.ExpectCode(t, "with a wrong password",
			testkit.Accepting(t, p.Server, again,
				api.AcceptInvitationRequest{Name: "Mallory", Password: "a password of somebody else"})(),
			api.SignInFailed)
		testkit.ExpectCode(t, "with the password", testkit.Accepting(t, p.Server, again, mine)(), "")
	})
}

func TestAnUnprovenPersonWhoGivesTheirPasswordStaysAndIsProven(t *testing.T) {
	t.Parallel()
	p := mailless(t, testkit.SQLite)
	_, s, err := p.Anyone().AcceptInvitation(t.Context(),
		testkit.InvitationToken(testkit.Invite(t, p.As(p.Owner), p.MainTenant, "eve@claviger.example", "member")),
		testkit.Newcomer)
	p.NoError(err)
	p.RestartWithSMTP()
	key := p.Key(p.As(principal.Person{ID: ident.UserID(s.User.ID)}), p.MainTenant, "applications:read")
	other := p.Tenant("Other", nil)
	testkit.Invite(t, p.As(p.Owner), other, "EVE@claviger.example", "member")
	// the holder of the link does not wait because others guessed the password
	testkit.SetSignInFailures(t, p.Server, "eve@claviger.example", 1_000)
	eve, again, err := p.Anyone().AcceptInvitation(t.Context(), p.InvitationToken(t, "eve@claviger.example"),
		testkit.Newcomer)
	p.NoError(err)
	if again.User.ID != s.User.ID || len(again.Memberships) != 2 ||
		!testkit.Must[api.Me](t)(eve.Me(t.Context())).EmailProven {
		t.Errorf("signed in as %+v", again)
	}
	_, err = p.With(key).Whoami(t.Context())
	testkit.ExpectCode(t, "the key", err, "")
}

// However many prove the address at once, and by however many links, one of them becomes its user.
func TestOneOfManyWhoProveAnAddressAtOnceHasIt(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := mailless(t, e)
		const email = "eve@claviger.example"
		_, _, err := p.Anyone().AcceptInvitation(t.Context(),
			testkit.InvitationToken(testkit.Invite(t, p.As(p.Owner), p.MainTenant, email, "member")), testkit.Newcomer)
		p.NoError(err)
		p.RestartWithSMTP()
		var acts []func() error
		for i := range 4 {
			tenant := p.Tenant(fmt.Sprintf("Tenant %d", i), nil)
			testkit.Invite(t, p.As(p.Owner), tenant, email, "member")
			token := p.InvitationToken(t, email)
			for n := range 6 {
				acts = append(acts,
					testkit.Accepting(t, p.Server, token,
						api.AcceptInvitationRequest{
							Name:     "Eve",
							Password: fmt.Sprintf("password number %d of tenant %d", n, i),
						}))
			}
		}
		count := testkit.Concurrently(t, acts...)
		refused := count[api.LinkInvalid] + count[api.SignInFailed] + count[api.Conflict] + count[api.Unavailable]
		if count[""] != 1 || refused != len(acts)-1 {
			t.Errorf("%v, want one acceptance", count)
		}
	})
}

func TestALinkToClaimAKeyIsMailedToItsOwnerAlone(t *testing.T) {
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	admin := p.As(p.Member(p.MainTenant, "Tenant Admin", scope.Admin))
	n := api.CreateKeyRequest{
		Name: "Handed over", OwnerID: string(p.Recipient.ID), Scopes: []string{"applications:read"},
		AllApplications: true, Delivery: "link",
	}
	k := testkit.Must[api.IssuedKey](t)(admin.CreateKey(t.Context(), string(p.MainTenant.ID), n))
	if k.Link == nil || k.Link.URL != nil || k.Credential != nil || k.Link.ExpiresAt.IsZero() {
		t.Fatalf("answered %+v", k.Link)
	}
	mails := p.Mails(t, notice.KeyClaim)
	if len(mails) != 1 || mails[0].To != p.Recipient.Email {
		t.Fatalf("mailed were %+v", mails)
	}
	if n := len(p.Mails(t, notice.KeyCreated)); n != 0 {
		t.Errorf("and %d messages besides", n)
	}
	_, err := p.Beside().ExecContext(t.Context(), `UPDATE users SET email_proven_at = NULL WHERE id = $1`,
		string(p.Recipient.ID))
	p.NoError(err)
	claimed := testkit.Must[api.IssuedKey](t)(p.As(p.Recipient).ClaimKey(t.Context(),
		testkit.MailedToken(t, p.Server, mails[0], "/claims/")))
	if claimed.Credential == nil || claimed.Key.ID != k.Key.ID {
		t.Errorf("claimed %+v", claimed)
	}
	if !testkit.Must[api.Me](t)(p.As(p.Recipient).Me(t.Context())).EmailProven {
		t.Error("the mailed link did not prove the address")
	}
}

func TestNoNoticeGoesToAnAddressThatIsNotProvenWhereMailWorks(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	_, err := p.Beside().ExecContext(t.Context(), `UPDATE users SET email_proven_at = NULL WHERE id = $1`,
		string(p.Recipient.ID))
	p.NoError(err)
	k := p.NewKey("Key", 0)
	revoke := func(id string) {
		_, err := p.AsRecipient().RevokeKey(t.Context(), string(p.MainTenant.ID), id, "")
		p.NoError(err)
		p.SendDue()
	}
	revoke(k.Key.ID)
	if n := len(p.MailServer.Received()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
	link := p.ResetToken(t, p.Recipient) // which proves the address
	testkit.ExpectCode(t, "the link", p.Anyone().ResetPassword(t.Context(), link, newPassword), "")
	revoke(p.NewKey("Another", 0).Key.ID)
	if n := len(p.Mails(t, notice.KeyRevoked)); n != 1 {
		t.Errorf("%d messages were sent once the address was proven, want 1", n)
	}
}

func TestPendingInvitationsAreListedSentAgainAndCancelled(t *testing.T) {
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	boss := p.Member(p.MainTenant, "Tenant Admin", scope.Admin)
	admin, tenant := p.As(boss), string(p.MainTenant.ID)
	first := testkit.Invite(t, admin, p.MainTenant, "ann@claviger.example", "member")
	old := p.InvitationToken(t, "ann@claviger.example")
	p.Clock.Move(time.Hour)
	second := testkit.Invite(t, admin, p.MainTenant, "bob@claviger.example", "auditor")
	page := testkit.Must[api.List[api.PendingInvitation]](t)(admin.Invitations(t.Context(), tenant,
		client.Page{Limit: 1}))
	if len(page.Items) != 1 || page.Items[0].ID != second.ID || page.NextCursor == nil {
		t.Fatalf("the first page is %+v", page)
	}
	page = testkit.Must[api.List[api.PendingInvitation]](t)(admin.Invitations(t.Context(), tenant,
		client.Page{Limit: 1, Cursor: *page.NextCursor}))
	got := page.Items[0]
	if got.ID != first.ID || got.Email != "ann@claviger.example" || got.Role != "member" || got.CreatedBy == nil ||
		got.CreatedBy.ID != string(boss.ID) || !got.ExpiresAt.Equal(first.ExpiresAt) {
		t.Errorf("listed is %+v", got)
	}
	p.Clock.Move(6 * 24 * time.Hour)
	admin = p.As(boss)
	again := testkit.Must[api.Invitation](t)(admin.ResendInvitation(t.Context(), tenant, first.ID))
	if again.URL != nil || again.ID != first.ID || again.ExpiresAt.Sub(p.Clock.Now()) < 7*24*time.Hour-time.Minute {
		t.Errorf("sent again is %+v", again)
	}
	fresh := p.InvitationToken(t, "ann@claviger.example")
	testkit.ExpectCode(t, "the link of before", testkit.Accepting(t, p.Server, old, testkit.Newcomer)(),
		api.LinkInvalid)
	p.Clock.Move(6 * 24 * time.Hour)
	testkit.ExpectCode(t, "the new link", testkit.Accepting(t, p.Server, fresh, testkit.Newcomer)(), "")
	admin = p.As(boss)
	_, err := admin.ResendInvitation(t.Context(), tenant, first.ID)
	testkit.ExpectCode(t, "one that was accepted", err, api.NotFound)
	_, err = admin.ResendInvitation(t.Context(), tenant, second.ID)
	testkit.ExpectCode(t, "one that expired", err, api.NotFound)
	testkit.ExpectCode(t, "one that expired", admin.CancelInvitation(t.Context(), tenant, second.ID), api.NotFound)

	third := testkit.Invite(t, admin, p.MainTenant, "cat@claviger.example", "member")
	link := p.InvitationToken(t, "cat@claviger.example")
	testkit.ExpectCode(t, "cancelled", admin.CancelInvitation(t.Context(), tenant, third.ID), "")
	testkit.ExpectCode(t, "cancelled again", admin.CancelInvitation(t.Context(), tenant, third.ID), api.NotFound)
	testkit.ExpectCode(t, "the cancelled link", testkit.Accepting(t, p.Server, link, testkit.Newcomer)(),
		api.LinkInvalid)
	if list := testkit.Must[api.List[api.PendingInvitation]](t)(admin.Invitations(t.Context(), tenant,
		client.Page{})); len(list.Items) != 0 {
		t.Errorf("still listed are %+v", list.Items)
	}
	for _, action := range []string{"invitation.resend", "invitation.cancel"} {
		if got := testkit.TenantRecords(t, p.Server, p.MainTenant, action); len(got) != 1 {
			t.Errorf("%s is on record %d times", action, len(got))
		}
	}
}

// What was cancelled or sent again before a message went out is not sent.
func TestAVoidLinkIsNotMailed(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	p.ReplyCode.Store(421)
	admin := p.As(p.Owner)
	cancelled := testkit.Invite(t, admin, p.MainTenant, "ann@claviger.example", "member")
	again := testkit.Invite(t, admin, p.MainTenant, "bob@claviger.example", "member")
	p.NoError(admin.CancelInvitation(t.Context(), string(p.MainTenant.ID), cancelled.ID))
	testkit.Must[api.Invitation](t)(admin.ResendInvitation(t.Context(), string(p.MainTenant.ID), again.ID))
	p.ReplyCode.Store(0)
	p.Clock.Move(time.Hour)
	if mails := p.Mails(t, notice.Invitation); len(mails) != 1 || mails[0].To != "bob@claviger.example" {
		t.Errorf("mailed were %+v", mails)
	}
	testkit.ExpectCode(t, "the link",
		testkit.Accepting(t, p.Server, p.InvitationToken(t, "bob@claviger.example"), testkit.Newcomer)(), "")
}

// A restore removes the password of a person who changed it after the backup. The person then
// cannot enter one, and must not lose everything because of that.
func TestAnUnprovenPersonWithoutAPasswordDoesNotGiveWay(t *testing.T) {
	t.Parallel()
	p := mailless(t, testkit.SQLite)
	const email = "ann@claviger.example"
	_, s, err := p.Anyone().AcceptInvitation(t.Context(),
		testkit.InvitationToken(testkit.Invite(t, p.As(p.Owner), p.MainTenant, email, "member")),
		testkit.Newcomer)
	p.NoError(err)
	_, err = p.Beside().ExecContext(t.Context(), `UPDATE users SET password = NULL WHERE id = $1`, s.User.ID)
	p.NoError(err)
	p.RestartWithSMTP()
	testkit.Invite(t, p.As(p.Owner), p.Tenant("Other", nil), email, "member")
	token := p.InvitationToken(t, email)
	testkit.ExpectCode(t, "with the password that is no more",
		testkit.Accepting(t, p.Server, token, testkit.Newcomer)(), api.SignInFailed)
	testkit.NoError(t, p.Anyone().ResetPassword(t.Context(), operatorsLink(t, p.Server, principal.Person{Email: email}),
		newPassword))
	_, again, err := p.Anyone().AcceptInvitation(t.Context(), token,
		api.AcceptInvitationRequest{Name: testkit.Newcomer.Name, Password: newPassword})
	p.NoError(err)
	if again.User.ID != s.User.ID || len(again.Memberships) != 2 {
		t.Errorf("signed in as %+v, and was %s", again, s.User.ID)
	}
}

// Inviting an address again ends its earlier invitation, and is no way to cancel what one may not
// cancel.
func TestAnInvitationOfAnOwnerIsReplacedByOwnersAlone(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	o, err := h.Tenancy.OpenAccount(t.Context(), principal.Operator(), tenancy.AccountSpec{
		Name: "Opened", OwnerEmail: "owner@opened.example", Preset: policy.Blancco,
	})
	testkit.NoError(t, err)
	admin := h.As(h.Member(o.Tenant, "Tenant Admin", scope.Admin))
	_, err = admin.Invite(t.Context(), string(o.Tenant.ID),
		api.CreateInvitationRequest{Email: "Owner@Opened.example", Role: "auditor"})
	testkit.ExpectCode(t, "an admin invites the owner to less", err, api.Forbidden)
	_, s, err := h.Anyone().AcceptInvitation(t.Context(), o.Token.Reveal(), testkit.Newcomer)
	if err != nil || len(s.Accounts) != 1 || s.Accounts[0].Role != "owner" {
		t.Errorf("the owner comes: %+v, %v", s, err)
	}
}

func TestMailToOneAddressAndOfOneTenantIsBounded(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	owner := p.As(p.Owner)
	try := func(tenant tenancy.Tenant, email string) error {
		_, err := owner.Invite(t.Context(), string(tenant.ID),
			api.CreateInvitationRequest{Email: email, Role: "member"})
		return err
	}
	limited := func(what string, err error) {
		t.Helper()
		problem, _ := errors.AsType[*api.Problem](err)
		if problem == nil || problem.Code != api.RateLimited || problem.RetryAfter <= 0 ||
			problem.RetryAfter > 24*time.Hour {
			t.Errorf("%s: %v", what, err)
		}
	}
	i := testkit.Invite(t, owner, p.MainTenant, "ann@claviger.example", "member")
	for range notice.MaxLinksTo - 1 { // sending one again counts
		testkit.Must[api.Invitation](t)(owner.ResendInvitation(t.Context(), string(p.MainTenant.ID), i.ID))
	}
	_, err := owner.ResendInvitation(t.Context(), string(p.MainTenant.ID), i.ID)
	limited("one more of a tenant to an address", err)
	limited("in another spelling", try(p.MainTenant, "ANN@claviger.example"))
	p.NoError(try(p.MainTenant, "bob@claviger.example"))
	for n := 1; n < notice.MaxLinksToOfAccount/notice.MaxLinksTo; n++ {
		other := p.Tenant(fmt.Sprintf("Tenant %d", n), nil)
		for range notice.MaxLinksTo {
			p.NoError(try(other, "ann@claviger.example"))
		}
	}
	limited("one more of all tenants to an address", try(p.Tenant("Yet another", nil), "ann@claviger.example"))
	foreign := testkit.Must[tenancy.OpenAccountResult](t)(p.Tenancy.OpenAccount(t.Context(), principal.Operator(),
		tenancy.AccountSpec{
			Name: "Elsewhere", OwnerEmail: "owner@elsewhere.example", Preset: policy.Blancco,
		}))
	_, err = p.As(p.Member(foreign.Tenant, "Foreign Admin", scope.Admin)).
		Invite(t.Context(), string(foreign.Tenant.ID),
			api.CreateInvitationRequest{Email: "ann@claviger.example", Role: "member"})
	testkit.ExpectCode(t, "of another account to that address", err, "")
	full := p.Tenant("Full", nil)
	for n := range notice.MaxLinksOfTenant {
		p.NoError(try(full, fmt.Sprintf("person%d@elsewhere.example", n)))
	}
	limited("one more of a tenant", try(full, "one.more@elsewhere.example"))
	p.Clock.Move(24 * time.Hour)
	owner = p.As(p.Owner)
	p.NoError(try(full, "one.more@elsewhere.example"))
	p.NoError(try(p.MainTenant, "ann@claviger.example"))
}

// A name is a name, in every kind of message and in both of its parts.
func TestANameIsNeverALinkInMail(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	const evil = "http://evil.example/x www.evil.example"
	tenant := p.Tenant("Pay at "+evil, nil)
	admin := p.Member(tenant, "Sent by "+evil, scope.Admin)
	owner := p.Member(tenant, "You, see "+evil, scope.Member)
	c := p.As(admin)
	testkit.Invite(t, c, tenant, "eve@claviger.example", "member")
	for _, delivery := range []string{"direct", "link"} {
		n := api.CreateKeyRequest{
			Name: "Key " + evil, OwnerID: string(owner.ID), Scopes: []string{"applications:read"},
			AllApplications: true, Delivery: api.Delivery(delivery),
		}
		k := testkit.Must[api.IssuedKey](t)(c.CreateKey(t.Context(), string(tenant.ID), n))
		_, err := c.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "See "+evil)
		p.NoError(err)
	}
	p.ResetToken(t, owner)
	p.SendDue()
	kinds := map[string]bool{}
	for _, m := range p.MailServer.Received() {
		kinds[testkit.MailHeader(t, m.Content, "Subject")] = true
		for _, text := range []string{
			testkit.MailHeader(t, m.Content, "Subject"), testkit.MailText(t, m.Content),
			testkit.MailPart(t, m.Content, "text/html"),
		} {
			text = strings.ReplaceAll(text, p.URL, "")
			for _, link := range []string{"://", "www.evil", "evil.example"} {
				if strings.Contains(text, link) {
					t.Errorf("%q is in %s", link, text)
				}
			}
		}
	}
	if len(kinds) < 4 {
		t.Errorf("looked at %v", kinds)
	}
}

func TestTheOperatorsInvitationIsShownToTheOperatorAndProves(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	var opened api.CreateAccountResponse
	p.NoError(p.Operator().Do(t.Context(), http.MethodPost, "/operator/v1/accounts",
		api.CreateAccountRequest{Name: "Example Ltd", OwnerEmail: "ann@claviger.example", Preset: "standard"}, &opened))
	if opened.Invitation.URL == nil {
		t.Fatal("the operator sees no link")
	}
	ann, _, err := p.Anyone().AcceptInvitation(t.Context(), testkit.InvitationToken(opened.Invitation),
		testkit.Newcomer)
	p.NoError(err)
	if !testkit.Must[api.Me](t)(ann.Me(t.Context())).EmailProven {
		t.Error("the address is not proven")
	}
}

// People who were users before addresses were proven still sign in, and still get notices about
// their keys.
func TestAnUpgradeLocksNobodyOutAndLosesNobodysNotices(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := testkit.NewSMTPMailbox(t, e)
		file, err := os.ReadFile("../store/" + p.Store.Engine() + "/migrations/00012_addresses.sql")
		p.NoError(err)
		rule := regexp.MustCompile(`UPDATE users SET [^;]+;`).Find(file)
		// as they were, and as the upgrade leaves them
		for _, statement := range []string{`UPDATE users SET email_proven_at = NULL`, string(rule)} {
			_, err := p.Beside().ExecContext(t.Context(), statement)
			p.NoError(err)
		}
		if got := testkit.SignInCode(t, p.Server, p.Recipient.Email, testkit.Password); got != "" {
			t.Errorf("the password: %q", got)
		}
		if !testkit.Must[api.Me](t)(p.AsRecipient().Me(t.Context())).EmailProven {
			t.Error("the address does not count as proven")
		}
		_, err = p.AsRecipient().RevokeKey(t.Context(), string(p.MainTenant.ID), p.NewKey("Key", 0).Key.ID, "")
		p.NoError(err)
		if n := len(p.Mails(t, notice.KeyRevoked)); n != 1 {
			t.Errorf("%d messages, want 1", n)
		}
	})
}
