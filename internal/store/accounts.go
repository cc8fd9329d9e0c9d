package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/paging"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// accountColumns are scanned by scanAccount, in this order.
const accountColumns = `a.id, a.number, a.name, a.disabled_at, a.created_at, a.updated_at`

const (
	lockAccount    query = `SELECT 1 FROM accounts WHERE id = $1`
	insertAccount  query = `INSERT INTO accounts (id, number, name, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)`
	updateAccount  query = `UPDATE accounts SET name = $2, disabled_at = $3, updated_at = $4 WHERE id = $1`
	countAccounts  query = `SELECT COUNT(*) FROM accounts`
	selectAccount  query = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.id = $1`
	listAccounts   query = `SELECT ` + accountColumns + ` FROM accounts a ORDER BY a.created_at DESC, a.id DESC`
	listAccountsOf query = `SELECT ` + accountColumns +
		` FROM accounts a WHERE (a.created_at, a.id) < ($1, $2) AND a.disabled_at IS NULL
		AND a.id IN (SELECT account_id FROM account_members WHERE user_id = $4
			UNION ALL SELECT t.account_id FROM members m JOIN tenants t ON t.id = m.tenant_id WHERE m.user_id = $4
			AND m.disabled_at IS NULL AND t.disabled_at IS NULL)
		AND a.id NOT IN ($5…) ORDER BY a.created_at DESC, a.id DESC LIMIT $3`

	countAccountMembers query = `SELECT COUNT(*)
		FROM (SELECT 1 FROM account_members WHERE account_id = $1 LIMIT $2) counted`
	upsertAccountMember query = `INSERT INTO account_members (account_id, user_id, role, created_at)
		VALUES ($1, $2, $3, $4) ON CONFLICT (account_id, user_id) DO UPDATE SET role = excluded.role`
	deleteAccountMember query = `DELETE FROM account_members WHERE account_id = $1 AND user_id = $2`
	lockAccountRole     query = `SELECT 1 FROM account_members WHERE account_id = $1 AND user_id = $2`
	selectAccountRole   query = `SELECT am.role FROM account_members am JOIN users u ON u.id = am.user_id
		WHERE am.account_id = $1 AND am.user_id = $2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL`
	countOwners query = `SELECT COUNT(*) FROM account_members am JOIN users u ON u.id = am.user_id
		WHERE am.account_id = $1 AND am.user_id <> $2 AND am.role = 'owner' AND u.disabled_at IS NULL
		AND u.deleted_at IS NULL`
	selectCandidate query = `SELECT u.id, u.email, u.name, u.email_proven_at, am.role, u.disabled_at, am.created_at,
		(SELECT COUNT(*) FROM members m JOIN tenants t ON t.id = m.tenant_id WHERE t.account_id = $1
		AND m.user_id = u.id)
		FROM users u LEFT JOIN account_members am ON am.account_id = $1 AND am.user_id = u.id WHERE u.id = $2
		AND u.deleted_at IS NULL`
	selectCandidateByEmail query = `SELECT u.id FROM users u WHERE u.canonical_email = $2 AND u.deleted_at IS NULL
		AND (EXISTS (SELECT 1 FROM account_members am WHERE am.account_id = $1 AND am.user_id = u.id)
		OR EXISTS (SELECT 1 FROM members m JOIN tenants t ON t.id = m.tenant_id WHERE m.user_id = u.id
		AND t.account_id = $1))`
	listAccountMembers query = `SELECT am.account_id, u.id, u.email, u.name, u.email_proven_at, am.role, u.disabled_at,
		am.created_at FROM account_members am JOIN users u ON u.id = am.user_id
		WHERE (am.created_at, am.user_id) < ($1, $2) AND am.account_id = $4 ORDER BY am.created_at DESC, am.user_id DESC
		LIMIT $3`
)

// CountAccounts implements tenancy.OpenTx.
func (t *Tx) CountAccounts(ctx context.Context) (n int, err error) {
	err = t.row(ctx, countAccounts).Scan(&n)
	return n, err
}

// InsertAccount implements account.Tx.
func (t *Tx) InsertAccount(ctx context.Context, a account.Account) (int64, error) {
	number, err := t.nextNumber(ctx, "account")
	if err != nil {
		return 0, err
	}
	return number, t.exec(ctx, insertAccount, a.ID, number, a.Name, micros(a.CreatedAt))
}

// UpdateAccount implements account.Tx.
func (t *Tx) UpdateAccount(ctx context.Context, a account.Account) error {
	return t.runOne(ctx, updateAccount, a.ID, a.Name, timeIf(a.Disabled, a.UpdatedAt), micros(a.UpdatedAt))
}

// LockAccount implements account.Tx.
func (t *Tx) LockAccount(ctx context.Context, id ident.AccountID) (account.Account, error) {
	if err := t.lockRow(ctx, lockAccount, id); err != nil {
		return account.Account{}, err
	}
	return scanAccount(t.row(ctx, selectAccount, id))
}

// Account implements account.Store.
func (s *Store) Account(ctx context.Context, id ident.AccountID) (account.Account, error) {
	a, err := scanAccount(s.reading.row(ctx, selectAccount, id))
	return a, s.fault(err)
}

// AccountsOf implements account.Store.
func (s *Store) AccountsOf(
	ctx context.Context, user ident.UserID, ended []ident.AccountID, page paging.Page,
) ([]account.Account, error) {
	q, args := expand(listAccountsOf, 5, nonEmptyList(ended),
		append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), user)...)
	return s.accounts(ctx, q, args...)
}

// AllAccounts implements account.Store.
func (s *Store) AllAccounts(ctx context.Context) ([]account.Account, error) {
	return s.accounts(ctx, listAccounts)
}

func (s *Store) accounts(ctx context.Context, q query, args ...any) (list []account.Account, err error) {
	list, err = collect(ctx, s.reading, q, scanAccount, args...)
	return list, s.fault(err)
}

func scanAccount(row scanner) (a account.Account, err error) {
	err = row.Scan(&a.ID, &a.Number, &a.Name, isSet{&a.Disabled}, nullTime{&a.CreatedAt}, nullTime{&a.UpdatedAt})
	return a, err
}

// AccountRole implements account.Tx.
func (t *Tx) AccountRole(ctx context.Context, account ident.AccountID,
	user ident.UserID,
) (role scope.AccountRole, err error) {
	if err := t.lockRows(ctx, lockPerson, user); err != nil {
		return "", err
	}
	if err := t.lockRows(ctx, lockAccountRole, account, user); err != nil {
		return "", err
	}
	err = t.row(ctx, selectAccountRole, account, user).Scan(&role)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return role, err
}

// CountAccountMembers implements account.Tx.
func (t *Tx) CountAccountMembers(ctx context.Context, account ident.AccountID, most int) (int, error) {
	return t.countUpTo(ctx, countAccountMembers, account, most)
}

// SetAccountMember implements account.Tx.
func (t *Tx) SetAccountMember(ctx context.Context, account ident.AccountID, user ident.UserID, role scope.AccountRole,
	at time.Time,
) error {
	return t.exec(ctx, upsertAccountMember, account, user, string(role), micros(at))
}

// DeleteAccountMember implements account.Tx.
func (t *Tx) DeleteAccountMember(ctx context.Context, account ident.AccountID, user ident.UserID) error {
	return t.runOne(ctx, deleteAccountMember, account, user)
}

// OtherOwners implements identity.DeleteTx and account.Tx.
func (t *Tx) OtherOwners(ctx context.Context, account ident.AccountID, user ident.UserID) (n int, err error) {
	err = t.row(ctx, countOwners, account, user).Scan(&n)
	return n, err
}

// Candidate implements account.Tx.
func (t *Tx) Candidate(ctx context.Context, account ident.AccountID,
	user ident.UserID,
) (o account.Member, belongs bool, err error) {
	o, belongs, err = scanRoleCandidate(t.row(ctx, selectCandidate, account, user), account)
	return o, belongs, t.store.fault(err)
}

func scanRoleCandidate(row scanner, in ident.AccountID) (o account.Member, belongs bool, err error) {
	var memberships int
	o.Account = in
	err = row.Scan(&o.User.ID, nullString(&o.User.Email), nullString(&o.User.Name), isSet{&o.EmailProven},
		nullString(&o.Role),
		isSet{&o.Disabled}, nullTime{&o.CreatedAt}, &memberships)
	return o, o.Role != "" || memberships > 0, err
}

// CandidateByEmail implements account.Store.
func (s *Store) CandidateByEmail(ctx context.Context, id ident.AccountID, canonical string) (account.Member, error) {
	var user ident.UserID
	err := s.reading.row(ctx, selectCandidateByEmail, id, canonical).Scan(&user)
	if err != nil {
		return account.Member{}, s.fault(err)
	}
	o, _, err := scanRoleCandidate(s.reading.row(ctx, selectCandidate, id, user), id)
	return o, s.fault(err)
}

// AccountMember implements account.Store.
func (s *Store) AccountMember(ctx context.Context, id ident.AccountID, user ident.UserID) (account.Member, error) {
	o, _, err := scanRoleCandidate(s.reading.row(ctx, selectCandidate, id, user), id)
	if err == nil && o.Role == "" {
		err = fault.NotFound
	}
	return o, s.fault(err)
}

// AccountMembers implements account.Store.
func (s *Store) AccountMembers(ctx context.Context, id ident.AccountID,
	page paging.Page,
) (list []account.Member, err error) {
	err = forEachRow(ctx, s.reading, listAccountMembers, func(row *sql.Rows) error {
		var o account.Member
		err := row.Scan(&o.Account, &o.User.ID, nullString(&o.User.Email), nullString(&o.User.Name),
			isSet{&o.EmailProven},
			&o.Role,
			isSet{&o.Disabled}, nullTime{&o.CreatedAt})
		if err != nil {
			return err
		}
		list = append(list, o)
		return nil
	}, append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), id)...)
	return list, s.fault(err)
}
