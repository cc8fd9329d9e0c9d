package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	selectPlaces    query = `SELECT place FROM sign_in_places WHERE user_id = $1 AND seen_at >= $2`
	upsertPlace     query = `INSERT INTO sign_in_places (user_id, place, seen_at) VALUES ($1, $2, $3) ON CONFLICT (user_id, place) DO UPDATE SET seen_at = excluded.seen_at`
	forgetOldPlaces query = `DELETE FROM sign_in_places WHERE user_id = $1 AND seen_at < $2`
	forgetPlaces    query = `DELETE FROM sign_in_places WHERE user_id = $1`
)

// SeePlaces implements session.Tx.
func (t *Tx) SeePlaces(ctx context.Context, user ident.UserID, places []string, now, since time.Time) (known []string, err error) {
	err = each(ctx, t, selectPlaces, func(row *sql.Rows) error {
		var place string
		if err := row.Scan(&place); err != nil {
			return err
		}
		known = append(known, place)
		return nil
	}, user, micros(since))
	if err != nil {
		return nil, err
	}
	for _, place := range places {
		if err := t.exec(ctx, upsertPlace, user, place, micros(now)); err != nil {
			return nil, err
		}
	}
	return known, t.exec(ctx, forgetOldPlaces, user, micros(t.store.Horizon().Add(since.Sub(now))))
}
