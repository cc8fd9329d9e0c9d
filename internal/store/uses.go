package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/usage"
)

const (
	upsertUses query = `INSERT INTO key_uses (key_id, last_used_at, last_used_ip, tenant_id) VALUES ($1, $2, $3, $4)…
		ON CONFLICT (key_id) DO UPDATE
		SET last_used_at = excluded.last_used_at, last_used_ip = COALESCE(excluded.last_used_ip, key_uses.last_used_ip),
		tenant_id = COALESCE(excluded.tenant_id, key_uses.tenant_id)
		WHERE key_uses.last_used_at < excluded.last_used_at`
	upsertScopeUses query = `INSERT INTO key_scope_uses (key_id, scope, last_used_on) VALUES ($1, $2, $3)…
		ON CONFLICT (key_id, scope) DO UPDATE
		SET last_used_on = excluded.last_used_on WHERE key_scope_uses.last_used_on < excluded.last_used_on`
	selectScopesUsed query = `SELECT key_id, scope FROM key_scope_uses WHERE last_used_on >= $1 AND key_id IN ($2…)
		ORDER BY key_id, scope`
	updatePreviousUse query = `UPDATE key_secrets SET last_used_at = $3
		WHERE key_id = $1 AND position = 'previous' AND serial = $2 AND COALESCE(last_used_at, 0) < $3`
)

// usesPerStatement is how many uses one statement writes. SQLite's driver looks up parameters one
// after the other, so larger statements cost more per use.
const usesPerStatement = 16

// RecordUses implements usage.Store. It writes the whole batch in one transaction, outside of the
// ledger (see ARCHITECTURE.md). Batches are written in the order of their keys, so that two nodes
// which write at once do not deadlock.
func (s *Store) RecordUses(ctx context.Context, batch []usage.Use) error {
	slices.SortFunc(batch, func(a, b usage.Use) int { return cmp.Compare(a.Key, b.Key) })
	rows := make([][]any, len(batch))
	for i, u := range batch {
		rows[i] = []any{string(u.Key), micros(u.At), nullIfEmpty(u.IP), nullIfEmpty(u.Tenant)}
	}
	return s.unauditedTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := upsert(ctx, tx, upsertUses, rows); err != nil {
			return err
		}
		return updatePreviousUses(ctx, tx, batch)
	})
}

// RecordScopeUses implements usage.Store.
func (s *Store) RecordScopeUses(ctx context.Context, batch []usage.ScopeUse) error {
	slices.SortFunc(batch, func(a, b usage.ScopeUse) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Scope, b.Scope))
	})
	rows := make([][]any, len(batch))
	for i, u := range batch {
		rows[i] = []any{string(u.Key), string(u.Scope), micros(u.On)}
	}
	return s.unauditedTx(ctx,
		func(ctx context.Context, tx *sql.Tx) error { return upsert(ctx, tx, upsertScopeUses, rows) })
}

// upsert writes the rows in few statements: first statements of usesPerStatement rows, then smaller
// ones.
func upsert(ctx context.Context, tx *sql.Tx, q query, rows [][]any) error {
	for size := usesPerStatement; size > 0; size /= 2 {
		n := len(rows) / size * size
		if err := upsertChunks(ctx, tx, q, rows[:n], size); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// upsertChunks writes the rows in statements of size rows.
func upsertChunks(ctx context.Context, tx *sql.Tx, q query, rows [][]any, size int) error {
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

// addUses replaces last uses of keys by those that this node has seen since and not written yet.
func (s *Store) addUses(keys []key.Key) {
	for i := range keys {
		k := &keys[i]
		use, ok := s.LastUse(k.ID)
		if !ok {
			continue
		}
		if use.At.After(k.LastUsedAt) {
			k.LastUsedAt, k.LastUsedIP = use.At, cmp.Or(use.IP, k.LastUsedIP)
		}
	}
}

// addPreviousUse is addUses for the secret from before a refresh.
func (s *Store) addPreviousUse(id ident.KeyID, serial int, old *key.Previous) {
	use, ok := s.LastUse(id)
	if ok && use.PreviousSerial == serial && use.PreviousAt.After(old.LastUsedAt) {
		old.LastUsedAt = use.PreviousAt
	}
}

// addUse is addUses for the candidate of a notice.
func (s *Store) addUse(c *notice.Candidate) {
	if use, ok := s.LastUse(c.Key); ok && use.At.After(c.LastUsedAt) {
		c.LastUsedAt = use.At
	}
}

func updatePreviousUses(ctx context.Context, tx *sql.Tx, batch []usage.Use) error {
	for _, u := range batch {
		if u.PreviousAt.IsZero() {
			continue
		}
		if _, err := tx.ExecContext(ctx, string(updatePreviousUse), string(u.Key), u.PreviousSerial,
			micros(u.PreviousAt)); err != nil {
			return err
		}
	}
	return nil
}

// ScopesUsed implements key.HealthStore.
func (s *Store) ScopesUsed(ctx context.Context, keys []ident.KeyID,
	since time.Time,
) (map[ident.KeyID]scope.Set, error) {
	used := map[ident.KeyID]scope.Set{}
	q, args := expand(selectScopesUsed, 2, keys, micros(since))
	err := forEachRow(ctx, s.reading, q, func(row *sql.Rows) error {
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
