package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// accountColumns are scanned by scanAccount, in this order.
const accountColumns = `a.id, a.number, a.name, a.disabled_at, a.created_at, a.updated_at`

const (
	lockAccount    query = `UPDATE accounts SET updated_at = updated_at WHERE id = $1`
	insertAccount  query = `INSERT INTO accounts (id, number, name, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)`
	updateAccount  query = `UPDATE accounts SET name = $2, disabled_at = $3, updated_at = $4 WHERE id = $1`
	countAccounts  query = `SELECT COUNT(*) FROM accounts`
	selectAccount  query = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.id = $1`
	listAccounts   query = `SELECT ` + accountColumns + ` FROM accounts a ORDER BY a.created_at DESC, a.id DESC`
	listAccountsOf query = `SELECT ` + accountColumns + ` FROM accounts a WHERE (a.created_at, a.id) < ($1, $2) AND a.disabled_at IS NULL
		AND a.id IN (SELECT account_id FROM account_members WHERE user_id = $4
			UNION ALL SELECT t.account_id FROM members m JOIN tenants t ON t.id = m.tenant_id WHERE m.user_id = $4 AND m.disabled_at IS NULL AND t.disabled_at IS NULL)
		ORDER BY a.created_at DESC, a.id DESC LIMIT $3`

	upsertStanding query = `INSERT INTO account_members (account_id, user_id, role, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (account_id, user_id) DO UPDATE SET role = excluded.role`
	deleteStanding query = `DELETE FROM account_members WHERE account_id = $1 AND user_id = $2`
	holdStanding   query = `UPDATE account_members SET role = role WHERE account_id = $1 AND user_id = $2`
	selectStanding query = `SELECT am.role FROM account_members am JOIN users u ON u.id = am.user_id
		WHERE am.account_id = $1 AND am.user_id = $2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL`
	countOwners query = `SELECT COUNT(*) FROM account_members am JOIN users u ON u.id = am.user_id
		WHERE am.account_id = $1 AND am.user_id <> $2 AND am.role = 'owner' AND u.disabled_at IS NULL AND u.deleted_at IS NULL`
	selectCandidate query = `SELECT u.id, u.email, u.name, am.role, u.disabled_at, am.created_at,
		(SELECT COUNT(*) FROM members m JOIN tenants t ON t.id = m.tenant_id WHERE t.account_id = $1 AND m.user_id = u.id)
		FROM users u LEFT JOIN account_members am ON am.account_id = $1 AND am.user_id = u.id WHERE u.id = $2 AND u.deleted_at IS NULL`
	listOfficers query = `SELECT am.account_id, u.id, u.email, u.name, am.role, u.disabled_at, am.created_at FROM account_members am JOIN users u ON u.id = am.user_id
		WHERE (am.created_at, am.user_id) < ($1, $2) AND am.account_id = $4 ORDER BY am.created_at DESC, am.user_id DESC LIMIT $3`
)

// CountAccounts implements tenancy.Tx.
func (t *Tx) CountAccounts(ctx context.Context) (n int, err error) {
	err = t.row(ctx, countAccounts).Scan(&n)
	return n, err
}

// InsertAccount implements tenancy.Tx.
func (t *Tx) InsertAccount(ctx context.Context, a tenancy.Account) (int64, error) {
	number, err := t.number(ctx, "account")
	if err != nil {
		return 0, err
	}
	return number, t.exec(ctx, insertAccount, a.ID, number, a.Name, micros(a.CreatedAt))
}

// UpdateAccount implements tenancy.Tx.
func (t *Tx) UpdateAccount(ctx context.Context, a tenancy.Account) error {
	return t.one(ctx, updateAccount, a.ID, a.Name, since(a.Disabled, a.UpdatedAt), micros(a.UpdatedAt))
}

// LockAccount implements tenancy.Tx.
func (t *Tx) LockAccount(ctx context.Context, id ident.AccountID) (tenancy.Account, error) {
	if err := t.one(ctx, lockAccount, id); err != nil {
		return tenancy.Account{}, err
	}
	return scanAccount(t.row(ctx, selectAccount, id))
}

// Account implements tenancy.Store.
func (s *Store) Account(ctx context.Context, id ident.AccountID) (tenancy.Account, error) {
	a, err := scanAccount(s.reading.row(ctx, selectAccount, id))
	return a, s.fault(err)
}

// AccountsOf implements tenancy.Store.
func (s *Store) AccountsOf(ctx context.Context, user ident.UserID, page tenancy.Page) ([]tenancy.Account, error) {
	return s.accounts(ctx, listAccountsOf, append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), user)...)
}

// AllAccounts implements tenancy.Store.
func (s *Store) AllAccounts(ctx context.Context) ([]tenancy.Account, error) {
	return s.accounts(ctx, listAccounts)
}

func (s *Store) accounts(ctx context.Context, q query, args ...any) (list []tenancy.Account, err error) {
	list, err = collect(ctx, s.reading, q, scanAccount, args...)
	return list, s.fault(err)
}

func scanAccount(row scanner) (a tenancy.Account, err error) {
	err = row.Scan(&a.ID, &a.Number, &a.Name, set{&a.Disabled}, when{&a.CreatedAt}, when{&a.UpdatedAt})
	return a, err
}

// Standing implements tenancy.Tx.
func (t *Tx) Standing(ctx context.Context, account ident.AccountID, user ident.UserID) (role scope.AccountRole, err error) {
	if err := t.exec(ctx, lockPerson, user); err != nil {
		return "", err
	}
	if err := t.exec(ctx, holdStanding, account, user); err != nil {
		return "", err
	}
	err = t.row(ctx, selectStanding, account, user).Scan(&role)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return role, err
}

// SetStanding implements tenancy.Tx.
func (t *Tx) SetStanding(ctx context.Context, account ident.AccountID, user ident.UserID, role scope.AccountRole, at time.Time) error {
	return t.exec(ctx, upsertStanding, account, user, string(role), micros(at))
}

// DeleteStanding implements tenancy.Tx.
func (t *Tx) DeleteStanding(ctx context.Context, account ident.AccountID, user ident.UserID) error {
	return t.one(ctx, deleteStanding, account, user)
}

// OtherOwners implements identity.Tx and tenancy.Tx.
func (t *Tx) OtherOwners(ctx context.Context, account ident.AccountID, user ident.UserID) (n int, err error) {
	err = t.row(ctx, countOwners, account, user).Scan(&n)
	return n, err
}

// Candidate implements tenancy.Tx.
func (t *Tx) Candidate(ctx context.Context, account ident.AccountID, user ident.UserID) (o tenancy.Officer, belongs bool, err error) {
	var memberships int
	o.Account = account
	err = t.row(ctx, selectCandidate, account, user).
		Scan(&o.User.ID, nullable(&o.User.Email), nullable(&o.User.Name), nullable(&o.Role), set{&o.Disabled}, when{&o.CreatedAt}, &memberships)
	return o, o.Role != "" || memberships > 0, t.store.fault(err)
}

// Officers implements tenancy.Store.
func (s *Store) Officers(ctx context.Context, account ident.AccountID, page tenancy.Page) (list []tenancy.Officer, err error) {
	err = each(ctx, s.reading, listOfficers, func(row *sql.Rows) error {
		var o tenancy.Officer
		err := row.Scan(&o.Account, &o.User.ID, nullable(&o.User.Email), nullable(&o.User.Name), &o.Role,
			set{&o.Disabled}, when{&o.CreatedAt})
		if err != nil {
			return err
		}
		list = append(list, o)
		return nil
	}, append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), account)...)
	return list, s.fault(err)
}
