package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/claviger-dev/claviger/internal/verify"
)

const (
	upsertUses query = `INSERT INTO key_uses (key_id, last_used_at, last_used_ip) VALUES ($1, $2, $3)… ON CONFLICT (key_id) DO UPDATE
		SET last_used_at = excluded.last_used_at, last_used_ip = COALESCE(excluded.last_used_ip, key_uses.last_used_ip)
		WHERE key_uses.last_used_at < excluded.last_used_at`
	updatePreviousUse query = `UPDATE key_secrets SET last_used_at = $3
		WHERE key_id = $1 AND position = 'previous' AND serial = $2 AND COALESCE(last_used_at, 0) < $3`
)

// usesAtOnce is how many uses one statement writes. SQLite's driver looks parameters up one after the other, so more of them cost more each.
const usesAtOnce = 16

// RecordUses implements verify.Uses: one transaction for the whole batch. It is the named exception to the ledger.
func (s *Store) RecordUses(ctx context.Context, batch []verify.Use) error {
	if s.halted.Load() {
		return errHalted
	}
	tx, err := s.backend.Write.BeginTx(ctx, nil)
	if err != nil {
		return s.fault(err)
	}
	if err := recordUses(ctx, tx, batch); err != nil {
		return errors.Join(s.fault(err), tx.Rollback())
	}
	return s.fault(tx.Commit())
}

func recordUses(ctx context.Context, tx *sql.Tx, batch []verify.Use) error {
	for size := usesAtOnce; size > 0; size /= 2 {
		n := len(batch) / size * size
		if err := upsert(ctx, tx, batch[:n], size); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// upsert writes the batch, so many uses in each statement.
func upsert(ctx context.Context, tx *sql.Tx, batch []verify.Use, size int) error {
	if len(batch) == 0 {
		return nil
	}
	statement, err := tx.PrepareContext(ctx, string(expandRows(upsertUses, 3, size)))
	if err != nil {
		return err
	}
	defer statement.Close()
	for chunk := range slices.Chunk(batch, size) {
		args := make([]any, 0, 3*size)
		for _, u := range chunk {
			args = append(args, string(u.Key), micros(u.At), optional(u.IP))
		}
		if _, err := statement.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return previousUses(ctx, tx, batch)
}

func previousUses(ctx context.Context, tx *sql.Tx, batch []verify.Use) error {
	for _, u := range batch {
		if u.PreviousAt.IsZero() {
			continue
		}
		if _, err := tx.ExecContext(ctx, string(updatePreviousUse), string(u.Key), u.PreviousSerial, micros(u.PreviousAt)); err != nil {
			return err
		}
	}
	return nil
}
