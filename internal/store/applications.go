package store

import (
	"context"
	"database/sql"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/paging"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

const (
	countApplications query = `SELECT COUNT(*) FROM (SELECT 1 FROM applications WHERE tenant_id = $1 LIMIT $2) counted`
	insertApplication query = `INSERT INTO applications (id, number, tenant_id, name, description, created_at,
		updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	selectApplication query = `SELECT id, number, tenant_id, name, description, disabled_at, created_at, updated_at
		FROM applications WHERE tenant_id = $1 AND id = $2`

	listApplications query = `SELECT id, number, tenant_id, name, description, disabled_at, created_at, updated_at
		FROM applications
		WHERE tenant_id = $1 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4`
	listTheseApplications query = `SELECT id, number, tenant_id, name, description, disabled_at, created_at, updated_at
		FROM applications
		WHERE tenant_id = $1 AND (created_at, id) < ($2, $3) AND id IN ($5…) ORDER BY created_at DESC, id DESC LIMIT $4`

	lockApplication   query = `SELECT 1 FROM applications WHERE tenant_id = $1 AND id = $2`
	updateApplication query = `UPDATE applications SET name = $3, description = $4, disabled_at = $5, updated_at = $6
		WHERE tenant_id = $1 AND id = $2`
	deleteApplication query = `DELETE FROM applications WHERE tenant_id = $1 AND id = $2`

	lockTheseApplications   query = `SELECT 1 FROM applications WHERE tenant_id = $1 AND id IN ($2…) ORDER BY id`
	selectApplicationStates query = `SELECT id, number, disabled_at, routes FROM applications
		WHERE tenant_id = $1`
	selectTheseApplications query = `SELECT id FROM applications WHERE tenant_id = $1 AND id IN ($2…)`
)

// CountApplications implements application.Tx.
func (t *Tx) CountApplications(ctx context.Context, tenant ident.TenantID, most int) (int, error) {
	return t.countUpTo(ctx, countApplications, tenant, most)
}

// InsertApplication implements application.Tx.
func (t *Tx) InsertApplication(ctx context.Context, a application.Application) (int64, error) {
	number, err := t.nextNumber(ctx, "application")
	if err != nil {
		return 0, err
	}
	return number,
		t.exec(ctx, insertApplication, a.ID, number, a.Tenant, a.Name, a.Description, micros(a.CreatedAt),
			micros(a.UpdatedAt))
}

// LockApplication implements application.Tx.
func (t *Tx) LockApplication(ctx context.Context, tenant ident.TenantID,
	id ident.ApplicationID,
) (application.Application, error) {
	if err := t.lockRow(ctx, lockApplication, tenant, id); err != nil {
		return application.Application{}, err
	}
	return scanApplication(t.row(ctx, selectApplication, tenant, id))
}

// UpdateApplication implements application.Tx.
func (t *Tx) UpdateApplication(ctx context.Context, a application.Application) error {
	return t.runOne(ctx, updateApplication, a.Tenant, a.ID, a.Name, a.Description, timeIf(a.Disabled, a.UpdatedAt),
		micros(a.UpdatedAt))
}

// DeleteApplication implements application.Tx. The database deletes the grants of keys with it.
func (t *Tx) DeleteApplication(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) error {
	return t.runOne(ctx, deleteApplication, tenant, id)
}

// Application implements application.Store.
func (s *Store) Application(ctx context.Context, tenant ident.TenantID,
	id ident.ApplicationID,
) (application.Application, error) {
	a, err := scanApplication(s.reading.row(ctx, selectApplication, tenant, id))
	return a, s.fault(err)
}

// Applications implements application.Store.
func (s *Store) Applications(ctx context.Context, tenant ident.TenantID, within scope.Applications,
	page paging.Page,
) (list []application.Application, err error) {
	if !within.All && len(within.IDs) == 0 {
		return nil, nil
	}
	q, args := listApplications, append([]any{tenant}, pageArgs(page.BeforeTime, page.BeforeID, page.Limit)...)
	if !within.All {
		q, args = expand(listTheseApplications, 5, within.IDs, args...)
	}
	list, err = collect(ctx, s.reading, q, scanApplication, args...)
	return list, s.fault(err)
}

// MissingApplications implements key.ApplicationTx.
func (t *Tx) MissingApplications(ctx context.Context, tenant ident.TenantID, ids []string) (missing []int, err error) {
	q, args := expand(lockTheseApplications, 2, ids, tenant)
	if err := t.lockRows(ctx, q, args...); err != nil {
		return nil, err
	}
	q, args = expand(selectTheseApplications, 2, ids, tenant)
	found := map[string]bool{}
	err = forEachRow(ctx, t, q, func(row *sql.Rows) error {
		var id string
		if err := row.Scan(&id); err != nil {
			return err
		}
		found[id] = true
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if !found[id] {
			missing = append(missing, i)
		}
	}
	return missing, nil
}

type scanner interface{ Scan(into ...any) error }

func scanApplication(row scanner) (a application.Application, err error) {
	err = row.Scan(&a.ID, &a.Number, &a.Tenant, &a.Name, &a.Description, isSet{&a.Disabled}, nullTime{&a.CreatedAt},
		nullTime{&a.UpdatedAt})
	return a, err
}
