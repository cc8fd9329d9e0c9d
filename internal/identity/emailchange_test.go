package identity_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// emailTokens sends what is due, and returns the tokens that were mailed last, to the new address
// and to that of before; "" for one that was not mailed.
func emailTokens(t *testing.T, p *testkit.SMTPMailbox, to, from string) (forNew, forOld string) {
	t.Helper()
	last := func(kind notice.Kind, address string) (token string) {
		for _, m := range p.Mails(t, kind) {
			if strings.EqualFold(m.To, address) {
				token = testkit.MailedToken(t, p.Server, m, "/email-changes/")
			}
		}
		return token
	}
	return last(notice.EmailChangeNew, to), last(notice.EmailChangeOld, from)
}

// confirming uses a link, and returns the code of the refusal, or whether the address changed.
func confirming(t *testing.T, h *testkit.Server, token string) string {
	t.Helper()
	done, err := h.Anyone().ConfirmEmail(t.Context(), token)
	if code := testkit.Code(t, err); code != "" {
		return string(code)
	}
	if done.Changed {
		return "changed"
	}
	return "waits"
}

func TestAnAddressChangesAfterBothAddressesConfirmedAndNotBefore(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		for name, oldFirst := range map[string]bool{"the old one first": true, "the new one first": false} {
			t.Run(name, func(t *testing.T) {
				p := testkit.NewSMTPMailbox(t, e)
				ann := p.Member(p.MainTenant, "Ann Example", scope.Member)
				session := p.As(ann)
				k := p.Key(session, p.MainTenant, "applications:read")
				const next = "Ann@Bücher.example"
				asked := testkit.Must[api.EmailChange](t)(session.ChangeEmail(t.Context(), " "+next+" "))
				left := asked.ExpiresAt.Sub(p.Clock.Now())
				if asked.Email != next || !asked.ConfirmPresent || left > time.Hour || left < 59*time.Minute {
					t.Errorf("%+v", asked)
				}
				forNew, forOld := emailTokens(t, p, "Ann@xn--bcher-kva.example", ann.Email)
				if forNew == "" || forOld == "" || forNew == forOld || strings.Contains(p.Log.String(), forNew) {
					t.Fatalf("mailed were %q and %q", forNew, forOld)
				}
				first, second := forNew, forOld
				if oldFirst {
					first, second = forOld, forNew
				}
				reset := p.ResetToken(t, ann)
				if got := confirming(t, p.Server, first); got != "waits" {
					t.Fatalf("the first link: %s", got)
				}
				if got := confirming(t, p.Server, first); got != string(api.LinkInvalid) {
					t.Errorf("the first link again: %s", got)
				}
				if me := testkit.Must[api.Me](t)(session.Me(t.Context())); me.Email != ann.Email {
					t.Fatalf("after one link the address is %s", me.Email)
				}
				p.Clock.Move(59 * time.Minute)
				if got := confirming(t, p.Server, second); got != "changed" {
					t.Fatalf("the second link: %s", got)
				}
				if testkit.HasSession(t, session) {
					t.Error("a session goes on")
				}
				if got := setting(t, p.Server, reset, newPassword); got != api.LinkInvalid {
					t.Errorf("a link in the old mailbox that sets a password: %q", got)
				}
				if got := testkit.SignInCode(t, p.Server, ann.Email, testkit.Password); got != api.SignInFailed {
					t.Errorf("with the old address: %q", got)
				}
				if got := testkit.SignInCode(t, p.Server, "ann@xn--bcher-kva.example", testkit.Password); got != "" {
					t.Errorf("with the new address, in ASCII: %q", got)
				}
				me := testkit.Must[api.Me](t)(p.As(principal.Person{ID: ann.ID}).Me(t.Context()))
				if me.Email != next || !me.EmailProven {
					t.Errorf("the address is %s, proven %t", me.Email, me.EmailProven)
				}
				who := testkit.Must[api.Whoami](t)(p.With(k).Whoami(t.Context()))
				if who.User == nil || who.User.Email == nil || *who.User.Email != next {
					t.Errorf("the key belongs to %+v", who.User)
				}
				told := p.Mails(t, notice.EmailChanged)
				if len(told) != 1 || !strings.EqualFold(told[0].To, ann.Email) {
					t.Errorf("told were %+v", told)
				}
			})
		}
	})
}

func TestAChangeOfAddressIsCancelledByAnotherPasswordAnotherRequestTimeAndDeletion(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	for name, cancel := range map[string]func(ann principal.Person, c *client.Client){
		"another password": func(ann principal.Person, _ *client.Client) { p.ChangePassword(ann, newPassword) },
		"a password by a link": func(ann principal.Person, _ *client.Client) {
			if got := setting(t, p.Server, p.ResetToken(t, ann), newPassword); got != "" {
				t.Fatalf("the link: %q", got)
			}
		},
		"another request": func(_ principal.Person, c *client.Client) {
			_, err := c.ChangeEmail(t.Context(), "third@claviger.example")
			p.NoError(err)
		},
		"an hour": func(principal.Person, *client.Client) { p.Clock.Move(time.Hour) },
		"deletion": func(_ principal.Person, c *client.Client) {
			p.NoError(c.DeleteMe(t.Context()))
		},
		"the operator disables": func(ann principal.Person, _ *client.Client) {
			p.NoError(p.Operator().Do(t.Context(), http.MethodPatch, "/operator/v1/users/"+string(ann.ID),
				api.UpdateUserRequest{Status: api.StatusDisabled}, nil))
		},
	} {
		for _, half := range []bool{false, true} {
			ann := p.Member(p.MainTenant, "Ann Example", scope.Member)
			c := p.As(ann)
			next := "next-" + string(ann.ID)[4:] + "@claviger.example"
			_, err := c.ChangeEmail(t.Context(), next)
			p.NoError(err)
			forNew, forOld := emailTokens(t, p, next, ann.Email)
			if half {
				if got := confirming(t, p.Server, forNew); got != "waits" {
					t.Errorf("%s: the first link: %s", name, got)
				}
			}
			cancel(ann, c)
			if got := confirming(t, p.Server, forOld); got != string(api.LinkInvalid) {
				t.Errorf("%s, half %t: the link of the old address: %s", name, half, got)
			}
			if got := confirming(t, p.Server, forNew); got != string(api.LinkInvalid) {
				t.Errorf("%s, half %t: the link of the new address: %s", name, half, got)
			}
			if got := testkit.SignInCode(t, p.Server, next, testkit.Password); got != api.SignInFailed {
				t.Errorf("%s, half %t: sign in with the new address: %q", name, half, got)
			}
		}
	}
}

// A request does the same whether somebody has the address or not. Who has proven it keeps it.
func TestARequestDoesNotTellWhetherSomebodyHasTheAddress(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	ann, ben := p.Member(p.MainTenant, "Ann Example", scope.Member), p.Person("Ben Elsewhere")
	c := p.As(ann)
	free := testkit.Must[api.EmailChange](t)(c.ChangeEmail(t.Context(), "free@claviger.example"))
	taken := testkit.Must[api.EmailChange](t)(c.ChangeEmail(t.Context(), strings.ToUpper(ben.Email)))
	if free.ConfirmPresent != taken.ConfirmPresent || taken.Email != strings.ToUpper(ben.Email) {
		t.Errorf("%+v and %+v", free, taken)
	}
	forNew, forOld := emailTokens(t, p, ben.Email, ann.Email)
	if got := confirming(t, p.Server, forNew); got != "waits" {
		t.Errorf("the link of the new address: %s", got)
	}
	for range 2 { // the link is not used up
		if got := confirming(t, p.Server, forOld); got != string(api.Conflict) {
			t.Errorf("an address that somebody has proven: %s", got)
		}
	}
	if got := testkit.SignInCode(t, p.Server, ben.Email, testkit.Password); got != "" {
		t.Errorf("its holder signs in: %q", got)
	}
	p.NoError(p.As(ben).DeleteMe(t.Context()))
	if got := confirming(t, p.Server, forOld); got != "changed" {
		t.Errorf("after its holder has left: %s", got)
	}
}

// A link in the mailbox of somebody who never proved their address would delete them, without
// telling them so.
func TestAnAddressThatSomebodyHoldsUnprovenIsTaken(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := mailless(t, e)
		const wanted = "bob@victim.example"
		_, s, err := p.Anyone().AcceptInvitation(t.Context(),
			testkit.InvitationToken(testkit.Invite(t, p.As(p.Owner), p.MainTenant, wanted, "member")), testkit.Newcomer)
		p.NoError(err)
		holder := principal.Person{ID: ident.UserID(s.User.ID), Email: wanted}
		ann := p.Member(p.MainTenant, "Ann Example", scope.Member) // the operator vouches
		p.RestartWithSMTP()
		session := p.As(holder)
		_, err = p.As(ann).ChangeEmail(t.Context(), wanted)
		p.NoError(err)
		forNew, forOld := emailTokens(t, p, wanted, ann.Email)
		if got := confirming(t, p.Server, forOld); got != "waits" {
			t.Fatalf("the first link: %s", got)
		}
		if got := confirming(t, p.Server, forNew); got != "conflict" {
			t.Fatalf("the second link: %s", got)
		}
		if !testkit.HasSession(t, session) {
			t.Error("the holder is gone")
		}
		me := testkit.Must[api.Me](t)(p.As(principal.Person{ID: ann.ID}).Me(t.Context()))
		if me.Email != ann.Email {
			t.Errorf("%+v", me)
		}
	})
}

// A squatter who never proved an address leaves it without asking its mailbox.
func TestAnUnprovenAddressIsNotAskedAndIsFreeAfterwards(t *testing.T) {
	t.Parallel()
	p := mailless(t, testkit.SQLite)
	const before = "slip@elsewhere.example"
	_, s, err := p.Anyone().AcceptInvitation(t.Context(),
		testkit.InvitationToken(testkit.Invite(t, p.As(p.Owner), p.MainTenant, before, "member")), testkit.Newcomer)
	p.NoError(err)
	p.RestartWithSMTP()
	eve := principal.Person{ID: ident.UserID(s.User.ID), Email: before}
	asked := testkit.Must[api.EmailChange](t)(p.As(eve).ChangeEmail(t.Context(), "eve@claviger.example"))
	forNew, forOld := emailTokens(t, p, "eve@claviger.example", before)
	if asked.ConfirmPresent || forOld != "" {
		t.Errorf("the unproven address is asked: %+v", asked)
	}
	if got := confirming(t, p.Server, forNew); got != "changed" {
		t.Fatalf("the link: %s", got)
	}
	if told := p.Mails(t, notice.EmailChanged); len(told) != 0 {
		t.Errorf("an address that may be a stranger's is told: %+v", told)
	}
	testkit.Invite(t, p.As(p.Owner), p.MainTenant, before, "member")
	_, other, err := p.Anyone().AcceptInvitation(t.Context(), p.InvitationToken(t, before), testkit.Newcomer)
	p.NoError(err)
	if other.User.ID == s.User.ID {
		t.Error("the old address is still that of the same user")
	}
}

func TestWhoMayRequestAnotherAddress(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	ann := p.Member(p.MainTenant, "Ann Example", scope.Member)
	c := p.As(ann)
	change := func(c *client.Client, email string) error {
		_, err := c.ChangeEmail(t.Context(), email)
		return err
	}
	k := p.Key(c, p.MainTenant, "applications:read")
	testkit.ExpectCode(t, "a key", change(p.With(k), "next@claviger.example"), api.SessionRequired)
	testkit.ExpectCode(t, "nobody", change(p.Anyone(), "next@claviger.example"), api.APIKeyInvalid)
	for name, email := range map[string]string{
		"no address": "next", "two": "a@claviger.example, b@claviger.example", "a name": "Ann <a@claviger.example>",
		"the present one": ann.Email, "a hidden character": "a\u200bb@claviger.example",
	} {
		testkit.ExpectCode(t, name, change(c, email), api.ValidationFailed)
	}
	for range 5 {
		p.NoError(change(c, "next@claviger.example"))
	}
	testkit.ExpectCode(t, "the sixth in a day", change(c, "next@claviger.example"), api.RateLimited)
	p.Clock.Move(24 * time.Hour)
	p.NoError(change(p.As(ann), "next@claviger.example"))
	late := p.As(ann)
	p.Clock.Move(5 * time.Minute)
	testkit.ExpectCode(t, "after five minutes", change(late, "next@claviger.example"), api.SignInAgain)
	for _, token := range []string{"nothing", p.ResetToken(t, ann)} {
		if got := confirming(t, p.Server, token); got != string(api.LinkInvalid) {
			t.Errorf("%s: %s", token, got)
		}
	}
}

func TestWithoutMailTheOperatorSetsAnAddress(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	ann, ben := h.Member(h.Tenant("Main", nil), "Ann Example", scope.Member), h.Person("Ben Elsewhere")
	c := h.As(ann)
	_, err := c.ChangeEmail(t.Context(), "next@claviger.example")
	testkit.ExpectCode(t, "without mail", err, api.Conflict)
	if !strings.Contains(err.Error(), "claviger user email") {
		t.Errorf("it does not say what to do: %v", err)
	}
	set := func(of, email string) error {
		return h.Operator().Do(t.Context(), http.MethodPut, "/operator/v1/users/"+of+"/email",
			api.SetEmailRequest{Email: email}, nil)
	}
	testkit.ExpectCode(t, "somebody else's", set(ann.Email, ben.Email), api.Conflict)
	testkit.ExpectCode(t, "no address", set(ann.Email, "x"), api.ValidationFailed)
	testkit.ExpectCode(t, "nobody", set("nobody@claviger.example", "x@claviger.example"), api.NotFound)
	testkit.NoError(t, set(ann.Email, "next@claviger.example"))
	testkit.NoError(t, set(string(ann.ID), "next@claviger.example"))
	if testkit.HasSession(t, c) {
		t.Error("a session goes on")
	}
	if got := testkit.SignInCode(t, h, "next@claviger.example", testkit.Password); got != "" {
		t.Errorf("with the new address: %q", got)
	}
	if got := testkit.SignInCode(t, h, ann.Email, testkit.Password); got != api.SignInFailed {
		t.Errorf("with the old address: %q", got)
	}
}

// Both links are used at once. The address changes once, whichever comes second.
func TestBothLinksAtOnceChangeTheAddress(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := testkit.NewSMTPMailbox(t, e)
		ann := p.Member(p.MainTenant, "Ann Example", scope.Member)
		_, err := p.As(ann).ChangeEmail(t.Context(), "next@claviger.example")
		p.NoError(err)
		forNew, forOld := emailTokens(t, p, "next@claviger.example", ann.Email)
		use := func(token string) func() error {
			return func() error {
				_, err := p.Anyone().ConfirmEmail(t.Context(), token)
				return err
			}
		}
		counts := testkit.Concurrently(t, use(forNew), use(forOld), use(forNew), use(forOld))
		if counts[""] != 2 || counts[api.LinkInvalid] != 2 {
			t.Errorf("%v", counts)
		}
		if got := testkit.SignInCode(t, p.Server, "next@claviger.example", testkit.Password); got != "" {
			t.Errorf("sign in: %q", got)
		}
	})
}

// Each person may request five links a day, so a few people could fill the mailbox of another.
func TestLinksOfManyPeopleToOneAddressAreBounded(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := testkit.NewSMTPMailbox(t, e)
		const victim = "victim@elsewhere.example"
		change := func(who principal.Person, email string) error {
			_, err := p.As(who).ChangeEmail(t.Context(), email)
			return err
		}
		var last principal.Person
		for n := range 5 {
			last = p.Member(p.MainTenant, "Person "+string(rune('A'+n)), scope.Member)
			p.NoError(change(last, victim))
			p.NoError(change(last, "Victim@ELSEWHERE.example"))
		}
		other := p.Member(p.MainTenant, "Other Person", scope.Member)
		testkit.ExpectCode(t, "the eleventh", change(other, victim), api.RateLimited)
		testkit.ExpectCode(t, "in another spelling", change(last, "VICTIM@elsewhere.example"), api.RateLimited)
		p.NoError(change(other, "other@elsewhere.example"))
		p.Clock.Move(24 * time.Hour)
		p.NoError(change(other, victim))
	})
}

func TestTheOutboxForgetsTheAddressesOfADeletedPerson(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := testkit.NewSMTPMailbox(t, e)
		const wanted, next = "wanted@elsewhere.example", "next@elsewhere.example"
		testkit.Invite(t, p.As(p.Owner), p.MainTenant, "slip@claviger.example", "member")
		_, s, err := p.Anyone().AcceptInvitation(t.Context(), p.InvitationToken(t, "slip@claviger.example"),
			testkit.Newcomer)
		p.NoError(err)
		ann := principal.Person{ID: ident.UserID(s.User.ID), Email: "slip@claviger.example"}
		_, err = p.As(ann).ChangeEmail(t.Context(), next)
		p.NoError(err)
		forNew, forOld := emailTokens(t, p, next, ann.Email)
		if confirming(t, p.Server, forNew) != "waits" || confirming(t, p.Server, forOld) != "changed" {
			t.Fatal("the address did not change")
		}
		p.SendDue()
		_, err = p.As(ann).ChangeEmail(t.Context(), wanted)
		p.NoError(err)
		ben := p.Member(p.MainTenant, "Ben Example", scope.Member)
		_, err = p.As(ben).ChangeEmail(t.Context(), "bens@elsewhere.example")
		p.NoError(err)
		mentions := func(address string) int {
			return testkit.QueryInt(t, p.Server,
				`SELECT COUNT(*) FROM outbox WHERE recipient = $1 OR payload LIKE '%' || $1 || '%'`, address)
		}
		addresses := []string{ann.Email, next, wanted}
		for _, address := range addresses {
			if mentions(address) == 0 {
				t.Fatalf("the outbox never had %s", address)
			}
		}
		p.NoError(p.As(ann).DeleteMe(t.Context()))
		p.SendDue()
		for _, address := range addresses {
			if n := mentions(address); n > 0 {
				t.Errorf("the outbox still has %s in %d messages", address, n)
			}
		}
		if mentions("bens@elsewhere.example") == 0 {
			t.Error("the outbox forgot somebody else's")
		}
	})
}
