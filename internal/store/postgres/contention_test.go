package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func newStore(t *testing.T, url string) *store.Store {
	t.Helper()
	s := store.New(open(t, url), store.Options{Now: time.Now, Rand: rand.Reader})
	s.SetRoot(credential.NewRoot(rand.Reader))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// write runs a change and counts how often it ran.
func write(t *testing.T, s *store.Store, change func(context.Context, *store.Tx) error) (runs int64, err error) {
	var counted atomic.Int64
	err = store.NewLedger(s, func(tx *store.Tx) *store.Tx { return tx }).Write(t.Context(), principal.Operator(),
		func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			counted.Add(1)
			return audit.By(principal.Operator(), audit.ActionNoticeRetry, audit.Target{}), change(ctx, tx)
		})
	return counted.Load(), err
}

// people inserts users and returns their ids.
func people(t *testing.T, s *store.Store, n int) (ids []ident.UserID) {
	t.Helper()
	_, err := write(t, s, func(ctx context.Context, tx *store.Tx) error {
		ids = nil
		for i := range n {
			u := identity.User{
				ID: ident.UserID(fmt.Sprint("usr_", i)), Canonical: fmt.Sprint(i, "@claviger.example"),
				CreatedAt: time.Now(),
			}
			if _, err := tx.InsertUser(ctx, u, ""); err != nil {
				return err
			}
			ids = append(ids, u.ID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestTwoChangesInDeadlockBothSucceed(t *testing.T) {
	s := newStore(t, testkit.MigratedDatabase(t))
	ids := people(t, s, 2)
	var both sync.WaitGroup // each change holds its first row
	both.Add(2)
	var runs atomic.Int64
	ended := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	crossing := func(first, second int) {
		defer close(ended[first])
		tries := 0
		n, err := write(t, s, func(ctx context.Context, tx *store.Tx) error {
			tries++
			if tries > 1 {
				<-ended[second] // so that they do not meet again
			}
			if err := tx.SetPassword(ctx, ids[first], "first", time.Now()); err != nil {
				return err
			}
			if tries == 1 {
				both.Done()
				both.Wait()
			}
			return tx.SetPassword(ctx, ids[second], "second", time.Now())
		})
		runs.Add(n)
		if err != nil {
			t.Error(err)
		}
	}
	go crossing(0, 1)
	go crossing(1, 0)
	<-ended[0]
	<-ended[1]
	if got := runs.Load(); got != 3 {
		t.Errorf("two changes ran %d times together, want the victim twice and the other once", got)
	}
}

// failAtCommit makes every COMMIT that changes users fail with the SQLSTATE.
func failAtCommit(t *testing.T, url, state string) {
	t.Helper()
	conn := raw(t, url)
	exec(t, conn,
		`CREATE FUNCTION fail() RETURNS trigger
			LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '`+state+`'; END $$`)
	exec(t, conn,
		`CREATE CONSTRAINT TRIGGER fail AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
			EXECUTE FUNCTION fail()`)
}

func TestACommitThatFailsOfContentionIsNotRepeated(t *testing.T) {
	for _, state := range []string{"40001", "40P01"} {
		url := testkit.MigratedDatabase(t)
		s := newStore(t, url)
		ids := people(t, s, 1)
		failAtCommit(t, url, state)
		runs, err := write(t, s,
			func(ctx context.Context, tx *store.Tx) error { return tx.SetPassword(ctx, ids[0], "new", time.Now()) })
		if cause, ok := errors.AsType[*pgconn.PgError](err); !ok || cause.Code != state {
			t.Errorf("COMMIT was to fail with %s: %v", state, err)
		}
		if runs != 1 || fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s: ran %d times and ended with %v, want once and unavailable", state, runs, err)
		}
	}
}

func TestAStatementThatFailsOfContentionIsRepeated(t *testing.T) {
	for _, state := range []string{"40001", "40P01"} {
		url := testkit.MigratedDatabase(t)
		s := newStore(t, url)
		ids := people(t, s, 1)
		conn := raw(t, url)
		exec(t, conn, `CREATE SEQUENCE tries`) // a rollback does not reset a sequence
		exec(t, conn,
			`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('tries') < 3
				THEN RAISE EXCEPTION 'made up' USING ERRCODE = '`+state+`'; END IF; RETURN NEW; END $$`)
		exec(t, conn, `CREATE TRIGGER fail BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION fail()`)
		runs, err := write(t, s,
			func(ctx context.Context, tx *store.Tx) error { return tx.SetPassword(ctx, ids[0], "new", time.Now()) })
		if runs != 3 || err != nil {
			t.Errorf("%s: ran %d times and ended with %v, want three times and success", state, runs, err)
		}
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	b := open(t, testkit.MigratedDatabase(t))
	defer closeBackend(t, b)
	for state, want := range map[string]store.Failure{
		"40001": store.Contention, "40P01": store.Contention, "23505": store.Duplicate, "53100": store.Full,
		"58030": store.Fatal, "XX001": store.Fatal,
		"23503": store.Other, "57014": store.Other, "55P03": store.Other, "": store.Other,
		"42601": store.Rejected, "42P01": store.Rejected, "42501": store.Rejected, "22001": store.Rejected,
		"22P05": store.Rejected,
		"23502": store.Rejected, "23514": store.Rejected,
		"57P01": store.Disconnected, "25P03": store.Disconnected, "25P04": store.Disconnected,
	} {
		for _, err := range []error{
			&pgconn.PgError{Code: state},
			errors.Join(errors.New("around it"), fmt.Errorf("of it: %w", &pgconn.PgError{Code: state})),
		} {
			if got := b.Classify(err); got != want {
				t.Errorf("%v is failure %d, want %d", err, got, want)
			}
		}
	}
	for _, err := range []error{nil, context.DeadlineExceeded, errors.New("anything")} {
		if got := b.Classify(err); got != store.Other {
			t.Errorf("%v is failure %d, want %d", err, got, store.Other)
		}
	}
}
