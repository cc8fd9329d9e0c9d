package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

const (
	upsertUses query = `INSERT INTO key_uses (key_id, last_used_at, last_used_ip) VALUES ($1, $2, $3)… ON CONFLICT (key_id) DO UPDATE
		SET last_used_at = excluded.last_used_at, last_used_ip = COALESCE(excluded.last_used_ip, key_uses.last_used_ip)
		WHERE key_uses.last_used_at < excluded.last_used_at`
	upsertScopeUses query = `INSERT INTO key_scope_uses (key_id, scope, last_used_on) VALUES ($1, $2, $3)… ON CONFLICT (key_id, scope) DO UPDATE
		SET last_used_on = excluded.last_used_on WHERE key_scope_uses.last_used_on < excluded.last_used_on`
	selectScopesUsed  query = `SELECT key_id, scope FROM key_scope_uses WHERE last_used_on >= $1 AND key_id IN ($2…) ORDER BY key_id, scope`
	updatePreviousUse query = `UPDATE key_secrets SET last_used_at = $3
		WHERE key_id = $1 AND position = 'previous' AND serial = $2 AND COALESCE(last_used_at, 0) < $3`
)

// usesAtOnce is how many uses one statement writes. SQLite's driver looks parameters up one after the other, so more of them cost more each.
const usesAtOnce = 16

// RecordUses implements verify.Uses: one transaction for the whole batch. It is the named exception to the ledger. Batches are written in the order of their keys, so that
// nodes which write at once wait for each other rather than lock crosswise.
func (s *Store) RecordUses(ctx context.Context, batch []verify.Use) error {
	slices.SortFunc(batch, func(a, b verify.Use) int { return cmp.Compare(a.Key, b.Key) })
	rows := make([][]any, len(batch))
	for i, u := range batch {
		rows[i] = []any{string(u.Key), micros(u.At), optional(u.IP)}
	}
	return s.record(ctx, func(tx *sql.Tx) error {
		if err := upsert(ctx, tx, upsertUses, rows); err != nil {
			return err
		}
		return previousUses(ctx, tx, batch)
	})
}

// RecordScopeUses implements verify.Uses.
func (s *Store) RecordScopeUses(ctx context.Context, batch []verify.ScopeUse) error {
	slices.SortFunc(batch, func(a, b verify.ScopeUse) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Scope, b.Scope))
	})
	rows := make([][]any, len(batch))
	for i, u := range batch {
		rows[i] = []any{string(u.Key), string(u.Scope), micros(u.On)}
	}
	return s.record(ctx, func(tx *sql.Tx) error { return upsert(ctx, tx, upsertScopeUses, rows) })
}

// record writes uses, all or none.
func (s *Store) record(ctx context.Context, write func(*sql.Tx) error) error {
	if err := s.writable(); err != nil {
		return err
	}
	tx, err := s.backend.Write.BeginTx(ctx, nil)
	if err != nil {
		return s.fault(err)
	}
	if err := write(tx); err != nil {
		return errors.Join(s.fault(err), tx.Rollback())
	}
	return s.fault(tx.Commit())
}

// upsert writes the rows, as many in each statement as make few statements.
func upsert(ctx context.Context, tx *sql.Tx, q query, rows [][]any) error {
	for size := usesAtOnce; size > 0; size /= 2 {
		n := len(rows) / size * size
		if err := upsertBy(ctx, tx, q, rows[:n], size); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// upsertBy writes the rows, so many in each statement.
func upsertBy(ctx context.Context, tx *sql.Tx, q query, rows [][]any, size int) error {
	if len(rows) == 0 {
		return nil
	}
	statement, err := tx.PrepareContext(ctx, string(expandRows(q, len(rows[0]), size)))
	if err != nil {
		return err
	}
	defer statement.Close()
	for chunk := range slices.Chunk(rows, size) {
		if _, err := statement.ExecContext(ctx, slices.Concat(chunk...)...); err != nil {
			return err
		}
	}
	return nil
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

// ScopesUsed implements key.Store.
func (s *Store) ScopesUsed(ctx context.Context, keys []ident.KeyID, since time.Time) (map[ident.KeyID]scope.Set, error) {
	used := map[ident.KeyID]scope.Set{}
	q, args := expand(selectScopesUsed, 2, keys, micros(since))
	err := each(ctx, s.reading, q, func(row *sql.Rows) error {
		var id ident.KeyID
		var name scope.Scope
		if err := row.Scan(&id, &name); err != nil {
			return err
		}
		used[id] = append(used[id], name)
		return nil
	}, args...)
	return used, s.fault(err)
}
