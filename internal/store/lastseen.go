package store

import (
	"context"
	"database/sql"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
)

const (
	upsertSeen query = `INSERT INTO user_seen (user_id, last_seen_at) VALUES ($1, $2)
		ON CONFLICT (user_id) DO UPDATE SET last_seen_at = excluded.last_seen_at
		WHERE user_seen.last_seen_at < excluded.last_seen_at`
	// upsertSeenIn is upsertSeen for the person of a session.
	upsertSeenIn query = `INSERT INTO user_seen (user_id, last_seen_at) SELECT user_id, CAST($2 AS BIGINT)
		FROM sessions WHERE id = $1
		ON CONFLICT (user_id) DO UPDATE SET last_seen_at = excluded.last_seen_at
		WHERE user_seen.last_seen_at < excluded.last_seen_at`
	deleteSeen query = `DELETE FROM user_seen WHERE user_id = $1`
	// Nodes of the version before write the time of the session alone.
	listSignInFacts query = `SELECT u.id, EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = u.id),
		seen.last_seen_at, (SELECT MAX(s.last_seen_at) FROM sessions s WHERE s.user_id = u.id)
		FROM users u LEFT JOIN user_seen seen ON seen.user_id = u.id WHERE u.id IN ($1…)`
)

// SignInFacts implements identity.Store and tenancy.Store.
func (s *Store) SignInFacts(ctx context.Context, users []ident.UserID) (map[ident.UserID]identity.SignInFacts, error) {
	found := map[ident.UserID]identity.SignInFacts{}
	q, args := expand(listSignInFacts, 1, users)
	err := forEachRow(ctx, s.reading, q, func(row *sql.Rows) error {
		var id ident.UserID
		var f, session identity.SignInFacts
		err := row.Scan(&id, &f.SecondFactor, nullTime{&f.LastSeenAt}, nullTime{&session.LastSeenAt})
		if err != nil {
			return err
		}
		if session.LastSeenAt.After(f.LastSeenAt) {
			f.LastSeenAt = session.LastSeenAt
		}
		found[id] = f
		return nil
	}, args...)
	return found, s.fault(err)
}
