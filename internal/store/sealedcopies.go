package store

import (
	"context"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	// A secret without a digest is no longer valid, so it is not shown either.
	selectCopy query = `SELECT copy, copy_version FROM key_secrets WHERE key_id = $1 AND position = 'current'
		AND copy IS NOT NULL AND digest IS NOT NULL`
	// A transaction that creates or refreshes a key locks the owner's membership or the key, and
	// then reads the disclosure setting of the tenant.
	lockMembers  query = `SELECT 1 FROM members WHERE tenant_id = $1 ORDER BY user_id`
	lockKeys     query = `SELECT 1 FROM keys WHERE tenant_id = $1 ORDER BY created_at, id`
	deleteCopies query = `UPDATE key_secrets SET copy = NULL, copy_version = NULL
		WHERE copy IS NOT NULL AND key_id IN (SELECT id FROM keys WHERE tenant_id = $1)`
)

// SecretCopy implements key.SecretTx.
func (t *Tx) SecretCopy(ctx context.Context, id ident.KeyID) (s credential.Sealed, err error) {
	err = t.row(ctx, selectCopy, id).Scan(&s.Bytes, &s.Version)
	return s, t.store.fault(err)
}

// ForgetCopies implements tenancy.TenantTx. It waits for keys that are being created or refreshed,
// so that none of them leaves a copy behind.
func (t *Tx) ForgetCopies(ctx context.Context, tenant ident.TenantID) error {
	for _, q := range []query{lockMembers, lockKeys} {
		if err := t.lockRows(ctx, q, tenant); err != nil {
			return err
		}
	}
	return t.exec(ctx, deleteCopies, tenant)
}
