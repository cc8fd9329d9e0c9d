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
const userColumns = `id, number, email, canonical_email, name, disabled_at, muted, password_set_at, created_at, updated_at`

const (
	selectUserByEmail query = `SELECT ` + userColumns + `, password FROM users WHERE canonical_email = $1`
	selectUser        query = `SELECT ` + userColumns + ` FROM users WHERE id = $1 AND deleted_at IS NULL`
	insertUser        query = `INSERT INTO users (id, number, email, canonical_email, name, password, password_set_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7)`
	updatePassword query = `UPDATE users SET password = $2, password_set_at = $3, updated_at = $3 WHERE id = $1`
	updateUserName query = `UPDATE users SET name = $2, updated_at = $3 WHERE id = $1`
	muteUser       query = `UPDATE users SET muted = $2, updated_at = $3 WHERE id = $1`
	upgradeHash    query = `UPDATE users SET password = $3 WHERE id = $1 AND password = $2`
	disableUser    query = `UPDATE users SET disabled_at = $2, updated_at = $2 WHERE id = $1`
	enableUser     query = `UPDATE users SET disabled_at = NULL, updated_at = $2 WHERE id = $1`
	blankUser      query = `UPDATE users SET email = NULL, canonical_email = NULL, name = NULL, password = NULL, password_set_at = NULL, muted = '',
		deleted_at = $2, updated_at = $2 WHERE id = $1`

	lockAccountsOf      query = `UPDATE accounts SET updated_at = updated_at WHERE id IN (SELECT account_id FROM account_members WHERE user_id = $1)`
	lockTenantsOf       query = `UPDATE tenants SET updated_at = updated_at WHERE id IN (SELECT tenant_id FROM members WHERE user_id = $1)`
	selectOwned         query = `SELECT account_id FROM account_members WHERE user_id = $1 AND role = 'owner' ORDER BY account_id`
	selectRun           query = `SELECT tenant_id FROM members WHERE user_id = $1 AND role = 'admin' AND disabled_at IS NULL ORDER BY tenant_id`
	selectTenantsOfUser query = `SELECT tenant_id FROM keys WHERE owner_id = $1 UNION SELECT tenant_id FROM members WHERE user_id = $1
		UNION SELECT t.id FROM tenants t JOIN account_members am ON am.account_id = t.account_id WHERE am.user_id = $1 ORDER BY 1`
	deleteMembershipsOf query = `DELETE FROM members WHERE user_id = $1`
	deleteStandingsOf   query = `DELETE FROM account_members WHERE user_id = $1`
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

// LockUser implements identity.Tx.
func (t *Tx) LockUser(ctx context.Context, user ident.UserID) (identity.User, error) {
	if err := t.one(ctx, lockPerson, user); err != nil {
		return identity.User{}, err
	}
	u, err := scanUser(t.row(ctx, selectUser, user))
	return u, t.store.fault(err)
}

// scanUser scans userColumns and what stands behind them.
func scanUser(row scanner, more ...any) (u identity.User, err error) {
	err = row.Scan(append([]any{
		&u.ID, &u.Number, nullable(&u.Email), nullable(&u.Canonical), nullable(&u.Name),
		set{&u.Disabled},
		(*mutedKinds)(&u.Muted),
		when{&u.PasswordSetAt},
		when{&u.CreatedAt},
		when{&u.UpdatedAt},
	}, more...)...)
	return u, err
}

// InsertUser implements identity.Tx.
func (t *Tx) InsertUser(ctx context.Context, u identity.User, password string) (int64, error) {
	number, err := t.number(ctx, "user")
	if err != nil {
		return 0, err
	}
	err = t.exec(ctx, insertUser, u.ID, number, u.Email, u.Canonical, u.Name, password, micros(u.CreatedAt))
	if t.store.backend.Classify(err) == Duplicate {
		return 0, fault.New(fault.Conflict, "This e-mail address is in use.")
	}
	return number, err
}

// SetPassword implements identity.Tx.
func (t *Tx) SetPassword(ctx context.Context, user ident.UserID, password string, at time.Time) error {
	return t.one(ctx, updatePassword, user, password, micros(at))
}

// UpgradeHash implements identity.Store. It goes past the ledger: see ARCHITECTURE.md.
func (s *Store) UpgradeHash(ctx context.Context, user ident.UserID, was, is string) error {
	_, err := s.asideOf(ctx, signIn(string(user)), upgradeHash, user, was, is)
	return err
}

// Rename implements identity.Tx.
func (t *Tx) Rename(ctx context.Context, user ident.UserID, name string, at time.Time) error {
	return t.one(ctx, updateUserName, user, name, micros(at))
}

// Mute implements identity.Tx.
func (t *Tx) Mute(ctx context.Context, user ident.UserID, kinds []notice.Kind, at time.Time) error {
	return t.one(ctx, muteUser, user, spaced(kinds), micros(at))
}

// SetUserDisabled implements identity.Tx.
func (t *Tx) SetUserDisabled(ctx context.Context, user ident.UserID, disabled bool, at time.Time) error {
	if disabled {
		return t.one(ctx, disableUser, user, micros(at))
	}
	return t.one(ctx, enableUser, user, micros(at))
}

// LockHomes implements identity.Tx.
func (t *Tx) LockHomes(ctx context.Context, user ident.UserID) error {
	if err := t.exec(ctx, lockAccountsOf, user); err != nil {
		return err
	}
	return t.exec(ctx, lockTenantsOf, user)
}

// Leads implements identity.Tx.
func (t *Tx) Leads(ctx context.Context, user ident.UserID) (accounts []ident.AccountID, tenants []ident.TenantID, err error) {
	if accounts, err = ids[ident.AccountID](ctx, t, selectOwned, user); err != nil {
		return nil, nil, err
	}
	tenants, err = ids[ident.TenantID](ctx, t, selectRun, user)
	return accounts, tenants, err
}

// TenantsOfUser implements identity.Tx.
func (t *Tx) TenantsOfUser(ctx context.Context, user ident.UserID) ([]ident.TenantID, error) {
	return ids[ident.TenantID](ctx, t, selectTenantsOfUser, user)
}

// LeaveAll implements identity.Tx.
func (t *Tx) LeaveAll(ctx context.Context, user ident.UserID) error {
	if err := t.exec(ctx, deleteMembershipsOf, user); err != nil {
		return err
	}
	return t.exec(ctx, deleteStandingsOf, user)
}

// DeleteUser implements identity.Tx.
func (t *Tx) DeleteUser(ctx context.Context, user ident.UserID, at time.Time) error {
	if err := t.exec(ctx, forgetPlaces, user); err != nil {
		return err
	}
	return t.one(ctx, blankUser, user, micros(at))
}
