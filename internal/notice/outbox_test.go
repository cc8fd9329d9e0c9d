package notice_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestWhileTheMailServerIsDownNoticesWaitAndTheNodeStaysReady(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	p.ReplyCode.Store(421)
	lasting, revoked := p.NewKey("Lasting", 40*policy.Day), p.NewKey("Revoked", 40*policy.Day)
	p.Clock.Move(11 * policy.Day)
	p.NoError(p.Notices.Plan(p.Context()))
	p.SendDue()
	_, err := p.AsRecipient().RevokeKey(p.Context(), string(p.MainTenant.ID), revoked.Key.ID, "")
	p.NoError(err)
	// one of them is no longer so, which may have been found by now
	if p.SendDue() != 0 || p.CountIn(notice.Waiting)+p.CountIn(notice.Skipped) != 3 {
		t.Errorf("%d wait, %d were skipped, want 3 together", p.CountIn(notice.Waiting), p.CountIn(notice.Skipped))
	}
	if resp, text := testkit.Get(t, p.URL+"/readyz"); resp.StatusCode != 200 {
		t.Errorf("readyz: %s", text)
	}
	if !strings.Contains(p.Log.String(), "notices cannot be sent, and wait") {
		t.Error("the log does not say so")
	}
	if s := testkit.Scrape(t, p.Server); s[`claviger_notices{state="waiting"}`] < 2 ||
		s["claviger_notices_oldest_seconds"] < 0 || s[`claviger_notices_total{result="retried"}`] == 0 {
		t.Errorf("shown are %v waiting", s[`claviger_notices{state="waiting"}`])
	}
	p.ReplyCode.Store(0)
	p.Clock.Move(time.Hour)
	if n := p.SendDue(); n != 2 || p.CountIn(notice.Skipped) != 1 || p.CountIn(notice.Waiting) != 0 {
		t.Errorf("%d arrived, %d were skipped, %d wait; want 2, 1, 0", n, p.CountIn(notice.Skipped),
			p.CountIn(notice.Waiting))
	}
	for _, m := range p.MailServer.Received() {
		if s := testkit.MailHeader(t, m.Content, "Subject"); !strings.Contains(s,
			lasting.Key.Name+`" expires in 29 days`) &&
			!strings.Contains(s, `"Revoked" was revoked`) {
			t.Errorf("sent was %s", s)
		}
	}
}

func TestANoticeThatIsNotTakenForThreeDaysIsDeadUntilAnOperatorRetriesIt(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	p.ReplyCode.Store(451)
	k := p.NewKey("Key", 0)
	begun := p.Clock.Now()
	_, err := p.AsRecipient().RefreshKey(p.Context(), string(p.MainTenant.ID), k.Key.ID, api.RefreshKeyRequest{})
	p.NoError(err)
	for p.SendDue(); p.CountIn(notice.Waiting) > 0; p.SendDue() {
		p.Clock.Move(10 * time.Minute)
	}
	// The pauses sum up to 64 h 31 min, a fifth more or less, and the test looks every ten minutes.
	if took := p.Clock.Now().Sub(begun); took < 51*time.Hour || took > 81*time.Hour || p.CountIn(notice.Dead) != 1 {
		t.Errorf("after %s %d are dead", took, p.CountIn(notice.Dead))
	}
	if !strings.Contains(p.Log.String(), "a notice was not delivered") {
		t.Error("the log does not say so")
	}
	p.ReplyCode.Store(0)
	if n, err := p.Notices.RetryDead(p.Context(), principal.Operator()); err != nil || n != 1 {
		t.Errorf("retried %d, %v", n, err)
	}
	if n := p.SendDue(); n != 1 || p.CountIn(notice.Sent) != 1 {
		t.Errorf("%d arrived", n)
	}
}

func TestARecipientWhomTheServerRefusesMakesANoticeDeadAtOnce(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	p.ReplyCode.Store(550)
	k := p.NewKey("Key", 0)
	_, err := p.AsRecipient().RevokeKey(p.Context(), string(p.MainTenant.ID), k.Key.ID, "")
	p.NoError(err)
	p.SendDue()
	dead, err := p.Notices.List(p.Context(), notice.Dead, 10)
	if err != nil || len(dead) != 1 || dead[0].Reason != "The mail server refuses the recipient (550)." {
		t.Errorf("dead are %+v, %v", dead, err)
	}
}

func TestALinkToSetAPasswordIsSentBeforeNoticesThatWereDueEarlier(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	p.PlanNotices(60) // more than one batch
	p.Clock.Move(time.Second)
	p.NoError(p.Anyone().RequestPasswordReset(p.Context(), p.Recipient.Email))
	p.NoError(p.Identity.MailResets(p.Context()))
	if n := p.SendDue(); n != 61 {
		t.Fatalf("%d messages arrived, want 61", n)
	}
	first := p.MailServer.Received()[0]
	if s := testkit.MailHeader(t, first.Content, "Subject"); !strings.Contains(s, "password") {
		t.Errorf("the first message is %q", s)
	}
}

func TestOfManySendersOneSendsEachNoticeOnce(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := testkit.NewSMTPMailbox(t, e)
		ids := p.PlanNotices(120)
		var senders sync.WaitGroup
		for i := range 3 {
			s := &notice.Service{
				Store: p.Store, Sender: p.Notices.Sender, Now: p.Clock.Now, Rand: rand.Reader, Log: p.Notices.Log,
				Holder: fmt.Sprintf("sender %d", i), Lease: time.Minute,
			}
			senders.Go(func() {
				if err := s.SendDue(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		senders.Wait()
		p.SendDue() // what a sender claimed just when the others saw nothing more
		var got []string
		for _, m := range p.MailServer.Received() {
			got = append(got, m.ID(t))
		}
		slices.Sort(got)
		if len(got) != len(ids) || len(slices.Compact(got)) != len(ids) {
			t.Errorf("%d arrived, want %d, each once", len(p.MailServer.Received()), len(ids))
		}
	})
}

func TestWhatASenderLeavesBehindIsSentAgainOnlyIfItWasNotHandedOver(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	p.ReplyCode.Store(421)
	ids := p.PlanNotices(2)
	claims := make([]notice.Lease, 2)
	now := p.Clock.Now().Add(time.Hour) // when whatever the node itself tried is due again
	for i, id := range ids {
		_, attempt, ok, err := p.Store.LeaseNotice(p.Context(), id, "killed", now, now.Add(time.Minute))
		claims[i] = (notice.Lease{ID: id, Holder: "killed", Attempt: attempt})
		if err != nil || !ok {
			t.Fatalf("%s cannot be claimed: %v", id, err)
		}
	}
	if ok, err := p.Store.StartSending(p.Context(), claims[1], now, now.Add(time.Minute)); err != nil || !ok {
		t.Fatalf("%t, %v", ok, err)
	}
	p.ReplyCode.Store(0)
	if p.SendDue() != 0 {
		t.Error("a notice was sent that another sender had claimed")
	}
	p.Clock.Move(2 * time.Hour)
	if n := p.SendDue(); n != 1 || p.CountIn(notice.InDoubt) != 1 {
		t.Errorf("%d arrived, %d are in doubt", n, p.CountIn(notice.InDoubt))
	}
	for _, c := range claims {
		if ok, err := p.Store.StartSending(p.Context(), c, p.Clock.Now(), p.Clock.Now()); ok || err != nil {
			t.Errorf("a claim that ran out still hands over: %v", err)
		}
	}
	if n, err := p.Notices.RetryDead(p.Context(), principal.Operator()); n != 0 || err != nil {
		t.Errorf("all dead ones retried are %d, %v: what is in doubt is to be named", n, err)
	}
	p.NoError(p.Notices.Retry(p.Context(), principal.Operator(), ids[1]))
	if n := p.SendDue(); n != 2 {
		t.Errorf("%d arrived after the retry", n)
	}
	if err := p.Notices.Retry(p.Context(), principal.Operator(), ids[1]); !errors.Is(err, fault.Conflict) {
		t.Errorf("what was sent is sent again: %v", err)
	}
}

func TestAServerThatSaysNothingAfterTheMessageLeavesItInDoubt(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.SQLite)
	var came atomic.Int64
	p.MailServer.OnMessage = func(conn net.Conn, _ testkit.Mail) error { came.Add(1); return conn.Close() }
	p.PlanNotices(3)
	for range 3 {
		p.SendDue()
		p.Clock.Move(10 * policy.Day)
	}
	if came.Load() != 3 || p.CountIn(notice.InDoubt) != 3 {
		t.Errorf("3 came %d times, %d are in doubt", came.Load(), p.CountIn(notice.InDoubt))
	}
}
