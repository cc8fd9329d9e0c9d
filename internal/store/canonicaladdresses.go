package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3"

	"github.com/claviger-dev/claviger/internal/identity"
)

// goMigrations are the migrations that SQL alone cannot do, on both engines.
//
// The number 14 is never used: databases went from 13 to 15, and they refuse a migration with a
// lower number than one that they have. migrationnumbers_test.go checks all numbers.
var goMigrations = []*goose.Migration{
	goose.NewGoMigration(15, &goose.GoFunc{RunTx: RecanonicalizeAddresses}, nil),
}

const (
	selectUserAddresses query = `SELECT id, email, canonical_email FROM users WHERE email IS NOT NULL ORDER BY number`
	selectLinkAddresses query = `SELECT id, email, canonical_email FROM links WHERE email IS NOT NULL ORDER BY id`
	// A user who already has the address in its new form keeps it.
	updateUserAddress query = `UPDATE users SET canonical_email = $2 WHERE id = $1
		AND NOT EXISTS (SELECT 1 FROM users o WHERE o.canonical_email = $2)`
	updateLinkAddress query = `UPDATE links SET canonical_email = $2 WHERE id = $1`
)

// RecanonicalizeAddresses rewrites the canonical form of every address as [identity.CanonicalEmail]
// returns it today. If two users now have the same address, the older one keeps it. The other user
// keeps everything else but cannot sign in.
func RecanonicalizeAddresses(ctx context.Context, tx *sql.Tx) error {
	if err := recanonicalize(ctx, tx, selectUserAddresses, updateUserAddress); err != nil {
		return err
	}
	return recanonicalize(ctx, tx, selectLinkAddresses, updateLinkAddress)
}

func recanonicalize(ctx context.Context, tx *sql.Tx, addresses, update query) error {
	changed, err := changedAddresses(ctx, tx, addresses)
	if err != nil {
		return err
	}
	for _, c := range changed {
		if _, err := tx.ExecContext(ctx, string(update), c.id, c.canonical); err != nil {
			return fmt.Errorf("canonical address of %s: %w", c.id, err)
		}
	}
	return nil
}

// address is the id of a row and its new canonical address.
type address struct{ id, canonical string }

func changedAddresses(ctx context.Context, tx *sql.Tx, addresses query) (changed []address, err error) {
	rows, err := tx.QueryContext(ctx, string(addresses))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, email, before string
		if err := rows.Scan(&id, &email, &before); err != nil {
			return nil, err
		}
		if now := identity.CanonicalEmail(email); now != before {
			changed = append(changed, address{id, now})
		}
	}
	return changed, rows.Err()
}
