package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/route"
)

const (
	countEntries query = `SELECT COUNT(*) FROM (SELECT 1 FROM entries LIMIT $1) counted`
	insertEntry  query = `INSERT INTO entries (name, tenant_id, otherwise, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5)`
	lockEntry   query = `SELECT 1 FROM entries WHERE name = $1`
	selectEntry query = `SELECT name, tenant_id, otherwise, created_at, updated_at FROM entries WHERE name = $1`
	listEntries query = `SELECT name, tenant_id, otherwise, created_at, updated_at FROM entries ORDER BY name`
	updateEntry query = `UPDATE entries SET otherwise = $2, updated_at = $3 WHERE name = $1`
	deleteEntry query = `DELETE FROM entries WHERE name = $1`

	selectApplicationRoutes query = `SELECT routes FROM applications WHERE tenant_id = $1 AND id = $2`
	updateApplicationRoutes query = `UPDATE applications SET routes = $3, updated_at = $4
		WHERE tenant_id = $1 AND id = $2`
)

// CountEntries implements application.Tx.
func (t *Tx) CountEntries(ctx context.Context, most int) (int, error) {
	return t.countUpTo(ctx, countEntries, most)
}

// InsertEntry implements application.Tx.
func (t *Tx) InsertEntry(ctx context.Context, e application.Entry) error {
	err := t.exec(ctx, insertEntry, e.Name, e.Tenant, string(e.Otherwise), micros(e.CreatedAt), micros(e.UpdatedAt))
	if t.store.backend.Classify(err) == Duplicate {
		return fault.New(fault.Conflict,
			"The server has an entry of this `name`. Change that one, or use another name.")
	}
	return err
}

// LockEntry implements application.Tx.
func (t *Tx) LockEntry(ctx context.Context, name string) (application.Entry, error) {
	if err := t.lockRow(ctx, lockEntry, name); err != nil {
		return application.Entry{}, err
	}
	return scanEntry(t.row(ctx, selectEntry, name))
}

// UpdateEntry implements application.Tx.
func (t *Tx) UpdateEntry(ctx context.Context, e application.Entry) error {
	return t.runOne(ctx, updateEntry, e.Name, string(e.Otherwise), micros(e.UpdatedAt))
}

// DeleteEntry implements application.Tx.
func (t *Tx) DeleteEntry(ctx context.Context, name string) error {
	return t.runOne(ctx, deleteEntry, name)
}

// Entries implements application.Store.
func (s *Store) Entries(ctx context.Context) ([]application.Entry, error) {
	entries, err := collect(ctx, s.reading, listEntries, scanEntry)
	return entries, s.fault(err)
}

// RouteEntries returns the entries in the database, for the decisions about requests.
func (s *Store) RouteEntries(ctx context.Context) ([]route.Entry, error) {
	found, err := collect(ctx, s.verifying, listEntries, scanEntry)
	if err != nil {
		return nil, s.fault(err)
	}
	entries := make([]route.Entry, len(found))
	for i, e := range found {
		entries[i] = route.Entry{Name: e.Name, Tenant: e.Tenant, Otherwise: e.Otherwise}
	}
	return entries, nil
}

func scanEntry(row scanner) (e application.Entry, err error) {
	err = row.Scan(&e.Name, &e.Tenant, &e.Otherwise, nullTime{&e.CreatedAt}, nullTime{&e.UpdatedAt})
	return e, err
}

// ApplicationRoutes implements application.Tx.
func (t *Tx) ApplicationRoutes(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (string, error) {
	return scanRoutes(t.row(ctx, selectApplicationRoutes, tenant, id))
}

// SetApplicationRoutes implements application.Tx.
func (t *Tx) SetApplicationRoutes(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID, routes string,
	at time.Time,
) error {
	stored := sql.NullString{String: routes, Valid: routes != ""}
	return t.runOne(ctx, updateApplicationRoutes, tenant, id, stored, micros(at))
}

// ApplicationRoutes implements application.Store.
func (s *Store) ApplicationRoutes(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (string, error) {
	text, err := scanRoutes(s.reading.row(ctx, selectApplicationRoutes, tenant, id))
	return text, s.fault(err)
}

func scanRoutes(row scanner) (text string, err error) {
	err = row.Scan(nullString(&text))
	return text, err
}
