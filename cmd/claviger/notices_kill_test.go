package main_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const (
	senderKillings = 50 // on either engine
	killedNotices  = 1500
)

// Every second kill comes between the end of a message and the server's answer to it.
func TestKillMinusNineLetsNoNoticeArriveTwiceAndLosesNoneUnseen(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		r := &sendRun{t: t, site: newSite(t, e), server: testkit.StartMailServer(t)}
		r.server.OnMessage = r.message
		r.site.env = []string{"CLAVIGER_MAIL_SMTP=" + r.server.Address, "CLAVIGER_MAIL_TLS=none"}
		r.plan()
		for n := range senderKillings {
			r.cycle(n%2 == 0)
		}
		r.finish()
		r.check()
	})
}

// sendRun is one outbox through all killings of its sender.
type sendRun struct {
	t      *testing.T
	site   *site
	server *testkit.MailServer
	// left counts down to the message at which the sender is killed; fatal is closed then, and gone once it is dead.
	left        atomic.Int64
	fatal, gone chan struct{}
	unanswered  bool
}

// plan fills the outbox, with no server to see it.
func (r *sendRun) plan() {
	r.t.Helper()
	p := r.site.dev(r.t)
	s := p.ready()
	p.term()
	r.site.withStore(r.t, func(st *store.Store) {
		u, _, err := st.UserByEmail(r.t.Context(), identity.CanonicalEmail(s.Email))
		must(r.t, err)
		_, err = st.RecoverNotices(r.t.Context(), time.Now(), "")
		must(r.t, err)
		all := make([]notice.Notice, killedNotices)
		for i := range all {
			key := ident.KeyID(fmt.Sprintf("key_%d", i))
			all[i] = notice.OfKey(notice.KeyRevoked, u.ID, key, time.Now(), notice.Facts{KeyName: string(key)})
		}
		must(r.t, st.PlanNotices(r.t.Context(), all))
	})
}

// message is called once a message has come, before it is answered.
func (r *sendRun) message(net.Conn, testkit.Mail) error {
	if r.left.Add(-1) == 0 {
		close(r.fatal)
		if r.unanswered {
			<-r.gone
		}
	}
	return nil
}

// cycle starts a sender and kills it in the middle.
func (r *sendRun) cycle(unanswered bool) {
	r.t.Helper()
	r.fatal, r.gone, r.unanswered = make(chan struct{}), make(chan struct{}), unanswered
	r.left.Store(1 + rand.Int64N(20))
	p := r.site.serve(r.t)
	select {
	case <-r.fatal:
	case <-p.ended:
		r.t.Fatalf("the sender ended by itself:\n%s", p.stderr.String())
	case <-time.After(patience):
		r.t.Fatalf("no messages come; on stderr:\n%s", p.stderr.String())
	}
	p.kill()
	close(r.gone)
}

// finish lets the claims of the dead run out, and a sender that lives do the rest.
func (r *sendRun) finish() {
	r.t.Helper()
	r.left.Store(0)
	r.site.exec(r.t, `UPDATE outbox SET claimed_until = 0 WHERE claimed_until IS NOT NULL`)
	p := r.site.serve(r.t)
	turn := time.NewTicker(100 * time.Millisecond)
	defer turn.Stop()
	for deadline := time.After(patience); r.count(`state IN ('waiting', 'claimed', 'sending')`) > 0; {
		select {
		case <-turn.C:
		case <-deadline:
			r.t.Fatalf("notices are left over; on stderr:\n%s", p.stderr.String())
		}
	}
	p.term()
}

func (r *sendRun) count(where string) (n int) {
	r.t.Helper()
	r.site.withDB(r.t, func(db *sql.DB) {
		must(r.t, db.QueryRowContext(r.t.Context(), `SELECT COUNT(*) FROM outbox WHERE `+where).Scan(&n))
	})
	return n
}

// check compares what arrived with what the outbox says.
func (r *sendRun) check() {
	r.t.Helper()
	arrived := map[string]int{}
	for _, m := range r.server.Taken() {
		arrived[m.ID(r.t)]++
	}
	doubtful, doubtfulButArrived := 0, 0
	r.site.withDB(r.t, func(db *sql.DB) {
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
	r.t.Logf("%d notices arrived; %d are in doubt, of which %d arrived", len(arrived), doubtful, doubtfulButArrived)
	if doubtful < senderKillings/4 || doubtful > senderKillings {
		r.t.Errorf("%d killings left %d in doubt", senderKillings, doubtful)
	}
}
