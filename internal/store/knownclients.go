package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	selectKnownClients query = `SELECT place FROM sign_in_places WHERE user_id = $1 AND seen_at >= $2`
	upsertKnownClient  query = `INSERT INTO sign_in_places (user_id, place, seen_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id, place) DO UPDATE SET seen_at = excluded.seen_at`
	deleteOldClients query = `DELETE FROM sign_in_places WHERE user_id = $1 AND seen_at < $2`
	// Of a person's known clients, the newest maxKnownClients are kept.
	deleteSurplusClients query = `DELETE FROM sign_in_places WHERE user_id = $1
		AND (seen_at, place) <= (SELECT seen_at, place
		FROM sign_in_places WHERE user_id = $1 ORDER BY seen_at DESC, place DESC LIMIT 1 OFFSET $2)`
	deleteKnownClients query = `DELETE FROM sign_in_places WHERE user_id = $1`
)

// maxKnownClients is how many clients (addresses and devices) are known for a person. A sign-in
// from a client that was dropped counts as new.
const maxKnownClients = 200

// KnownClients implements identity.Store.
func (s *Store) KnownClients(ctx context.Context, user ident.UserID, since time.Time) ([]string, error) {
	list, err := collect(ctx, s.reading, selectKnownClients, scanKnownClient, user, micros(since))
	return list, s.fault(err)
}

func scanKnownClient(row scanner) (place string, err error) {
	err = row.Scan(&place)
	return place, err
}

// RememberClients implements identity.PasswordTx and session.Tx.
func (t *Tx) RememberClients(ctx context.Context, user ident.UserID, places []string,
	now, since time.Time,
) (known []string, err error) {
	known, err = collect(ctx, t, selectKnownClients, scanKnownClient, user, micros(since))
	if err != nil {
		return nil, err
	}
	for _, place := range places {
		if err := t.exec(ctx, upsertKnownClient, user, place, micros(now)); err != nil {
			return nil, err
		}
	}
	if err := t.exec(ctx, deleteSurplusClients, user, maxKnownClients); err != nil {
		return nil, err
	}
	return known, t.exec(ctx, deleteOldClients, user, micros(t.store.Horizon().Add(since.Sub(now))))
}
