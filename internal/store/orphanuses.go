package store

import (
	"context"
	"database/sql"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/usage"
)

// The last uses after a key, in the order of keys, each with its key where that still exists.
const (
	listUsesAfter query = `SELECT u.key_id, k.id FROM key_uses u LEFT JOIN keys k ON k.id = u.key_id
		WHERE u.key_id > $1 ORDER BY u.key_id LIMIT $2`
	listScopeUsesAfter query = `SELECT u.key_id, k.id FROM key_scope_uses u LEFT JOIN keys k ON k.id = u.key_id
		WHERE u.key_id > $1 ORDER BY u.key_id LIMIT $2`
)

// DeleteUsesWithoutKey implements usage.OrphanStore. It deletes outside of the ledger (see
// ARCHITECTURE.md), since nothing reads these rows.
func (s *Store) DeleteUsesWithoutKey(ctx context.Context, after usage.OrphanPosition,
	most int,
) (next usage.OrphanPosition, err error) {
	next.Uses, err = s.deleteOrphans(ctx, listUsesAfter, deleteTheseUses, after.Uses, most)
	if err != nil {
		return after, err
	}
	next.ScopeUses, err = s.deleteOrphans(ctx, listScopeUsesAfter, deleteTheseScopeUses, after.ScopeUses, most)
	if err != nil {
		next.ScopeUses = after.ScopeUses
	}
	return next, err
}

// deleteOrphans looks at the next rows after a key, and deletes those of keys that do not exist. It
// returns the last key; "" at the end of the table. No use of a key is on record before the key.
func (s *Store) deleteOrphans(ctx context.Context, list, remove query, after ident.KeyID,
	most int,
) (last ident.KeyID, err error) {
	var orphans []ident.KeyID
	rows := 0
	err = forEachRow(ctx, s.reading, list, func(row *sql.Rows) error {
		var key string
		if err := row.Scan(&last, nullString(&key)); err != nil {
			return err
		}
		rows++
		if key == "" {
			orphans = append(orphans, last)
		}
		return nil
	}, after, most)
	if err == nil && len(orphans) > 0 {
		q, args := expand(remove, 1, orphans)
		_, err = s.execUnaudited(ctx, q, args...)
	}
	if err != nil {
		return after, s.fault(err)
	}
	if rows < most {
		return "", nil
	}
	return last, nil
}
