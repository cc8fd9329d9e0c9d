package store

import (
	"context"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	// A secret without a digest proves nothing any more, and is not shown either.
	selectCopy query = `SELECT copy, copy_version FROM key_secrets WHERE key_id = $1 AND position = 'current' AND copy IS NOT NULL AND digest IS NOT NULL`
	// Whoever makes or refreshes a key holds the owner's membership or the key, and then reads how the tenant discloses.
	lockMembers  query = `UPDATE members SET updated_at = updated_at WHERE tenant_id = $1`
	lockKeys     query = `UPDATE keys SET updated_at = updated_at WHERE tenant_id = $1`
	forgetCopies query = `UPDATE key_secrets SET copy = NULL, copy_version = NULL
		WHERE copy IS NOT NULL AND key_id IN (SELECT id FROM keys WHERE tenant_id = $1)`
)

// SecretCopy implements key.Tx.
func (t *Tx) SecretCopy(ctx context.Context, id ident.KeyID) (s credential.Sealed, err error) {
	err = t.row(ctx, selectCopy, id).Scan(&s.Bytes, &s.Version)
	return s, t.store.fault(err)
}

// ForgetCopies implements tenancy.Tx. It waits for the keys that are being made or refreshed, so that none of them leaves a copy behind.
func (t *Tx) ForgetCopies(ctx context.Context, tenant ident.TenantID) error {
	for _, q := range []query{lockMembers, lockKeys, forgetCopies} {
		if err := t.exec(ctx, q, tenant); err != nil {
			return err
		}
	}
	return nil
}
