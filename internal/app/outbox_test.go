package app_test

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

	"github.com/emersion/go-smtp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// posted is a House that sends its mail to a server, which answers every recipient with the code while that is not 0.
type posted struct {
	*postbox
	server *testkit.MailServer
	answer atomic.Int64
}

func newPosted(t *testing.T, e testkit.Engine) *posted {
	t.Helper()
	p := &posted{server: testkit.StartMailServer(t)}
	p.server.OnRecipient = func(string) error {
		if code := p.answer.Load(); code != 0 {
			return &smtp.SMTPError{Code: int(code), Message: "no"}
		}
		return nil
	}
	c := e.Config(t)
	c.Mail.SMTP, c.Mail.TLS = config.MailServer(p.server.Address), config.NoMailTLS
	p.postbox = postboxOf(t, testkit.StartIn(t, c))
	return p
}

// send runs a pass and gives how many messages the server has taken by then.
func (p *posted) send() int {
	p.Helper()
	p.must(p.Notices.Send(p.Context()))
	return len(p.server.Taken())
}

// in gives how many notices are in the state.
func (p *posted) in(s notice.State) int {
	p.Helper()
	list, err := p.Notices.List(p.Context(), s, 200)
	p.must(err)
	return len(list)
}

func TestWhileTheMailServerIsDownNoticesWaitAndTheNodeStaysReady(t *testing.T) {
	t.Parallel()
	p := newPosted(t, testkit.SQLite)
	p.answer.Store(421)
	lasting, revoked := p.key("Lasting", 40*policy.Day), p.key("Revoked", 40*policy.Day)
	p.Clock.Move(11 * policy.Day)
	p.must(p.Notices.Plan(p.Context()))
	p.send()
	_, err := p.owner().RevokeKey(p.Context(), string(p.tenant.ID), revoked.Key.ID, "")
	p.must(err)
	if p.send() != 0 || p.in(notice.Waiting)+p.in(notice.Skipped) != 3 { // one of them is no longer so, which may have been found by now
		t.Errorf("%d wait, %d were skipped, want 3 together", p.in(notice.Waiting), p.in(notice.Skipped))
	}
	if resp, text := fetch(t, p.URL+"/readyz"); resp.StatusCode != 200 {
		t.Errorf("readyz: %s", text)
	}
	if !strings.Contains(p.Log.String(), "notices cannot be sent, and wait") {
		t.Error("the log does not say so")
	}
	if s := scrape(t, p.House); s[`claviger_notices{state="waiting"}`] < 2 || s["claviger_notices_oldest_seconds"] < 0 || s[`claviger_notices_total{result="retried"}`] == 0 {
		t.Errorf("shown are %v waiting", s[`claviger_notices{state="waiting"}`])
	}
	p.answer.Store(0)
	p.Clock.Move(time.Hour)
	if n := p.send(); n != 2 || p.in(notice.Skipped) != 1 || p.in(notice.Waiting) != 0 {
		t.Errorf("%d arrived, %d were skipped, %d wait; want 2, 1, 0", n, p.in(notice.Skipped), p.in(notice.Waiting))
	}
	for _, m := range p.server.Taken() {
		if s := header(t, m.Content, "Subject"); !strings.Contains(s, lasting.Key.Name+`" expires in 29 days`) && !strings.Contains(s, `"Revoked" was revoked`) {
			t.Errorf("sent was %s", s)
		}
	}
}

func TestANoticeThatIsNotTakenForThreeDaysIsDeadUntilAnOperatorRetriesIt(t *testing.T) {
	t.Parallel()
	p := newPosted(t, testkit.SQLite)
	p.answer.Store(451)
	k := p.key("Key", 0)
	begun := p.Clock.Now()
	_, err := p.owner().RefreshKey(p.Context(), string(p.tenant.ID), k.Key.ID, api.Refresh{})
	p.must(err)
	for p.send(); p.in(notice.Waiting) > 0; p.send() {
		p.Clock.Move(10 * time.Minute)
	}
	if took := p.Clock.Now().Sub(begun); took < 60*time.Hour || took > 85*time.Hour || p.in(notice.Dead) != 1 {
		t.Errorf("after %s %d are dead", took, p.in(notice.Dead))
	}
	if !strings.Contains(p.Log.String(), "a notice was not delivered") {
		t.Error("the log does not say so")
	}
	p.answer.Store(0)
	if n, err := p.Notices.RetryDead(p.Context(), principal.Operator()); err != nil || n != 1 {
		t.Errorf("retried %d, %v", n, err)
	}
	if n := p.send(); n != 1 || p.in(notice.Sent) != 1 {
		t.Errorf("%d arrived", n)
	}
}

func TestARecipientWhomTheServerRefusesMakesANoticeDeadAtOnce(t *testing.T) {
	t.Parallel()
	p := newPosted(t, testkit.SQLite)
	p.answer.Store(550)
	k := p.key("Key", 0)
	_, err := p.owner().RevokeKey(p.Context(), string(p.tenant.ID), k.Key.ID, "")
	p.must(err)
	p.send()
	dead, err := p.Notices.List(p.Context(), notice.Dead, 10)
	if err != nil || len(dead) != 1 || dead[0].Reason != "The mail server refuses the recipient (550)." {
		t.Errorf("dead are %+v, %v", dead, err)
	}
}

// some plans notices about a key that is none, and gives their ids.
func (p *posted) some(n int) (ids []ident.NoticeID) {
	p.Helper()
	var all []notice.Notice
	for i := range n {
		f := notice.Facts{Tenant: p.tenant.ID, KeyName: fmt.Sprintf("Key %d", i)}
		all = append(all, notice.OfKey(notice.KeyRevoked, p.person.ID, ident.KeyID(fmt.Sprintf("key_%d", i)), p.Clock.Now(), f))
		ids = append(ids, all[i].ID)
	}
	for range 2 { // the second time they are known
		p.must(p.Store.PlanNotices(p.Context(), all))
	}
	return ids
}

func TestOfManySendersOneSendsEachNoticeOnce(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := newPosted(t, e)
		ids := p.some(120)
		var senders sync.WaitGroup
		for i := range 3 {
			s := &notice.Service{
				Store: p.Store, Carrier: p.Notices.Carrier, Now: p.Clock.Now, Rand: rand.Reader, Log: p.Notices.Log, Holder: fmt.Sprintf("sender %d", i), Lease: time.Minute,
			}
			senders.Go(func() {
				if err := s.Send(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		senders.Wait()
		p.send() // what a sender claimed just when the others saw nothing more
		var got []string
		for _, m := range p.server.Taken() {
			got = append(got, m.ID(t))
		}
		slices.Sort(got)
		if len(got) != len(ids) || len(slices.Compact(got)) != len(ids) {
			t.Errorf("%d arrived, want %d, each once", len(p.server.Taken()), len(ids))
		}
	})
}

func TestWhatASenderLeavesBehindIsSentAgainOnlyIfItWasNotHandedOver(t *testing.T) {
	t.Parallel()
	p := newPosted(t, testkit.SQLite)
	p.answer.Store(421)
	ids := p.some(2)
	claims := make([]notice.Claim, 2)
	now := p.Clock.Now().Add(time.Hour) // when whatever the node itself tried is due again
	for i, id := range ids {
		_, attempt, ok, err := p.Store.ClaimNotice(p.Context(), id, "killed", now, now.Add(time.Minute))
		if claims[i] = (notice.Claim{ID: id, Holder: "killed", Attempt: attempt}); err != nil || !ok {
			t.Fatalf("%s cannot be claimed: %v", id, err)
		}
	}
	if ok, err := p.Store.HandOverNotice(p.Context(), claims[1], now, now.Add(time.Minute)); err != nil || !ok {
		t.Fatalf("%t, %v", ok, err)
	}
	p.answer.Store(0)
	if p.send() != 0 {
		t.Error("a notice was sent that another sender had claimed")
	}
	p.Clock.Move(2 * time.Hour)
	if n := p.send(); n != 1 || p.in(notice.InDoubt) != 1 {
		t.Errorf("%d arrived, %d are in doubt", n, p.in(notice.InDoubt))
	}
	for _, c := range claims {
		if ok, err := p.Store.HandOverNotice(p.Context(), c, p.Clock.Now(), p.Clock.Now()); ok || err != nil {
			t.Errorf("a claim that ran out still hands over: %v", err)
		}
	}
	if n, err := p.Notices.RetryDead(p.Context(), principal.Operator()); n != 0 || err != nil {
		t.Errorf("all dead ones retried are %d, %v: what is in doubt is to be named", n, err)
	}
	p.must(p.Notices.Retry(p.Context(), principal.Operator(), ids[1]))
	if n := p.send(); n != 2 {
		t.Errorf("%d arrived after the retry", n)
	}
	if err := p.Notices.Retry(p.Context(), principal.Operator(), ids[1]); !errors.Is(err, fault.Conflict) {
		t.Errorf("what was sent is sent again: %v", err)
	}
}

func TestAServerThatSaysNothingAfterTheMessageLeavesItInDoubt(t *testing.T) {
	t.Parallel()
	p := newPosted(t, testkit.SQLite)
	var came atomic.Int64
	p.server.OnMessage = func(conn net.Conn, _ testkit.Mail) error { came.Add(1); return conn.Close() }
	p.some(3)
	for range 3 {
		p.send()
		p.Clock.Move(10 * policy.Day)
	}
	if came.Load() != 3 || p.in(notice.InDoubt) != 3 {
		t.Errorf("3 came %d times, %d are in doubt", came.Load(), p.in(notice.InDoubt))
	}
}
