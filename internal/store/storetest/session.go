package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/paging"

	"github.com/claviger-dev/claviger/internal/account"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var sessionCases = []testCase{
	{"a session comes back as it was begun, with its user's rights", aSessionComesBack},
	{"rights under anything disabled are left out, and a disabled user has no session", disabledRightsAreLeftOut},
	{"a touch moves the time last seen, and nothing else", aTouchMovesTheLastTime},
	{"when people were last seen outlives their sessions, and not the people", lastSeenOutlivesSessions},
	{"a session is ended for its own user alone", aSessionIsItsUsers},
	{"all sessions of a user end together, and nobody else's", allSessionsOfAUserEnd},
	{"an unknown token is no session", anUnknownTokenIsNoSession},
	{"the living sessions of a user are listed newest first, in pages", livingSessionsAreListed},
	{"the dead are removed, and no others", theDeadAreRemoved},
	{"nobody who is disabled or deleted has a password to sign in with", whoHasAPassword},
}

// insertSession inserts a session of a person. All of its times differ.
func (fx *fixture) insertSession(p principal.Person) (session.Session, credential.TokenHash) {
	fx.Helper()
	s := session.Session{
		ID: ident.New[ident.SessionID](fx.clock.Now(), fx.random), User: p, CreatedAt: fx.clock.Now(),
		SignedInAt: fx.after(time.Second),
		LastSeenAt: fx.after(time.Minute), ExpiresAt: fx.after(time.Hour), IP: "192.0.2.1", Agent: "a browser",
	}
	token := credential.TokenHash(sha256.Sum256([]byte(s.ID)))
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.InsertSession(ctx, s, token) })
	return s, token
}

// guest is a person with rights in two accounts.
type guest struct {
	person      principal.Person
	home, other account.Account
	tenants     []tenancy.Tenant // two in the first account, one in the other
}

func (fx *fixture) newGuest() guest {
	fx.Helper()
	g := guest{person: fx.person()}
	g.home, _ = fx.account()
	g.other, _ = fx.account()
	for _, a := range []account.Account{g.home, g.home, g.other} {
		fx.clock.move(time.Second) // ids ascend
		g.tenants = append(g.tenants, fx.tenant(a.ID, nil))
	}
	fx.join(g.tenants[0], g.person, scope.Admin)
	fx.join(g.tenants[1], g.person, scope.Auditor)
	fx.join(g.tenants[2], g.person, scope.Member)
	fx.setAccountRole(g.home.ID, g.person, scope.AccountAdmin)
	return g
}

func aSessionComesBack(fx *fixture) {
	g := fx.newGuest()
	want, token := fx.insertSession(g.person)
	fx.insertSession(fx.person()) // another person's session is not affected
	got, rights, err := fx.store.Session(fx.Context(), token)
	fx.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		fx.Errorf("came back otherwise:\n%s", diff)
	}
	wanted := principal.Session{
		ID: want.ID, User: g.person, SignedInAt: want.SignedInAt, ExpiresAt: want.ExpiresAt,
		Memberships: []principal.Membership{
			{Tenant: g.tenants[0].ID, Account: g.home.ID, Role: scope.Admin},
			{Tenant: g.tenants[1].ID, Account: g.home.ID, Role: scope.Auditor},
			{Tenant: g.tenants[2].ID, Account: g.other.ID, Role: scope.Member},
		},
		AccountMembers: []principal.AccountMember{{Account: g.home.ID, Role: scope.AccountAdmin}},
	}
	if diff := cmp.Diff(wanted, rights); diff != "" {
		fx.Errorf("rights came back otherwise:\n%s", diff)
	}
}

func disabledRightsAreLeftOut(fx *fixture) {
	g := fx.newGuest()
	_, token := fx.insertSession(g.person)
	first := string(g.tenants[0].ID)
	home := string(g.home.ID)
	person := string(g.person.ID)
	for _, c := range []struct {
		table, where, id string
		memberships      int
		standings        int
	}{
		{"members", "role = 'admin' AND user_id", person, 2, 1},
		{"tenants", "id", first, 2, 1},
		{"accounts", "id", home, 1, 0},
		{"accounts", "id", string(g.other.ID), 2, 1},
	} {
		fx.exec(`UPDATE `+c.table+` SET disabled_at = 1 WHERE `+c.where+` = $1`, c.id)
		_, rights, err := fx.store.Session(fx.Context(), token)
		fx.must(err)
		if m, s := len(rights.Memberships), len(rights.AccountMembers); m != c.memberships || s != c.standings {
			fx.Errorf("with disabled %s %s there are %d memberships and %d standings, want %d and %d", c.table, c.where,
				m, s, c.memberships, c.standings)
		}
		fx.exec(`UPDATE `+c.table+` SET disabled_at = NULL WHERE `+c.where+` = $1`, c.id)
	}
	for _, column := range []string{"disabled_at", "deleted_at"} {
		fx.exec(`UPDATE users SET `+column+` = 1 WHERE id = $1`, person)
		fx.noSession(token)
		fx.exec(`UPDATE users SET `+column+` = NULL WHERE id = $1`, person)
	}
}

func (fx *fixture) noSession(token credential.TokenHash) {
	fx.Helper()
	if s, rights, err := fx.store.Session(fx.Context(), token); !errors.Is(err, fault.NotFound) || s.ID != "" ||
		rights.ID != "" {
		fx.Errorf("there is a session %+v, %+v, %v", s, rights, err)
	}
}

func aTouchMovesTheLastTime(fx *fixture) {
	want, token := fx.insertSession(fx.person())
	_, another := fx.insertSession(fx.person())
	changes := fx.changes()
	want.LastSeenAt = fx.after(2 * time.Minute)
	fx.must(fx.store.Touch(fx.Context(), want.ID, want.LastSeenAt))
	got, _, err := fx.store.Session(fx.Context(), token)
	fx.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		fx.Errorf("after a touch the session is otherwise:\n%s", diff)
	}
	if other, _, err := fx.store.Session(fx.Context(), another); err != nil || other.LastSeenAt.Equal(want.LastSeenAt) {
		fx.Errorf("another's session was last seen %v (%v)", other.LastSeenAt, err)
	}
	if fx.changes() != changes {
		fx.Error("a touch counts as a change")
	}
}

func lastSeenOutlivesSessions(fx *fixture) {
	p, absent := fx.person(), fx.person()
	first, _ := fx.insertSession(p)
	fx.clock.move(time.Hour)
	second, _ := fx.insertSession(p)
	facts := func() identity.SignInFacts {
		fx.Helper()
		found, err := fx.store.SignInFacts(fx.Context(), []ident.UserID{absent.ID, p.ID})
		fx.must(err)
		if len(found) != 2 || found[absent.ID] != (identity.SignInFacts{}) {
			fx.Errorf("the facts are %+v", found)
		}
		return found[p.ID]
	}
	expect := func(what string, want time.Time) {
		fx.Helper()
		if got := facts(); !got.LastSeenAt.Equal(want) || got.SecondFactor {
			fx.Errorf("%s: %+v, want %v", what, got, want)
		}
	}
	expect("two sessions", second.LastSeenAt)
	seen := fx.after(time.Hour)
	fx.must(fx.store.Touch(fx.Context(), second.ID, seen))
	fx.must(fx.store.Touch(fx.Context(), first.ID, fx.after(2*time.Minute)))
	expect("both touched", seen)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.EndSessions(ctx, p.ID) })
	expect("without a session", seen)
	// A node of the version before writes to the session alone.
	later, _ := fx.insertSession(p)
	fx.exec(`UPDATE sessions SET last_seen_at = $2 WHERE id = $1`, later.ID, fx.after(2*time.Hour).UnixMicro())
	expect("seen by an older node", fx.after(2*time.Hour))
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.EndSessions(ctx, p.ID), tx.DeleteUser(ctx, p.ID, fx.clock.Now()))
	})
	expect("a deleted person", time.Time{})
}

func aSessionIsItsUsers(fx *fixture) {
	p, stranger := fx.person(), fx.person()
	s, token := fx.insertSession(p)
	_, other := fx.insertSession(p)
	end := func(user ident.UserID) error {
		return fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			return event(audit.ActionSessionEnd), tx.DeleteSession(ctx, user, s.ID)
		})
	}
	if err := end(stranger.ID); !errors.Is(err, fault.NotFound) {
		fx.Errorf("a stranger ends the session: %v, want not found", err)
	}
	_, _, err := fx.store.Session(fx.Context(), token)
	fx.must(err)
	fx.must(end(p.ID))
	fx.noSession(token)
	if err := end(p.ID); !errors.Is(err, fault.NotFound) {
		fx.Errorf("ended again: %v, want not found", err)
	}
	_, _, err = fx.store.Session(fx.Context(), other)
	fx.must(err)
}

func allSessionsOfAUserEnd(fx *fixture) {
	p, other := fx.person(), fx.person()
	_, first := fx.insertSession(p)
	_, second := fx.insertSession(p)
	_, stays := fx.insertSession(other)
	for range 2 { // the second time there are none
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.EndSessions(ctx, p.ID) })
	}
	fx.noSession(first)
	fx.noSession(second)
	_, _, err := fx.store.Session(fx.Context(), stays)
	fx.must(err)
}

func anUnknownTokenIsNoSession(fx *fixture) {
	fx.insertSession(fx.person())
	for _, token := range []credential.TokenHash{{}, sha256.Sum256([]byte("unknown"))} {
		fx.noSession(token)
	}
}

// threeSessions inserts three sessions of a person, from the oldest to the newest. Each lives an
// hour and was used within a minute.
func (fx *fixture) threeSessions(p principal.Person) (ids []ident.SessionID) {
	fx.Helper()
	for range 3 {
		s, _ := fx.insertSession(p)
		ids = append(ids, s.ID)
		fx.clock.move(20 * time.Minute)
	}
	return ids
}

func livingSessionsAreListed(fx *fixture) {
	p := fx.person()
	fx.insertSession(fx.person())
	ids := fx.threeSessions(p) // begun 60, 40 and 20 minutes ago
	list := func(live session.Bounds, page paging.Page) (found []ident.SessionID) {
		all, err := fx.store.Sessions(fx.Context(), p.ID, live, page)
		fx.must(err)
		for _, s := range all {
			if s.User.ID != p.ID || s.IP == "" || s.Agent == "" || s.LastSeenAt.IsZero() || s.ExpiresAt.IsZero() {
				fx.Errorf("a session comes back as %+v", s)
			}
			found = append(found, s.ID)
		}
		return found
	}
	long := fx.after(-24 * time.Hour)
	ever := session.Bounds{EndsAfter: long, SeenAfter: long, BegunAfter: long}
	whole := paging.Page{Limit: 10}
	for _, c := range []struct {
		name string
		got  []ident.SessionID
		want []ident.SessionID
	}{
		{"all", list(ever, whole), []ident.SessionID{ids[2], ids[1], ids[0]}},
		{"one of all", list(ever, paging.Page{Limit: 1}), []ident.SessionID{ids[2]}},
		{
			"those before it",
			list(ever, paging.Page{BeforeTime: fx.after(-20 * time.Minute), BeforeID: string(ids[2]), Limit: 10}),
			[]ident.SessionID{ids[1], ids[0]},
		},
		{
			"those that have not ended",
			list(session.Bounds{EndsAfter: fx.clock.Now(), SeenAfter: long, BegunAfter: long}, whole),
			[]ident.SessionID{ids[2], ids[1]},
		},
		{
			"those seen lately",
			list(session.Bounds{EndsAfter: long, SeenAfter: fx.after(-39 * time.Minute), BegunAfter: long}, whole),
			[]ident.SessionID{ids[2]},
		},
		{
			"those begun lately",
			list(session.Bounds{EndsAfter: long, SeenAfter: long, BegunAfter: fx.after(-60 * time.Minute)}, whole),
			[]ident.SessionID{ids[2], ids[1]},
		},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			fx.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func theDeadAreRemoved(fx *fixture) {
	fx.threeSessions(fx.person()) // begun 60, 40 and 20 minutes ago
	remove := func(live session.Bounds, want int64) {
		fx.Helper()
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			n, err := tx.DeleteDeadSessions(ctx, live)
			if n != want {
				fx.Errorf("%d sessions were removed, want %d", n, want)
			}
			return err
		})
	}
	ever := fx.after(-24 * time.Hour)
	remove(session.Bounds{EndsAfter: ever, SeenAfter: ever, BegunAfter: ever}, 0)
	// it has ended at its expiry
	remove(session.Bounds{EndsAfter: fx.clock.Now(), SeenAfter: ever, BegunAfter: ever}, 1)
	// and is idle if it was not used for exactly that long
	remove(session.Bounds{EndsAfter: ever, SeenAfter: fx.after(-39 * time.Minute), BegunAfter: ever}, 1)
	remove(session.Bounds{EndsAfter: ever, SeenAfter: ever, BegunAfter: ever}, 0)
	// and is too old if it began exactly that long ago
	remove(session.Bounds{EndsAfter: ever, SeenAfter: ever, BegunAfter: fx.after(-20 * time.Minute)}, 1)
}

func whoHasAPassword(fx *fixture) {
	p := fx.person()
	set := fx.clock.Now()
	ask := func(user ident.UserID) (at time.Time, err error) {
		err = fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			at, err = tx.PasswordSetAt(ctx, user)
			return event(audit.ActionSessionBegin), err
		})
		return at, err
	}
	if at, err := ask(p.ID); err != nil || !at.Equal(set) {
		fx.Errorf("the password was set at %v (%v), want %v", at, err, set)
	}
	for _, column := range []string{"disabled_at", "deleted_at"} {
		fx.exec(`UPDATE users SET `+column+` = 1 WHERE id = $1`, p.ID)
		if _, err := ask(p.ID); !errors.Is(err, fault.NotFound) {
			fx.Errorf("with %s: %v, want not found", column, err)
		}
		fx.exec(`UPDATE users SET `+column+` = NULL WHERE id = $1`, p.ID)
	}
	if _, err := ask("usr_nobody"); !errors.Is(err, fault.NotFound) {
		fx.Errorf("of nobody: %v, want not found", err)
	}
}
