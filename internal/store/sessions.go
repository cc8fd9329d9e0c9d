package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/session"
)

const (
	selectSession query = `SELECT s.id, s.created_at, s.signed_in_at, s.last_seen_at, s.expires_at, s.ip, s.agent, u.id, u.email, u.name
		FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = $1 AND u.disabled_at IS NULL AND u.deleted_at IS NULL`
	selectMemberships query = `SELECT t.id, t.account_id, m.role FROM members m JOIN tenants t ON t.id = m.tenant_id JOIN accounts a ON a.id = t.account_id
		WHERE m.user_id = $1 AND m.disabled_at IS NULL AND t.disabled_at IS NULL AND a.disabled_at IS NULL ORDER BY m.tenant_id`
	selectStandings query = `SELECT a.id, am.role FROM account_members am JOIN accounts a ON a.id = am.account_id
		WHERE am.user_id = $1 AND a.disabled_at IS NULL ORDER BY am.account_id`
	// A sign-in that was judged by one password must not outlive it.
	selectPasswordSetAt query = `SELECT password_set_at FROM users WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL`
	listSessions        query = `SELECT id, created_at, signed_in_at, last_seen_at, expires_at, ip, agent FROM sessions
		WHERE user_id = $1 AND expires_at > $2 AND last_seen_at > $3 AND created_at > $4 AND (created_at, id) < ($5, $6) ORDER BY created_at DESC, id DESC LIMIT $7`
	touchSession  query = `UPDATE sessions SET last_seen_at = $2 WHERE id = $1`
	insertSession query = `INSERT INTO sessions (id, user_id, token_hash, created_at, signed_in_at, last_seen_at, expires_at, ip, agent)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	endSessions   query = `DELETE FROM sessions WHERE user_id = $1`
	deleteSession query = `DELETE FROM sessions WHERE id = $1 AND user_id = $2`
	// Dead sessions are looked for by one time after the other, since each has an index.
	deleteEnded query = `DELETE FROM sessions WHERE expires_at <= $1`
	deleteIdle  query = `DELETE FROM sessions WHERE last_seen_at <= $1`
	deleteOld   query = `DELETE FROM sessions WHERE created_at <= $1`
)

// Session implements session.Store.
func (s *Store) Session(ctx context.Context, token credential.TicketHash) (session.Session, principal.Session, error) {
	if err := s.Obsolete(); err != nil {
		return session.Session{}, principal.Session{}, err
	}
	var found session.Session
	u := &found.User
	err := s.reading.row(ctx, selectSession, token[:]).Scan(&found.ID, when{&found.CreatedAt}, when{&found.SignedInAt},
		when{&found.LastSeenAt}, when{&found.ExpiresAt}, &found.IP, &found.Agent, &u.ID, nullable(&u.Email), nullable(&u.Name))
	if err != nil {
		return session.Session{}, principal.Session{}, s.fault(err)
	}
	rights := principal.Session{ID: found.ID, User: found.User, SignedInAt: found.SignedInAt, ExpiresAt: found.ExpiresAt}
	err = each(ctx, s.reading, selectMemberships, func(row *sql.Rows) error {
		var m principal.Membership
		if err := row.Scan(&m.Tenant, &m.Account, &m.Role); err != nil {
			return err
		}
		rights.Memberships = append(rights.Memberships, m)
		return nil
	}, u.ID)
	if err != nil {
		return session.Session{}, principal.Session{}, s.fault(err)
	}
	err = each(ctx, s.reading, selectStandings, func(row *sql.Rows) error {
		var st principal.Standing
		if err := row.Scan(&st.Account, &st.Role); err != nil {
			return err
		}
		rights.Standings = append(rights.Standings, st)
		return nil
	}, u.ID)
	return found, rights, s.fault(err)
}

// Sessions implements session.Store.
func (s *Store) Sessions(ctx context.Context, user ident.UserID, live session.Bounds, page session.Page) (list []session.Session, err error) {
	args := append([]any{user, micros(live.EndsAfter), micros(live.SeenAfter), micros(live.BegunAfter)}, pageArgs(page.BeforeTime, string(page.BeforeID), page.Limit)...)
	err = each(ctx, s.reading, listSessions, func(row *sql.Rows) error {
		found := session.Session{User: principal.Person{ID: user}}
		err := row.Scan(&found.ID, when{&found.CreatedAt}, when{&found.SignedInAt}, when{&found.LastSeenAt},
			when{&found.ExpiresAt}, &found.IP, &found.Agent)
		if err != nil {
			return err
		}
		list = append(list, found)
		return nil
	}, args...)
	return list, s.fault(err)
}

// Touch implements session.Store. Like a key's last use it goes past the ledger.
func (s *Store) Touch(ctx context.Context, id ident.SessionID, at time.Time) error {
	_, err := s.asideOf(ctx, admission.Caller("session "+string(id)), touchSession, id, micros(at))
	return err
}

// PasswordSetAt implements session.Tx.
func (t *Tx) PasswordSetAt(ctx context.Context, user ident.UserID) (at time.Time, err error) {
	if err := t.one(ctx, lockPerson, user); err != nil {
		return time.Time{}, err
	}
	err = t.row(ctx, selectPasswordSetAt, user).Scan(when{&at})
	return at, t.store.fault(err)
}

// InsertSession implements session.Tx.
func (t *Tx) InsertSession(ctx context.Context, s session.Session, token credential.TicketHash) error {
	return t.exec(ctx, insertSession, s.ID, s.User.ID, token[:], micros(s.CreatedAt), micros(s.SignedInAt), micros(s.LastSeenAt), micros(s.ExpiresAt), s.IP, s.Agent)
}

// EndSessions implements identity.Tx.
func (t *Tx) EndSessions(ctx context.Context, user ident.UserID) error {
	return t.exec(ctx, endSessions, user)
}

// DeleteSession implements session.Tx.
func (t *Tx) DeleteSession(ctx context.Context, user ident.UserID, id ident.SessionID) error {
	return t.one(ctx, deleteSession, id, user)
}

// DeleteDeadSessions implements session.Tx.
func (t *Tx) DeleteDeadSessions(ctx context.Context, live session.Bounds) (deleted int64, err error) {
	for _, by := range []struct {
		q  query
		at time.Time
	}{{deleteEnded, live.EndsAfter}, {deleteIdle, live.SeenAfter}, {deleteOld, live.BegunAfter}} {
		n, err := t.count(ctx, by.q, micros(by.at))
		if err != nil {
			return 0, err
		}
		deleted += n
	}
	return deleted, nil
}
