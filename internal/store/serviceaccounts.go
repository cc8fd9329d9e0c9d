package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
)

// serviceAccountColumns are scanned by scanServiceAccount, in this order.
const serviceAccountColumns = `sa.id, sa.number, sa.tenant_id, sa.name, sa.description, sa.role, sa.disabled_at,
	sa.created_by, c.email, c.name, sa.created_at, sa.updated_at
	FROM service_accounts sa LEFT JOIN users c ON c.id = sa.created_by`

const (
	countServiceAccounts query = `SELECT COUNT(*)
		FROM (SELECT 1 FROM service_accounts WHERE tenant_id = $1 AND deleted_at IS NULL LIMIT $2) counted`
	insertServiceAccount query = `INSERT INTO service_accounts (id, number, tenant_id, name, description, role,
		created_by, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	selectServiceAccount query = `SELECT ` + serviceAccountColumns +
		` WHERE sa.tenant_id = $1 AND sa.id = $2 AND sa.deleted_at IS NULL`
	listServiceAccounts query = `SELECT ` + serviceAccountColumns + `
		WHERE sa.tenant_id = $1 AND (sa.created_at, sa.id) < ($2, $3) AND sa.deleted_at IS NULL
		ORDER BY sa.created_at DESC, sa.id DESC LIMIT $4`
	lockLiveServiceAccount query = `SELECT 1 FROM service_accounts WHERE tenant_id = $1 AND id = $2
		AND deleted_at IS NULL`
	updateServiceAccount query = `UPDATE service_accounts SET name = $3, description = $4, role = $5, disabled_at = $6,
		updated_at = $7 WHERE tenant_id = $1 AND id = $2`
	// deleteServiceAccount leaves a tombstone with nothing but the id.
	deleteServiceAccount query = `UPDATE service_accounts SET name = '', description = '', deleted_at = $3,
		updated_at = $3 WHERE tenant_id = $1 AND id = $2`
	insertSteward  query = `INSERT INTO service_account_stewards (service_account_id, user_id) VALUES ($1, $2)`
	deleteStewards query = `DELETE FROM service_account_stewards WHERE service_account_id = $1`
	// deleteStewardships ends what a person is steward of in a tenant.
	deleteStewardships query = `DELETE FROM service_account_stewards WHERE user_id = $2
		AND EXISTS (SELECT 1 FROM service_accounts sa WHERE sa.id = service_account_id AND sa.tenant_id = $1
		AND sa.deleted_at IS NULL)`
	deleteAllStewardships  query = `DELETE FROM service_account_stewards WHERE user_id = $1`
	revokeManagementKeysOf query = `UPDATE management_keys SET revoked_at = $2, revoked_by = $3, revoked_reason = $4,
		updated_at = $2 WHERE service_account_id = $1 AND revoked_at IS NULL`
	listStewardships query = `SELECT sa.id FROM service_account_stewards s CROSS JOIN service_accounts sa
		WHERE s.user_id = $2 AND sa.id = s.service_account_id AND sa.tenant_id = $1
		AND sa.deleted_at IS NULL`
	selectStewardPeople query = `SELECT s.service_account_id, u.id, u.email, u.name
		FROM service_account_stewards s JOIN users u ON u.id = s.user_id
		WHERE s.service_account_id IN ($1…) ORDER BY s.user_id`
)

// CountServiceAccounts implements machine.ServiceAccountTx.
func (t *Tx) CountServiceAccounts(ctx context.Context, tenant ident.TenantID, most int) (int, error) {
	return t.countUpTo(ctx, countServiceAccounts, tenant, most)
}

// InsertServiceAccount implements machine.ServiceAccountTx.
func (t *Tx) InsertServiceAccount(ctx context.Context, a machine.ServiceAccount) (int64, error) {
	number, err := t.nextNumber(ctx, "service_account")
	if err != nil {
		return 0, err
	}
	err = t.exec(ctx, insertServiceAccount, a.ID, number, a.Tenant, a.Name, a.Description, string(a.Role),
		a.CreatedBy.ID, micros(a.CreatedAt), micros(a.UpdatedAt))
	if err != nil {
		return 0, err
	}
	if err := t.indexServiceAccount(ctx, a.Tenant, a.ID, a.Name); err != nil {
		return 0, err
	}
	return number, t.insertStewards(ctx, a)
}

func (t *Tx) insertStewards(ctx context.Context, a machine.ServiceAccount) error {
	for _, s := range a.Stewards {
		if err := t.exec(ctx, insertSteward, a.ID, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// LockServiceAccount implements machine.ServiceAccountTx.
func (t *Tx) LockServiceAccount(ctx context.Context, tenant ident.TenantID,
	id ident.ServiceAccountID,
) (machine.ServiceAccount, error) {
	if err := t.lockRow(ctx, lockLiveServiceAccount, tenant, id); err != nil {
		return machine.ServiceAccount{}, err
	}
	a, err := readServiceAccount(ctx, t, tenant, id)
	return a, t.store.fault(err)
}

// UpdateServiceAccount implements machine.ServiceAccountTx.
func (t *Tx) UpdateServiceAccount(ctx context.Context, a machine.ServiceAccount) error {
	err := t.runOne(ctx, updateServiceAccount, a.Tenant, a.ID, a.Name, a.Description, string(a.Role),
		timeIf(a.Disabled, a.UpdatedAt), micros(a.UpdatedAt))
	if err != nil {
		return err
	}
	return t.indexServiceAccount(ctx, a.Tenant, a.ID, a.Name)
}

// ReplaceStewards implements machine.ServiceAccountTx.
func (t *Tx) ReplaceStewards(ctx context.Context, a machine.ServiceAccount) error {
	if err := t.exec(ctx, deleteStewards, a.ID); err != nil {
		return err
	}
	return t.insertStewards(ctx, a)
}

// DeleteServiceAccount implements machine.ServiceAccountTx.
func (t *Tx) DeleteServiceAccount(ctx context.Context, a machine.ServiceAccount, at time.Time, by ident.PartyID,
	reason string,
) error {
	if err := t.exec(ctx, deleteStewards, a.ID); err != nil {
		return err
	}
	err := t.exec(ctx, revokeManagementKeysOf, a.ID, micros(at), nullIfEmpty(by), reason)
	if err != nil {
		return err
	}
	if err := t.forgetOwner(ctx, string(a.ID)); err != nil {
		return err
	}
	return t.runOne(ctx, deleteServiceAccount, a.Tenant, a.ID, micros(at))
}

// ServiceAccount implements machine.ServiceAccountStore.
func (s *Store) ServiceAccount(ctx context.Context, tenant ident.TenantID,
	id ident.ServiceAccountID,
) (machine.ServiceAccount, error) {
	a, err := readServiceAccount(ctx, s.reading, tenant, id)
	return a, s.fault(err)
}

// ServiceAccounts implements machine.ServiceAccountStore.
func (s *Store) ServiceAccounts(ctx context.Context, tenant ident.TenantID,
	page paging.Page,
) (list []machine.ServiceAccount, err error) {
	args := append([]any{tenant}, pageArgs(page.BeforeTime, page.BeforeID, page.Limit)...)
	list, err = collect(ctx, s.reading, listServiceAccounts, scanServiceAccount, args...)
	if err == nil {
		err = addStewardPeople(ctx, s.reading, list)
	}
	return list, s.fault(err)
}

func readServiceAccount(ctx context.Context, from querier, tenant ident.TenantID,
	id ident.ServiceAccountID,
) (machine.ServiceAccount, error) {
	a, err := scanServiceAccount(from.row(ctx, selectServiceAccount, tenant, id))
	if err != nil {
		return machine.ServiceAccount{}, err
	}
	list := []machine.ServiceAccount{a}
	err = addStewardPeople(ctx, from, list)
	return list[0], err
}

// addStewardPeople adds the stewards of service accounts, with their names and addresses.
func addStewardPeople(ctx context.Context, from querier, list []machine.ServiceAccount) error {
	if len(list) == 0 {
		return nil
	}
	place := make(map[ident.ServiceAccountID]*machine.ServiceAccount, len(list))
	ids := make([]ident.ServiceAccountID, len(list))
	for i := range list {
		ids[i] = list[i].ID
		place[ids[i]] = &list[i]
	}
	q, args := expand(selectStewardPeople, 1, ids)
	return forEachRow(ctx, from, q, func(row *sql.Rows) error {
		var id ident.ServiceAccountID
		var p principal.Person
		if err := row.Scan(&id, &p.ID, nullString(&p.Email), nullString(&p.Name)); err != nil {
			return err
		}
		place[id].Stewards = append(place[id].Stewards, p)
		return nil
	}, args...)
}

func scanServiceAccount(row scanner) (a machine.ServiceAccount, err error) {
	err = row.Scan(&a.ID, &a.Number, &a.Tenant, &a.Name, &a.Description, &a.Role, isSet{&a.Disabled},
		&a.CreatedBy.ID, nullString(&a.CreatedBy.Email), nullString(&a.CreatedBy.Name),
		nullTime{&a.CreatedAt}, nullTime{&a.UpdatedAt})
	return a, err
}
