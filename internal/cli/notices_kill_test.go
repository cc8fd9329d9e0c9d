package cli_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const (
	senderKillings = 8  // for each engine
	pairKillings   = 12 // of two senders, alternately
	// victimSends is the maximum number of messages from a sender before it is killed. othersSend
	// is the number of messages from the others in the same time.
	victimSends = 10
	othersSend  = 20
	// noticesEach is more than the number of notices that are sent for each kill.
	noticesEach = victimSends + othersSend + 5
)

// Every second kill of a sender happens between the end of a message and the answer of the server.
func TestKillMinusNineLetsNoNoticeArriveTwiceAndLosesNoneUnseen(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		newSendRun(t, senderKillings**soak, newInstallation(t, e)).run()
	})
}

func TestTwoSendersOnOneDatabaseSendEachNoticeOnceThoughOneOrTheOtherIsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	here, there := newInstallation(t, testkit.Postgres), newInstallation(t, testkit.Postgres)
	there.url = here.url
	newSendRun(t, pairKillings**soak, here, there).run()
}

// sendRun is one outbox whose senders are killed repeatedly.
type sendRun struct {
	t        *testing.T
	killings int
	senders  []*sender
	server   *testkit.MailServer
	aim      atomic.Pointer[aim]
}

// sender is one of the senders that share the outbox.
type sender struct {
	installation *installation
	// from is the address that identifies its messages.
	from string
	// process is the running process; nil for none.
	process *process
}

// aim is the plan for the next kill.
type aim struct {
	from string
	// left counts down to the message at which the sender is killed. Then fatal is closed. gone is
	// closed when the process has ended, and over when the next aim begins.
	left              atomic.Int64
	fatal, gone, over chan struct{}
	// unanswered is set if that message gets no answer.
	unanswered bool
	// others has an element for each message that the others may send in the same time.
	others chan struct{}
}

// newSendRun returns a run whose installations share one root secret and one mail server.
func newSendRun(t *testing.T, killings int, sites ...*installation) *sendRun {
	t.Helper()
	r := &sendRun{t: t, killings: killings, server: testkit.StartMailServer(t)}
	r.server.OnMessage = r.message
	root := credential.NewRoot(rand.Reader).Text().Reveal()
	for i, s := range sites {
		from := fmt.Sprintf("node-%d@claviger.example", i)
		s.env = []string{
			"CLAVIGER_ROOT_SECRET=" + root, "CLAVIGER_MAIL_SMTP=" + r.server.Address,
			"CLAVIGER_MAIL_TLS=none", "CLAVIGER_MAIL_FROM=" + from,
		}
		r.senders = append(r.senders, &sender{installation: s, from: from})
	}
	return r
}

func (r *sendRun) run() {
	r.t.Helper()
	r.plan()
	for n := range r.killings {
		r.cycle(n)
	}
	r.finish()
	r.check()
}

// plan fills the outbox while no server runs.
func (r *sendRun) plan() {
	r.t.Helper()
	installation := r.senders[0].installation
	p := installation.dev(r.t)
	s := p.ready()
	p.term()
	installation.withStore(r.t, func(st *store.Store) {
		u, _, err := st.UserByEmail(r.t.Context(), identity.CanonicalEmail(s.Email))
		must(r.t, err)
		_, err = st.ReleaseExpiredLeases(r.t.Context(), time.Now(), "")
		must(r.t, err)
		all := make([]notice.Notice, noticesEach*r.killings)
		for i := range all {
			key := ident.KeyID(fmt.Sprintf("key_%d", i))
			all[i] = notice.OfKey(notice.KeyRevoked, u.ID, key, time.Now(), notice.Facts{KeyName: string(key)})
		}
		must(r.t, st.PlanNotices(r.t.Context(), all))
	})
}

// message is called for each message, before the answer.
func (r *sendRun) message(_ net.Conn, m testkit.Mail) error {
	a := r.aim.Load()
	switch {
	case a == nil:
	case m.From != a.from:
		select {
		case <-a.others:
		case <-a.over:
		}
	case a.left.Add(-1) == 0:
		close(a.fatal)
		if a.unanswered {
			<-a.gone
		}
	}
	return nil
}

// takeAim replaces the aim; nil for none.
func (r *sendRun) takeAim(a *aim) {
	if before := r.aim.Swap(a); before != nil {
		close(before.over)
	}
}

// cycle runs all senders, and kills the next victim during its work.
func (r *sendRun) cycle(n int) {
	r.t.Helper()
	victim := r.senders[n%len(r.senders)]
	a := &aim{
		from: victim.from, fatal: make(chan struct{}), gone: make(chan struct{}), over: make(chan struct{}),
		unanswered: n/len(r.senders)%2 == 0, others: make(chan struct{}, othersSend),
	}
	a.left.Store(1 + mathrand.Int64N(victimSends))
	for range othersSend {
		a.others <- struct{}{}
	}
	r.takeAim(a)
	r.start()
	select {
	case <-a.fatal:
	case <-victim.process.ended:
		r.t.Fatalf("the sender ended by itself:\n%s", victim.process.stderr.String())
	case <-time.After(waitTimeout):
		r.t.Fatalf("no messages come; on stderr:\n%s", victim.process.stderr.String())
	}
	victim.process.kill()
	victim.process = nil
	close(a.gone)
}

// start starts every sender that is not running.
func (r *sendRun) start() {
	r.t.Helper()
	for _, s := range r.senders {
		if s.process == nil {
			s.process = s.installation.serve(r.t)
		}
	}
}

// kill kills every running sender.
func (r *sendRun) kill() {
	for _, s := range r.senders {
		if s.process != nil {
			s.process.kill()
			s.process = nil
		}
	}
}

// finish ends the leases of the killed senders, and lets the running senders send the rest.
func (r *sendRun) finish() {
	r.t.Helper()
	r.takeAim(nil)
	r.kill()
	r.senders[0].installation.exec(r.t, `UPDATE outbox SET claimed_until = 0 WHERE claimed_until IS NOT NULL`)
	r.start()
	turn := time.NewTicker(100 * time.Millisecond)
	defer turn.Stop()
	for deadline := time.After(waitTimeout); r.count(`state IN ('waiting', 'claimed', 'sending')`) > 0; {
		select {
		case <-turn.C:
		case <-deadline:
			r.t.Fatalf("notices are left over; on stderr:\n%s", r.senders[0].process.stderr.String())
		}
	}
	r.kill()
}

func (r *sendRun) count(where string) (n int) {
	r.t.Helper()
	r.senders[0].installation.withDB(r.t, func(db *sql.DB) {
		must(r.t, db.QueryRowContext(r.t.Context(), `SELECT COUNT(*) FROM outbox WHERE `+where).Scan(&n))
	})
	return n
}

// check compares the messages that arrived with the outbox.
func (r *sendRun) check() {
	r.t.Helper()
	arrived, by := map[string]int{}, map[string]int{}
	for _, m := range r.server.Received() {
		arrived[m.ID(r.t)]++
		by[m.From]++
	}
	doubtful, doubtfulButArrived := 0, 0
	r.senders[0].installation.withDB(r.t, func(db *sql.DB) {
		eachRow(r.t, db, `SELECT id, state FROM outbox`, func(row []any) {
			id, state := fmt.Sprint(row[0]), fmt.Sprint(row[1])
			switch n := arrived[id]; {
			case n > 1 || state == "sent" && n != 1 || state != "sent" && state != "in_doubt":
				r.t.Errorf("%s arrived %d times and is %s", id, n, state)
			case state == "in_doubt":
				doubtful++
				doubtfulButArrived += n
			}
		})
	})
	r.t.Logf("%d notices arrived, sent by %v; %d are in doubt, of which %d arrived", len(arrived), by, doubtful,
		doubtfulButArrived)
	if doubtful < r.killings/4 || doubtful > r.killings+len(r.senders) {
		r.t.Errorf("%d killings left %d in doubt", r.killings, doubtful)
	}
}
