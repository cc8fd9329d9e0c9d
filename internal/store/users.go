package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
)

// userColumns are scanned by scanUser, in this order.
const userColumns = `id, number, email, canonical_email, email_proven_at, name, disabled_at, muted, password_set_at,
	short_password_at, created_at, updated_at`

const (
	selectUserByEmail query = `SELECT ` + userColumns + `, password FROM users WHERE canonical_email = $1`
	selectUser        query = `SELECT ` + userColumns + ` FROM users WHERE id = $1 AND deleted_at IS NULL`
	insertUser        query = `INSERT INTO users (id, number, email, canonical_email, email_proven_at, name, password,
		password_set_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $8, $5, $6, $7, $7, $7)`
	proveEmail query = `UPDATE users SET email_proven_at = $2 WHERE id = $1 AND email_proven_at IS NULL
		AND deleted_at IS NULL`
	updatePassword query = `UPDATE users SET password = $2, password_set_at = $3, short_password_at = NULL,
		updated_at = $3 WHERE id = $1`
	// A person without a password keeps this time, because sessions and links are compared with it.
	voidPassword       query = `UPDATE users SET password = NULL, password_set_at = $2, updated_at = $2 WHERE id = $1`
	updateUserName     query = `UPDATE users SET name = $2, updated_at = $3 WHERE id = $1`
	updateMutedNotices query = `UPDATE users SET muted = $2, updated_at = $3 WHERE id = $1`
	upgradeHash        query = `UPDATE users SET password = $3 WHERE id = $1 AND password = $2`
	disableUser        query = `UPDATE users SET disabled_at = $2, updated_at = $2 WHERE id = $1`
	enableUser         query = `UPDATE users SET disabled_at = NULL, updated_at = $2 WHERE id = $1`
	eraseUser          query = `UPDATE users
		SET email = NULL, email_proven_at = NULL, canonical_email = NULL, name = NULL, password = NULL,
		password_set_at = NULL, short_password_at = NULL, muted = '',
		deleted_at = $2, updated_at = $2 WHERE id = $1`

	lockAccountsOf query = `SELECT 1 FROM accounts
		WHERE id IN (SELECT account_id FROM account_members WHERE user_id = $1) ORDER BY id`
	lockTenantsOf query = `SELECT 1 FROM tenants
		WHERE id IN (SELECT tenant_id FROM members WHERE user_id = $1) ORDER BY id`
	selectOwnedAccounts query = `SELECT account_id FROM account_members WHERE user_id = $1 AND role = 'owner'
		ORDER BY account_id`
	selectAdministeredTenants query = `SELECT tenant_id FROM members WHERE user_id = $1 AND role = 'admin'
		AND disabled_at IS NULL ORDER BY tenant_id`
	selectTenantsOfUser query = `SELECT tenant_id FROM keys WHERE owner_id = $1 UNION SELECT tenant_id
		FROM members WHERE user_id = $1
		UNION SELECT t.id FROM tenants t JOIN account_members am ON am.account_id = t.account_id WHERE am.user_id = $1
		ORDER BY 1`
	deleteMembershipsOf    query = `DELETE FROM members WHERE user_id = $1`
	deleteAccountMembersOf query = `DELETE FROM account_members WHERE user_id = $1`
)

// UserByEmail implements identity.Store.
func (s *Store) UserByEmail(ctx context.Context, canonical string) (identity.User, string, error) {
	var password sql.NullString
	u, err := scanUser(s.reading.row(ctx, selectUserByEmail, canonical), &password)
	return u, password.String, s.fault(err)
}

// User implements identity.Store.
func (s *Store) User(ctx context.Context, user ident.UserID) (identity.User, error) {
	u, err := scanUser(s.reading.row(ctx, selectUser, user))
	return u, s.fault(err)
}

// LockUser implements identity.LockTx.
func (t *Tx) LockUser(ctx context.Context, user ident.UserID) (identity.User, error) {
	if err := t.lockRow(ctx, lockPerson, user); err != nil {
		return identity.User{}, err
	}
	u, err := scanUser(t.row(ctx, selectUser, user))
	return u, t.store.fault(err)
}

// scanUser scans userColumns and the columns after them.
func scanUser(row scanner, more ...any) (u identity.User, err error) {
	err = row.Scan(append([]any{
		&u.ID, &u.Number, nullString(&u.Email), nullString(&u.Canonical),
		isSet{&u.EmailProven},
		nullString(&u.Name),
		isSet{&u.Disabled},
		(*mutedKinds)(&u.Muted),
		nullTime{&u.PasswordSetAt},
		isSet{&u.ShortPassword},
		nullTime{&u.CreatedAt},
		nullTime{&u.UpdatedAt},
	}, more...)...)
	return u, err
}

// InsertUser implements identity.Inserter.
func (t *Tx) InsertUser(ctx context.Context, u identity.User, password string) (int64, error) {
	number, err := t.nextNumber(ctx, "user")
	if err != nil {
		return 0, err
	}
	err = t.exec(ctx, insertUser, u.ID, number, u.Email, u.Canonical, u.Name, password, micros(u.CreatedAt),
		timeIf(u.EmailProven, u.CreatedAt))
	if t.store.backend.Classify(err) == Duplicate {
		return 0, fault.New(fault.Conflict, "This e-mail address is in use.")
	}
	return number, err
}

// ProveEmail implements identity.Inserter.
func (t *Tx) ProveEmail(ctx context.Context, user ident.UserID, now time.Time) error {
	return t.exec(ctx, proveEmail, user, micros(now))
}

// SetPassword implements identity.PasswordTx.
func (t *Tx) SetPassword(ctx context.Context, user ident.UserID, password string, at time.Time) error {
	return t.runOne(ctx, updatePassword, user, password, micros(at))
}

// VoidPassword implements journal.PeopleTx.
func (t *Tx) VoidPassword(ctx context.Context, user ident.UserID, at time.Time) error {
	return t.runOne(ctx, voidPassword, user, micros(at))
}

// UpgradeHash implements identity.Store. It bypasses the ledger (see ARCHITECTURE.md).
func (s *Store) UpgradeHash(ctx context.Context, user ident.UserID, was, is string) error {
	_, err := s.execUnauditedOf(ctx, signIn(string(user)), upgradeHash, user, was, is)
	return err
}

// Rename implements identity.UserTx.
func (t *Tx) Rename(ctx context.Context, user ident.UserID, name string, at time.Time) error {
	if err := t.runOne(ctx, updateUserName, user, name, micros(at)); err != nil {
		return err
	}
	return t.reindexPerson(ctx, user)
}

// SetMuted implements identity.UserTx.
func (t *Tx) SetMuted(ctx context.Context, user ident.UserID, kinds []notice.Kind, at time.Time) error {
	return t.runOne(ctx, updateMutedNotices, user, joinWords(kinds), micros(at))
}

// SetUserDisabled implements identity.UserTx.
func (t *Tx) SetUserDisabled(ctx context.Context, user ident.UserID, disabled bool, at time.Time) error {
	if disabled {
		return t.runOne(ctx, disableUser, user, micros(at))
	}
	return t.runOne(ctx, enableUser, user, micros(at))
}

// LockAccountsAndTenantsOf implements identity.DeleteTx.
func (t *Tx) LockAccountsAndTenantsOf(ctx context.Context, user ident.UserID) error {
	if err := t.lockRows(ctx, lockAccountsOf, user); err != nil {
		return err
	}
	return t.lockRows(ctx, lockTenantsOf, user)
}

// AccountsAndTenantsLedBy implements identity.DeleteTx.
func (t *Tx) AccountsAndTenantsLedBy(ctx context.Context,
	user ident.UserID,
) (accounts []ident.AccountID, tenants []ident.TenantID, err error) {
	accounts, err = ids[ident.AccountID](ctx, t, selectOwnedAccounts, user)
	if err != nil {
		return nil, nil, err
	}
	tenants, err = ids[ident.TenantID](ctx, t, selectAdministeredTenants, user)
	return accounts, tenants, err
}

// TenantsOfUser implements identity.TenantsTx.
func (t *Tx) TenantsOfUser(ctx context.Context, user ident.UserID) ([]ident.TenantID, error) {
	return ids[ident.TenantID](ctx, t, selectTenantsOfUser, user)
}

// RemoveMemberships implements identity.DeleteTx.
func (t *Tx) RemoveMemberships(ctx context.Context, user ident.UserID) error {
	if err := t.exec(ctx, deleteMembershipsOf, user); err != nil {
		return err
	}
	if err := t.exec(ctx, deleteAllStewardships, user); err != nil {
		return err
	}
	return t.exec(ctx, deleteAccountMembersOf, user)
}

// DeleteUser implements identity.DeleteTx.
func (t *Tx) DeleteUser(ctx context.Context, user ident.UserID, at time.Time) error {
	if err := t.forgetAddresses(ctx, user); err != nil {
		return err
	}
	for _, q := range []query{
		deleteKnownClients, deleteCodes, deleteFactor, deleteAvatar, deleteSeen, deleteEmailLinks,
	} {
		if err := t.exec(ctx, q, user); err != nil {
			return err
		}
	}
	if err := t.forgetOwner(ctx, string(user)); err != nil {
		return err
	}
	return t.runOne(ctx, eraseUser, user, micros(at))
}
