package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var sessionGuarantees = []guarantee{
	{"a session comes back as it was begun, with its user's rights", aSessionComesBack},
	{"rights under anything disabled are left out, and a disabled user has no session", disabledRightsAreLeftOut},
	{"a touch moves the time last seen, and nothing else", aTouchMovesTheLastTime},
	{"a session is ended for its own user alone", aSessionIsItsUsers},
	{"all sessions of a user end together, and nobody else's", allSessionsOfAUserEnd},
	{"an unknown token is no session", anUnknownTokenIsNoSession},
	{"the living sessions of a user are listed newest first, in pages", livingSessionsAreListed},
	{"the dead are removed, and no others", theDeadAreRemoved},
	{"nobody who is disabled or deleted has a password to sign in with", whoHasAPassword},
}

// begun is a session of somebody, all of whose times differ.
func (h *house) begun(p principal.Person) (session.Session, credential.TicketHash) {
	h.Helper()
	s := session.Session{
		ID: ident.New[ident.SessionID](h.clock.Now(), h.random), User: p, CreatedAt: h.clock.Now(), SignedInAt: h.later(time.Second),
		LastSeenAt: h.later(time.Minute), ExpiresAt: h.later(time.Hour), IP: "192.0.2.1", Agent: "a browser",
	}
	token := credential.TicketHash(sha256.Sum256([]byte(s.ID)))
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.InsertSession(ctx, s, token) })
	return s, token
}

// guest is a person with rights in two accounts.
type guest struct {
	person      principal.Person
	home, other tenancy.Account
	tenants     []tenancy.Tenant // two at home, one in the other
}

func (h *house) guest() guest {
	h.Helper()
	g := guest{person: h.person()}
	g.home, _ = h.account()
	g.other, _ = h.account()
	for _, a := range []tenancy.Account{g.home, g.home, g.other} {
		h.clock.move(time.Second) // ids ascend
		g.tenants = append(g.tenants, h.tenant(a.ID, nil))
	}
	h.join(g.tenants[0], g.person, scope.Admin)
	h.join(g.tenants[1], g.person, scope.Auditor)
	h.join(g.tenants[2], g.person, scope.Member)
	h.stand(g.home.ID, g.person, scope.AccountAdmin)
	return g
}

func aSessionComesBack(h *house) {
	g := h.guest()
	want, token := h.begun(g.person)
	h.begun(h.person()) // another's is not taken for it
	got, rights, err := h.store.Session(h.Context(), token)
	h.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		h.Errorf("came back otherwise:\n%s", diff)
	}
	wanted := principal.Session{
		ID: want.ID, User: g.person, SignedInAt: want.SignedInAt, ExpiresAt: want.ExpiresAt,
		Memberships: []principal.Membership{
			{Tenant: g.tenants[0].ID, Account: g.home.ID, Role: scope.Admin},
			{Tenant: g.tenants[1].ID, Account: g.home.ID, Role: scope.Auditor},
			{Tenant: g.tenants[2].ID, Account: g.other.ID, Role: scope.Member},
		},
		Standings: []principal.Standing{{Account: g.home.ID, Role: scope.AccountAdmin}},
	}
	if diff := cmp.Diff(wanted, rights); diff != "" {
		h.Errorf("rights came back otherwise:\n%s", diff)
	}
}

func disabledRightsAreLeftOut(h *house) {
	g := h.guest()
	_, token := h.begun(g.person)
	first, home, person := string(g.tenants[0].ID), string(g.home.ID), string(g.person.ID)
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
		h.sql(`UPDATE `+c.table+` SET disabled_at = 1 WHERE `+c.where+` = $1`, c.id)
		_, rights, err := h.store.Session(h.Context(), token)
		h.must(err)
		if m, s := len(rights.Memberships), len(rights.Standings); m != c.memberships || s != c.standings {
			h.Errorf("with disabled %s %s there are %d memberships and %d standings, want %d and %d", c.table, c.where, m, s, c.memberships, c.standings)
		}
		h.sql(`UPDATE `+c.table+` SET disabled_at = NULL WHERE `+c.where+` = $1`, c.id)
	}
	for _, column := range []string{"disabled_at", "deleted_at"} {
		h.sql(`UPDATE users SET `+column+` = 1 WHERE id = $1`, person)
		h.noSession(token)
		h.sql(`UPDATE users SET `+column+` = NULL WHERE id = $1`, person)
	}
}

func (h *house) noSession(token credential.TicketHash) {
	h.Helper()
	if s, rights, err := h.store.Session(h.Context(), token); !errors.Is(err, fault.NotFound) || s.ID != "" || rights.ID != "" {
		h.Errorf("there is a session %+v, %+v, %v", s, rights, err)
	}
}

func aTouchMovesTheLastTime(h *house) {
	want, token := h.begun(h.person())
	_, another := h.begun(h.person())
	changes := h.changes()
	want.LastSeenAt = h.later(2 * time.Minute)
	h.must(h.store.Touch(h.Context(), want.ID, want.LastSeenAt))
	got, _, err := h.store.Session(h.Context(), token)
	h.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		h.Errorf("after a touch the session is otherwise:\n%s", diff)
	}
	if other, _, err := h.store.Session(h.Context(), another); err != nil || other.LastSeenAt.Equal(want.LastSeenAt) {
		h.Errorf("another's session was last seen %v (%v)", other.LastSeenAt, err)
	}
	if h.changes() != changes {
		h.Error("a touch counts as a change")
	}
}

func aSessionIsItsUsers(h *house) {
	p, stranger := h.person(), h.person()
	s, token := h.begun(p)
	_, other := h.begun(p)
	end := func(user ident.UserID) error {
		return h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			return event(audit.ActionSessionEnd), tx.DeleteSession(ctx, user, s.ID)
		})
	}
	if err := end(stranger.ID); !errors.Is(err, fault.NotFound) {
		h.Errorf("a stranger ends the session: %v, want not found", err)
	}
	_, _, err := h.store.Session(h.Context(), token)
	h.must(err)
	h.must(end(p.ID))
	h.noSession(token)
	if err := end(p.ID); !errors.Is(err, fault.NotFound) {
		h.Errorf("ended again: %v, want not found", err)
	}
	_, _, err = h.store.Session(h.Context(), other)
	h.must(err)
}

func allSessionsOfAUserEnd(h *house) {
	p, other := h.person(), h.person()
	_, first := h.begun(p)
	_, second := h.begun(p)
	_, stays := h.begun(other)
	for range 2 { // the second time there are none
		h.in(func(ctx context.Context, tx *store.Tx) error { return tx.EndSessions(ctx, p.ID) })
	}
	h.noSession(first)
	h.noSession(second)
	_, _, err := h.store.Session(h.Context(), stays)
	h.must(err)
}

func anUnknownTokenIsNoSession(h *house) {
	h.begun(h.person())
	for _, token := range []credential.TicketHash{{}, sha256.Sum256([]byte("unknown"))} {
		h.noSession(token)
	}
}

// generations are three sessions of one person, from the oldest to the newest: each lives an hour and was seen within a minute.
func (h *house) generations(p principal.Person) (ids []ident.SessionID) {
	h.Helper()
	for range 3 {
		s, _ := h.begun(p)
		ids = append(ids, s.ID)
		h.clock.move(20 * time.Minute)
	}
	return ids
}

func livingSessionsAreListed(h *house) {
	p := h.person()
	h.begun(h.person())
	ids := h.generations(p) // begun 60, 40 and 20 minutes ago
	list := func(live session.Bounds, page session.Page) (found []ident.SessionID) {
		all, err := h.store.Sessions(h.Context(), p.ID, live, page)
		h.must(err)
		for _, s := range all {
			if s.User.ID != p.ID || s.IP == "" || s.Agent == "" || s.LastSeenAt.IsZero() || s.ExpiresAt.IsZero() {
				h.Errorf("a session comes back as %+v", s)
			}
			found = append(found, s.ID)
		}
		return found
	}
	long := h.later(-24 * time.Hour)
	ever := session.Bounds{EndsAfter: long, SeenAfter: long, BegunAfter: long}
	whole := session.Page{Limit: 10}
	for _, c := range []struct {
		name string
		got  []ident.SessionID
		want []ident.SessionID
	}{
		{"all", list(ever, whole), []ident.SessionID{ids[2], ids[1], ids[0]}},
		{"one of all", list(ever, session.Page{Limit: 1}), []ident.SessionID{ids[2]}},
		{"those before it", list(ever, session.Page{BeforeTime: h.later(-20 * time.Minute), BeforeID: ids[2], Limit: 10}), []ident.SessionID{ids[1], ids[0]}},
		{"those that have not ended", list(session.Bounds{EndsAfter: h.clock.Now(), SeenAfter: long, BegunAfter: long}, whole), []ident.SessionID{ids[2], ids[1]}},
		{"those seen lately", list(session.Bounds{EndsAfter: long, SeenAfter: h.later(-39 * time.Minute), BegunAfter: long}, whole), []ident.SessionID{ids[2]}},
		{"those begun lately", list(session.Bounds{EndsAfter: long, SeenAfter: long, BegunAfter: h.later(-60 * time.Minute)}, whole), []ident.SessionID{ids[2], ids[1]}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			h.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func theDeadAreRemoved(h *house) {
	h.generations(h.person()) // begun 60, 40 and 20 minutes ago
	remove := func(live session.Bounds, want int64) {
		h.Helper()
		h.in(func(ctx context.Context, tx *store.Tx) error {
			n, err := tx.DeleteDeadSessions(ctx, live)
			if n != want {
				h.Errorf("%d sessions were removed, want %d", n, want)
			}
			return err
		})
	}
	ever := h.later(-24 * time.Hour)
	remove(session.Bounds{EndsAfter: ever, SeenAfter: ever, BegunAfter: ever}, 0)
	remove(session.Bounds{EndsAfter: h.clock.Now(), SeenAfter: ever, BegunAfter: ever}, 1)              // at its end it has ended
	remove(session.Bounds{EndsAfter: ever, SeenAfter: h.later(-39 * time.Minute), BegunAfter: ever}, 1) // and unseen for exactly so long it is idle
	remove(session.Bounds{EndsAfter: ever, SeenAfter: ever, BegunAfter: ever}, 0)
	remove(session.Bounds{EndsAfter: ever, SeenAfter: ever, BegunAfter: h.later(-20 * time.Minute)}, 1) // and begun exactly so long ago it is old
}

func whoHasAPassword(h *house) {
	p := h.person()
	set := h.clock.Now()
	ask := func(user ident.UserID) (at time.Time, err error) {
		err = h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
			at, err = tx.PasswordSetAt(ctx, user)
			return event(audit.ActionSessionBegin), err
		})
		return at, err
	}
	if at, err := ask(p.ID); err != nil || !at.Equal(set) {
		h.Errorf("the password was set at %v (%v), want %v", at, err, set)
	}
	for _, column := range []string{"disabled_at", "deleted_at"} {
		h.sql(`UPDATE users SET `+column+` = 1 WHERE id = $1`, p.ID)
		if _, err := ask(p.ID); !errors.Is(err, fault.NotFound) {
			h.Errorf("with %s: %v, want not found", column, err)
		}
		h.sql(`UPDATE users SET `+column+` = NULL WHERE id = $1`, p.ID)
	}
	if _, err := ask("usr_nobody"); !errors.Is(err, fault.NotFound) {
		h.Errorf("of nobody: %v, want not found", err)
	}
}
