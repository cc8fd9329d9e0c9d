package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const newPassword = "a new horse battery staple"

// setting sets a password by a link, and gives the code of the refusal.
func setting(t *testing.T, h *testkit.Server, token, password string) api.Code {
	t.Helper()
	return testkit.Code(t, h.Anyone().ResetPassword(t.Context(), token, password))
}

func TestALostPasswordIsSetAnewByAMailedLinkOnceWithinAnHour(t *testing.T) {
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	ann := p.Person("Ann Example")
	session := p.As(ann)
	testkit.SetSignInFailures(t, p.Server, ann.Email, 1_000)
	link, other := p.ResetToken(t, ann), p.ResetToken(t, ann)
	if strings.Contains(p.Log.String(), link) {
		t.Error("the ticket is in the log")
	}
	if got := testkit.FieldErrors(t,
		p.Anyone().ResetPassword(t.Context(), link, "short")); got != "password too_short" {
		t.Errorf("a short password: %s", got)
	}
	if got := testkit.FieldErrors(t,
		p.Anyone().ResetPassword(t.Context(), link, "ann example ann example")); got != "password own_words" {
		t.Errorf("a password of own words: %s", got)
	}
	if !testkit.HasSession(t, session) {
		t.Error("a link that was not used ended a session")
	}
	p.Clock.Move(59 * time.Minute)
	if got := setting(t, p.Server, link, newPassword); got != "" {
		t.Fatalf("the link: %q", got)
	}
	if testkit.HasSession(t, session) {
		t.Error("a session goes on")
	}
	for name, token := range map[string]string{
		"used": link, "another of before": other, "nothing": "nothing",
		"of another kind": testkit.OtherCharacter(link[:1]) + link[1:],
	} {
		if got := setting(t, p.Server, token, newPassword); got != api.LinkInvalid {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := testkit.SignInCode(t, p.Server, ann.Email, testkit.Password); got != api.SignInFailed {
		t.Errorf("the old password: %q", got)
	}
	if got := testkit.SignInCode(t, p.Server, ann.Email, newPassword); got != "" {
		t.Errorf("the new password, after a thousand failures: %q", got)
	}
	p.Clock.Move(time.Hour)
	late := p.ResetToken(t, ann)
	p.Clock.Move(time.Hour)
	if got := setting(t, p.Server, late, newPassword); got != api.LinkInvalid {
		t.Errorf("after an hour: %q", got)
	}
	void := p.ResetToken(t, ann)
	p.ChangePassword(ann, "yet another horse battery staple")
	if got := setting(t, p.Server, void, newPassword); got != api.LinkInvalid {
		t.Errorf("after the password was changed: %q", got)
	}
}

// A person whose password is guessed from elsewhere can still sign in where they used the link.
func TestThePlaceWhereAPasswordIsSetAnewIsKnown(t *testing.T) {
	t.Parallel()
	h := behindProxy(t)
	home := at(h, "198.51.100.7", browser)
	testkit.NoError(t, home.ResetPassword(t.Context(), operatorsLink(t, h, h.Owner), newPassword))
	for range 30 {
		tries(t, at(h, "203.0.113.1", browser), h.Owner.Email, testkit.WrongPassword)
	}
	if got := tries(t, home, h.Owner.Email, newPassword); got != "" {
		t.Errorf("where the password was set: %q", got)
	}
}

// operatorsLink makes a link as claviger user password does, and returns its token.
func operatorsLink(t *testing.T, h *testkit.Server, who principal.Person) string {
	t.Helper()
	var made api.PasswordResetLink
	testkit.NoError(t,
		h.Operator().Do(t.Context(), http.MethodPost, "/operator/v1/users/"+who.Email+"/password-resets", nil,
			&made))
	token, found := strings.CutPrefix(made.URL, h.URL+"/password-resets/")
	if left := made.ExpiresAt.Sub(h.Clock.Now()); !found || made.Email != who.Email || left > time.Hour ||
		left < 59*time.Minute {
		t.Errorf("made %+v", made)
	}
	return token
}

func TestTheOperatorMakesALinkToSetAPassword(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.Person("Some Body")
	link, other := operatorsLink(t, h, p), operatorsLink(t, h, p)
	if got := testkit.SignInCode(t, h, p.Email, testkit.Password); got != "" {
		t.Errorf("the password of before: %q", got)
	}
	if got := setting(t, h, link, newPassword); got != "" {
		t.Errorf("the link: %q", got)
	}
	if got := setting(t, h, other, newPassword); got != api.LinkInvalid {
		t.Errorf("the other link: %q", got)
	}
	if got := testkit.SignInCode(t, h, p.Email, newPassword); got != "" {
		t.Errorf("the new password: %q", got)
	}
	void := operatorsLink(t, h, p)
	disable := func(status string) error {
		return h.Operator().Do(t.Context(), http.MethodPatch, "/operator/v1/users/"+p.Email,
			api.UpdateUserRequest{Status: api.Status(status)}, nil)
	}
	testkit.NoError(t, disable("disabled"))
	if got := setting(t, h, void, newPassword); got != api.LinkInvalid {
		t.Errorf("of a disabled person: %q", got)
	}
	err := h.Operator().Do(t.Context(), http.MethodPost, "/operator/v1/users/"+p.Email+"/password-resets", nil, nil)
	testkit.ExpectCode(t, "for a disabled person", err, api.Conflict)
	testkit.NoError(t, disable("active"))
	if got := setting(t, h, void, newPassword); got != api.LinkInvalid {
		t.Errorf("of a person who was disabled since: %q", got)
	}
	err = h.Operator().Do(t.Context(), http.MethodPost, "/operator/v1/users/nobody@claviger.example/password-resets",
		nil, nil)
	testkit.ExpectCode(t, "for nobody", err, api.NotFound)
}

func TestALinkToSetAPasswordWorksOnceForThirtyTwoAtOnce(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		link := operatorsLink(t, h, h.Owner)
		acts := make([]func() error, 32)
		for i := range acts {
			acts[i] = func() error {
				return h.Anyone().ResetPassword(t.Context(), link, fmt.Sprintf("%s number %d", newPassword, i))
			}
		}
		count := testkit.Concurrently(t, acts...)
		if count[""] != 1 || count[""]+count[api.LinkInvalid]+count[api.Unavailable] != len(acts) {
			t.Errorf("%v, want one password that was set", count)
		}
	})
}

// A request is answered before anybody looks whose address it is.
func TestAskingForALinkTellsNothingOfTheAddress(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	disabled, deleted := p.Person("Now Disabled"), p.Person("Now Deleted")
	_, err := p.Identity.SetDisabled(t.Context(), principal.Operator(), disabled.ID, true)
	p.NoError(err)
	p.NoError(p.As(deleted).DeleteMe(t.Context()))
	type answer struct {
		status int
		header http.Header
		body   string
	}
	answers := map[string]answer{}
	for name, email := range map[string]string{
		"known": p.Owner.Email, "in another spelling": strings.ToUpper(p.Owner.Email),
		"unknown": "nobody@claviger.example", "disabled": disabled.Email, "deleted": deleted.Email,
	} {
		status, header, body := testkit.Post(t, p.Server, "/api/v1/password-resets",
			http.Header{"Content-Type": {"application/json"}}, `{"email":"`+email+`"}`)
		header.Del("X-Request-Id")
		header.Del("Date")
		answers[name] = answer{status, header, string(body)}
	}
	if answers["known"].status != http.StatusAccepted || answers["known"].body != "" {
		t.Errorf("answered %+v", answers["known"])
	}
	for name, got := range answers {
		if diff := cmp.Diff(answers["known"], got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("known (-) and %s (+):\n%s", name, diff)
		}
	}
	for _, m := range p.Mails(t, notice.PasswordReset) {
		if m.To != p.Owner.Email {
			t.Errorf("a link was mailed to %s", m.To)
		}
	}
	if n := len(p.Mails(t, notice.PasswordReset)); n == 0 {
		t.Error("no link was mailed to the owner")
	}
	for body, want := range map[string]string{
		`{}`:                                   "email form",
		`{"email":"nobody"}`:                   "email form",
		`{"email":["a@claviger.example"]}`:     "email type",
		`{"email":"a@x.example","to":"b@x.y"}`: "to unknown",
	} {
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, p.Anyone(), http.MethodPost, "/api/v1/password-resets", body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestLinksByMailAreBoundedForEachPersonAndEachSource(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	ann := p.Person("Ann Example")
	for range 10 {
		p.NoError(p.Anyone().RequestPasswordReset(t.Context(), ann.Email))
		p.NoError(p.Identity.MailResets(t.Context()))
	}
	mails := p.Mails(t, notice.PasswordReset)
	if len(mails) != 3 {
		t.Fatalf("%d messages within an hour, want 3", len(mails))
	}
	if got := setting(t, p.Server, testkit.MailedToken(t, p.Server, mails[0], "/password-resets/"),
		newPassword); got != "" {
		t.Errorf("the first of them: %q", got)
	}
	p.Clock.Move(time.Hour)
	p.ResetToken(t, ann)
	var refused error
	for i := 0; i < 100 && refused == nil; i++ {
		refused = p.Anyone().RequestPasswordReset(t.Context(), fmt.Sprintf("nobody%d@claviger.example", i))
	}
	problem, _ := errors.AsType[*api.Problem](refused)
	if problem == nil || problem.Code != api.RateLimited || problem.RetryAfter <= 0 {
		t.Errorf("a hundred requests of one source: %v", refused)
	}
}

func TestNobodyIsMailedALinkWithoutAMailServer(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	testkit.NoError(t, h.Anyone().RequestPasswordReset(t.Context(), h.Owner.Email))
	testkit.NoError(t, h.Identity.MailResets(t.Context()))
	for _, s := range []notice.State{notice.Waiting, notice.Sent, notice.Skipped} {
		list, err := h.Notices.List(t.Context(), s, 200)
		testkit.NoError(t, err)
		for _, e := range list {
			if e.Kind == notice.PasswordReset {
				t.Errorf("%+v", e)
			}
		}
	}
}

// What waits when the mail server goes away is a secret: it is not written to a file instead.
func TestALinkThatWaitsForTheMailServerIsNeverWrittenToAFile(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	p.ReplyCode.Store(421)
	p.NoError(p.Anyone().RequestPasswordReset(t.Context(), p.Owner.Email))
	p.NoError(p.Identity.MailResets(t.Context()))
	c := p.Config
	c.Mail.SMTP = ""
	p.Server.Config = c
	p.Restart()
	p.Clock.Move(time.Minute)
	p.NoError(p.Notices.SendDue(context.WithoutCancel(t.Context())))
	list, err := p.Notices.List(t.Context(), notice.Skipped, 10)
	if err != nil || len(list) != 1 || list[0].Kind != notice.PasswordReset {
		t.Errorf("skipped are %+v, %v", list, err)
	}
}

// The token of a mailed link is nowhere but in the message.
func TestTheTicketOfAMailedLinkIsNotInTheDatabase(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	token := p.ResetToken(t, p.Owner)
	for _, q := range []string{
		`SELECT payload || dedupe || COALESCE(link_id, '') FROM outbox`,
		`SELECT id || hex(token_hash) FROM links`,
	} {
		rows, err := p.Beside().QueryContext(t.Context(), q)
		testkit.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var text string
			testkit.NoError(t, rows.Scan(&text))
			if strings.Contains(text, token[:20]) {
				t.Errorf("%s has the ticket", q)
			}
		}
		testkit.NoError(t, rows.Err())
	}
}
