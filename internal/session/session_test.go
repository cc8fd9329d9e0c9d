package session_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestPeopleSeeTheirOwnLiveSessionsAndEndThem(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	person, other := h.Person("Some Body"), h.Person("Some Else")
	first := h.As(person)
	h.Clock.Move(time.Minute)
	second, third := h.As(person), h.As(person)
	stranger := h.As(other)
	all, err := second.Sessions(t.Context(), client.Page{})
	if err != nil || len(all.Items) != 3 || all.NextCursor != nil {
		t.Fatalf("%+v, %v", all, err)
	}
	for i, s := range all.Items {
		if s.Current != (i == 1) || s.IP != "127.0.0.1" || !strings.HasPrefix(s.UserAgent, "Go-http-client") || i > 0 &&
			!s.CreatedAt.Before(all.Items[i-1].CreatedAt) {
			t.Errorf("session %d: %+v", i, s)
		}
	}
	page, err := second.Sessions(t.Context(), client.Page{Limit: 2})
	if err != nil || len(page.Items) != 2 || page.NextCursor == nil {
		t.Fatalf("%+v, %v", page, err)
	}
	rest, err := second.Sessions(t.Context(), client.Page{Limit: 2, Cursor: *page.NextCursor})
	if err != nil || len(rest.Items) != 1 || rest.Items[0] != all.Items[2] {
		t.Errorf("the second page: %+v, %v", rest, err)
	}
	_, err = stranger.Sessions(t.Context(), client.Page{Cursor: *page.NextCursor})
	if got := testkit.FieldErrors(t, err); got != "cursor invalid" {
		t.Errorf("another's cursor: %s", got)
	}
	if got := testkit.Code(t, stranger.EndSession(t.Context(), all.Items[0].ID)); got != api.NotFound {
		t.Errorf("another's session: %q", got)
	}
	if got := testkit.Code(t, second.EndSession(t.Context(), "ses_%00")); got != api.NotFound {
		t.Errorf("an id of no form: %q", got)
	}
	if err := second.EndSession(t.Context(), all.Items[2].ID); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		client *client.Client
		lives  bool
	}{"the one that was ended": {first, false}, "the one that asked": {second, true}, "the newest": {third, true}} {
		if got := testkit.HasSession(t, c.client); got != c.lives {
			t.Errorf("%s: signed in is %t", name, got)
		}
	}
	if got := testkit.Code(t, second.EndSession(t.Context(), all.Items[2].ID)); got != api.NotFound {
		t.Errorf("ended again: %q", got)
	}
}

func TestASessionDiesUnusedOrAtItsEnd(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	idle, used := h.As(h.Owner), h.As(h.Owner)
	const step = 4 * time.Hour
	var lived time.Duration
	for ; lived < policy.DefaultSessions.Absolute-step; lived += step {
		h.Clock.Move(step)
		if !testkit.HasSession(t, used) {
			t.Fatalf("a session in use is dead after %s", lived+step)
		}
	}
	all, err := used.Sessions(t.Context(), client.Page{})
	if err != nil || len(all.Items) != 1 || !all.Items[0].Current {
		t.Errorf("once the other is idle: %+v, %v", all, err)
	}
	h.Clock.Move(step)
	for name, c := range map[string]*client.Client{"an idle": idle, "a used": used} {
		if testkit.HasSession(t, c) {
			t.Errorf("%s session lives after %s", name, lived+step)
		}
	}
}

func TestASessionDiesTheMomentItsIdleTimeIsOver(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	c := h.As(h.Owner)
	h.Clock.Move(policy.DefaultSessions.Idle - time.Second)
	if !testkit.HasSession(t, c) {
		t.Fatal("dead a second before its time")
	}
	h.Clock.Move(policy.DefaultSessions.Idle) // which began anew
	if testkit.HasSession(t, c) {
		t.Error("alive after its time")
	}
}

func TestDeadSessionsAreSweptInOneAuditedChange(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	h.As(h.Owner)
	h.As(h.Owner)
	h.Clock.Move(policy.MaxSessions.Idle + time.Second)
	lives := h.As(h.Owner)
	for range 2 { // the second time there is nothing to do
		if err := h.Sessions.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	swept := testkit.ChainRecords(t, h, audit.ServerChain, "session.sweep")
	if len(swept) != 1 || swept[0].Details["sessions"] != "2" || swept[0].Actor.Type != "system" {
		t.Errorf("sweeps on record: %+v", swept)
	}
	if !testkit.HasSession(t, lives) {
		t.Error("a live session was swept")
	}
}

func TestNoSessionBeginsWithAPasswordThatWasReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	replaced := h.Person("Some Body")
	disabled := h.Person("Some Else")
	deleted := h.Person("Some More")
	leaving := h.As(deleted)
	for name, c := range map[string]struct {
		person principal.Person
		change func() error
	}{
		"the password was replaced": {
			replaced,
			func() error { h.ChangePassword(replaced, "another horse battery staple"); return nil },
		},
		"the user was disabled": {disabled, func() error {
			_, err := h.Identity.SetDisabled(t.Context(), principal.Operator(), disabled.ID, true)
			return err
		}},
		"the user was deleted": {deleted, func() error { return leaving.DeleteMe(t.Context()) }},
	} {
		u, err := h.Identity.SignIn(t.Context(), principal.Origin{}, c.person.Email,
			credential.NewSecret(testkit.Password))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		_, _, err = h.Sessions.Begin(t.Context(), session.SignIn{User: u.Person(), PasswordSetAt: u.PasswordSetAt})
		if !errors.Is(err, fault.SignInFailed) {
			t.Errorf("%s after it was judged: %v", name, err)
		}
	}
	u, err := h.Identity.SignIn(t.Context(), principal.Origin{}, h.Owner.Email, credential.NewSecret(testkit.Password))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = h.Sessions.Begin(t.Context(), session.SignIn{User: u.Person(), PasswordSetAt: u.PasswordSetAt})
	if err != nil {
		t.Errorf("nothing happened meanwhile: %v", err)
	}
}
