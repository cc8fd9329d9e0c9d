package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/paging"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/session"
)

const (
	selectSession query = `SELECT s.id, s.created_at, s.signed_in_at, s.last_seen_at, s.expires_at, s.ip, s.agent,
		s.kind, s.tenant_id, s.factor_at, EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = u.id), u.id, u.email,
		u.name
		FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = $1 AND u.disabled_at IS NULL
		AND u.deleted_at IS NULL`
	selectMemberships query = `SELECT t.id, t.account_id, m.role FROM members m JOIN tenants t ON t.id = m.tenant_id
		JOIN accounts a ON a.id = t.account_id
		WHERE m.user_id = $1 AND m.disabled_at IS NULL AND t.disabled_at IS NULL AND a.disabled_at IS NULL
		ORDER BY m.tenant_id`
	selectAccountMembersOf query = `SELECT a.id, am.role FROM account_members am JOIN accounts a ON a.id = am.account_id
		WHERE am.user_id = $1 AND a.disabled_at IS NULL ORDER BY am.account_id`
	// A session must not outlive the password that its sign-in was checked with.
	selectPasswordSetAt query = `SELECT password_set_at FROM users WHERE id = $1 AND disabled_at IS NULL
		AND deleted_at IS NULL`
	listSessions query = `SELECT id, created_at, signed_in_at, last_seen_at, expires_at, ip, agent, kind, tenant_id
		FROM sessions
		WHERE user_id = $1 AND expires_at > $2 AND last_seen_at > $3 AND created_at > $4 AND (created_at, id) < ($5, $6)
		ORDER BY created_at DESC, id DESC LIMIT $7`
	touchSession  query = `UPDATE sessions SET last_seen_at = $2 WHERE id = $1`
	insertSession query = `INSERT INTO sessions (id, user_id, token_hash, created_at, signed_in_at, last_seen_at,
		expires_at, ip, agent, kind, tenant_id, factor_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	// The person is locked, so that no session is added meanwhile.
	endOldestSessions query = `DELETE FROM sessions WHERE user_id = $1 AND kind = $3
		AND (created_at, id) <= (SELECT created_at, id FROM sessions
		WHERE user_id = $1 AND kind = $3 ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET $2)`
	endSessions   query = `DELETE FROM sessions WHERE user_id = $1`
	deleteSession query = `DELETE FROM sessions WHERE id = $1 AND user_id = $2`
	// Dead sessions are found by one time after the other, because each has its own index.
	listEnded query = `SELECT id FROM sessions WHERE expires_at <= $1`
	listIdle  query = `SELECT id FROM sessions WHERE last_seen_at <= $1`
	listOld   query = `SELECT id FROM sessions WHERE created_at <= $1`
)

// Session implements session.Store.
func (s *Store) Session(ctx context.Context, token credential.TokenHash) (
	found session.Session, rights principal.Session, err error,
) {
	if err := s.Obsolete(); err != nil {
		return session.Session{}, principal.Session{}, err
	}
	u := &found.User
	err = s.reading.row(ctx, selectSession, token[:]).Scan(&found.ID, nullTime{&found.CreatedAt},
		nullTime{&found.SignedInAt},
		nullTime{&found.LastSeenAt}, nullTime{&found.ExpiresAt}, &found.IP, &found.Agent, &found.Kind,
		nullString(&found.Tenant), nullTime{&found.FactorAt}, &found.HasFactor, &u.ID, nullString(&u.Email),
		nullString(&u.Name))
	if err != nil {
		return session.Session{}, principal.Session{}, s.fault(err)
	}
	rights = principal.Session{
		ID: found.ID, User: found.User, SignedInAt: found.SignedInAt, FactorAt: found.FactorAt,
		ExpiresAt: found.ExpiresAt, Bound: found.Tenant,
	}
	err = forEachRow(ctx, s.reading, selectMemberships, func(row *sql.Rows) error {
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
	err = forEachRow(ctx, s.reading, selectAccountMembersOf, func(row *sql.Rows) error {
		var st principal.AccountMember
		if err := row.Scan(&st.Account, &st.Role); err != nil {
			return err
		}
		rights.AccountMembers = append(rights.AccountMembers, st)
		return nil
	}, u.ID)
	return found, rights, s.fault(err)
}

// Sessions implements session.Store.
func (s *Store) Sessions(ctx context.Context, user ident.UserID, live session.Bounds,
	page paging.Page,
) (list []session.Session, err error) {
	args := append([]any{user, micros(live.EndsAfter), micros(live.SeenAfter), micros(live.BegunAfter)},
		pageArgs(page.BeforeTime, page.BeforeID, page.Limit)...)
	err = forEachRow(ctx, s.reading, listSessions, func(row *sql.Rows) error {
		found := session.Session{User: principal.Person{ID: user}}
		err := row.Scan(&found.ID, nullTime{&found.CreatedAt}, nullTime{&found.SignedInAt}, nullTime{&found.LastSeenAt},
			nullTime{&found.ExpiresAt}, &found.IP, &found.Agent, &found.Kind, nullString(&found.Tenant))
		if err != nil {
			return err
		}
		list = append(list, found)
		return nil
	}, args...)
	return list, s.fault(err)
}

// Touch implements session.Store. It bypasses the ledger, like the last use of a key.
func (s *Store) Touch(ctx context.Context, id ident.SessionID, at time.Time) error {
	caller := admission.CallerFrom(ctx)
	if _, err := s.execUnauditedOf(ctx, caller, touchSession, id, micros(at)); err != nil {
		return err
	}
	_, err := s.execUnauditedOf(ctx, caller, upsertSeenIn, id, micros(at))
	return err
}

// PasswordSetAt implements session.Tx.
func (t *Tx) PasswordSetAt(ctx context.Context, user ident.UserID) (at time.Time, err error) {
	if err := t.lockRow(ctx, lockPerson, user); err != nil {
		return time.Time{}, err
	}
	err = t.row(ctx, selectPasswordSetAt, user).Scan(nullTime{&at})
	return at, t.store.fault(err)
}

// InsertSession implements session.Tx.
func (t *Tx) InsertSession(ctx context.Context, s session.Session, token credential.TokenHash) error {
	err := t.exec(ctx, insertSession, s.ID, s.User.ID, token[:], micros(s.CreatedAt), micros(s.SignedInAt),
		micros(s.LastSeenAt), micros(s.ExpiresAt), s.IP, s.Agent, s.Kind, nullIfEmpty(s.Tenant),
		micros(s.FactorAt))
	if err != nil {
		return err
	}
	return t.exec(ctx, upsertSeen, s.User.ID, micros(s.LastSeenAt))
}

// EndOldestSessions implements session.Tx.
func (t *Tx) EndOldestSessions(ctx context.Context, user ident.UserID, kind credential.TokenKind,
	stay int,
) (int64, error) {
	return t.count(ctx, endOldestSessions, user, stay, kind)
}

// EndSessions implements identity.EndTx.
func (t *Tx) EndSessions(ctx context.Context, user ident.UserID) error {
	if err := t.exec(ctx, endHalfSessions, user); err != nil {
		return err
	}
	return t.exec(ctx, endSessions, user)
}

// DeleteSession implements session.Tx.
func (t *Tx) DeleteSession(ctx context.Context, user ident.UserID, id ident.SessionID) error {
	return t.runOne(ctx, deleteSession, id, user)
}

// DeleteDeadSessions implements session.Tx.
func (t *Tx) DeleteDeadSessions(ctx context.Context, live session.Bounds) (deleted int64, err error) {
	var dead []ident.SessionID
	for _, by := range []struct {
		q  query
		at time.Time
	}{{listEnded, live.EndsAfter}, {listIdle, live.SeenAfter}, {listOld, live.BegunAfter}} {
		found, err := ids[ident.SessionID](ctx, t, by.q, micros(by.at))
		if err != nil {
			return 0, err
		}
		dead = append(dead, found...)
	}
	slices.Sort(dead)
	dead = slices.Compact(dead)
	return int64(len(dead)), t.deleteSessions(ctx, dead)
}
