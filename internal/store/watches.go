package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/usage"
)

const (
	upsertWatch query = `INSERT INTO key_watches (key_id, tenant_id, shown_at) VALUES ($1, $2, $3)
		ON CONFLICT (key_id) DO UPDATE SET tenant_id = excluded.tenant_id, shown_at = excluded.shown_at, used_at = NULL,
		used_ip = NULL, used_transport = NULL, refused_at = NULL, refused_code = NULL, refused_missing = NULL,
		refused_ip = NULL, refused_transport = NULL`
	deleteWatchesBeyond query = `DELETE FROM key_watches WHERE tenant_id = $1 AND shown_at <= (SELECT shown_at
		FROM key_watches WHERE tenant_id = $1 ORDER BY shown_at DESC LIMIT 1 OFFSET $2)`
	deleteOldWatches query = `DELETE FROM key_watches WHERE shown_at <= $1`
	selectWatches    query = `SELECT key_id, shown_at FROM key_watches WHERE shown_at > $1
		ORDER BY shown_at DESC LIMIT $2`
	updateWatchUse query = `UPDATE key_watches SET used_at = $3, used_ip = $4, used_transport = $5
		WHERE key_id = $1 AND shown_at = $2 AND COALESCE(used_at, $3) >= $3`
	// $8 is the code of a wrong secret, which replaces no other.
	updateWatchRefusal query = `UPDATE key_watches SET refused_at = $3, refused_code = $4, refused_missing = $5,
		refused_ip = $6, refused_transport = $7
		WHERE key_id = $1 AND shown_at = $2 AND (COALESCE(refused_code, $8) = $8 AND $4 <> $8
		OR (COALESCE(refused_code, $8) = $8 OR $4 <> $8) AND COALESCE(refused_at, -1) < $3)`
	selectSighting query = `SELECT key_id, shown_at, used_at, COALESCE(used_ip, ''), COALESCE(used_transport, ''),
		refused_at, COALESCE(refused_code, ''), COALESCE(refused_missing, ''), COALESCE(refused_ip, ''),
		COALESCE(refused_transport, '')
		FROM key_watches WHERE key_id = $1`
)

// InsertWatch implements usage.WatchStore.
func (s *Store) InsertWatch(ctx context.Context, w usage.Watch, tenant ident.TenantID, most int) error {
	return s.unauditedTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, string(upsertWatch), string(w.Key), string(tenant), micros(w.ShownAt))
		if err == nil {
			_, err = tx.ExecContext(ctx, string(deleteWatchesBeyond), string(tenant), most)
		}
		return err
	})
}

// Watches implements usage.WatchStore.
func (s *Store) Watches(ctx context.Context, after time.Time, n int) (list []usage.Watch, err error) {
	list, err = collect(ctx, s.control, selectWatches, func(row scanner) (w usage.Watch, err error) {
		return w, row.Scan(&w.Key, nullTime{&w.ShownAt})
	}, micros(after), n)
	return list, s.fault(err)
}

// RecordSightings implements usage.WatchStore. The order of keys keeps two nodes that write at once
// from a deadlock.
func (s *Store) RecordSightings(ctx context.Context, batch []usage.Sighting) error {
	slices.SortFunc(batch, func(a, b usage.Sighting) int { return cmp.Compare(a.Key, b.Key) })
	return s.unauditedTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, one := range batch {
			if err := recordSighting(ctx, tx, one); err != nil {
				return err
			}
		}
		return nil
	})
}

func recordSighting(ctx context.Context, tx *sql.Tx, s usage.Sighting) error {
	id, shown := string(s.Key), micros(s.ShownAt)
	if u := s.Used; !u.At.IsZero() {
		_, err := tx.ExecContext(ctx, string(updateWatchUse), id, shown, micros(u.At), u.IP, string(u.Transport))
		if err != nil {
			return err
		}
	}
	if r := s.Refused; !r.At.IsZero() {
		_, err := tx.ExecContext(ctx, string(updateWatchRefusal), id, shown, micros(r.At), string(r.Code), r.Missing,
			r.IP, string(r.Transport), string(fault.KeyInvalid))
		return err
	}
	return nil
}

// Sighting implements usage.WatchStore.
func (s *Store) Sighting(ctx context.Context, id ident.KeyID) (seen usage.Sighting, err error) {
	used, refused := &seen.Used, &seen.Refused
	err = s.reading.row(ctx, selectSighting, string(id)).Scan(&seen.Key, nullTime{&seen.ShownAt}, nullTime{&used.At},
		&used.IP, &used.Transport, nullTime{&refused.At}, &refused.Code, &refused.Missing, &refused.IP,
		&refused.Transport)
	return seen, s.fault(err)
}

// RemoveWatches implements usage.WatchStore.
func (s *Store) RemoveWatches(ctx context.Context, until time.Time) error {
	_, err := s.execUnaudited(ctx, deleteOldWatches, micros(until))
	return err
}
