package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// tenantColumns are scanned by scanTenant, in this order.
const tenantColumns = `t.id, t.number, t.account_id, t.name, t.preset, t.settings, t.idle_since, t.disabled_at,
	t.created_at, t.updated_at`

const (
	countTenants query = `SELECT COUNT(*) FROM (SELECT 1 FROM tenants WHERE account_id = $1 LIMIT $2) counted`
	insertTenant query = `INSERT INTO tenants (id, number, account_id, name, preset, settings, created_at,
		updated_at, idle_since) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	updateTenant query = `UPDATE tenants
		SET name = $2, settings = $3, disabled_at = $4, updated_at = $5, idle_since = $6 WHERE id = $1`
	lockTenant       query = `SELECT 1 FROM tenants WHERE id = $1`
	lockTenants      query = `SELECT 1 FROM tenants WHERE account_id = $1 ORDER BY id`
	selectTenant     query = `SELECT ` + tenantColumns + ` FROM tenants t WHERE t.id = $1`
	listTenantsNamed query = `SELECT ` + tenantColumns + ` FROM tenants t WHERE t.name = $1 ORDER BY t.id LIMIT $2`
	// Disabled accounts, tenants and memberships are left out, but account members also see
	// disabled tenants.
	listTenantsFor query = `SELECT ` + tenantColumns + `, a.name
		FROM tenants t JOIN accounts a ON a.id = t.account_id WHERE (t.created_at, t.id) < ($1, $2)
			AND a.disabled_at IS NULL
		AND t.id IN (SELECT o.id FROM account_members am JOIN tenants o ON o.account_id = am.account_id
		WHERE am.user_id = $4
			UNION ALL SELECT o.id FROM members m JOIN tenants o ON o.id = m.tenant_id AND o.disabled_at IS NULL
			WHERE m.user_id = $4 AND m.disabled_at IS NULL)
		AND t.account_id NOT IN ($5…) ORDER BY t.created_at DESC, t.id DESC LIMIT $3`
	selectTenantsOf  query = `SELECT id FROM tenants WHERE account_id = $1 ORDER BY id`
	selectAllHeaders query = `SELECT id, settings, (SELECT value FROM counters WHERE name = 'change')
		FROM tenants ORDER BY id`
	selectHeadersOf   query = `SELECT id, settings, 0 FROM tenants WHERE account_id = $1 ORDER BY id`
	selectTenantRules query = `SELECT t.id, t.number, t.account_id, t.settings, t.idle_since, t.disabled_at,
		a.disabled_at FROM tenants t JOIN accounts a ON a.id = t.account_id WHERE t.id = $1`
	selectTenantScopes query = `SELECT s.name, s.description, r.role FROM scopes s CROSS JOIN scope_roles r
		WHERE s.tenant_id = $1 AND r.tenant_id = s.tenant_id AND r.name = s.name ORDER BY s.name, r.role`
	deleteScopes    query = `DELETE FROM scopes WHERE tenant_id = $1`
	insertScope     query = `INSERT INTO scopes (tenant_id, name, description) VALUES ($1, $2, $3)`
	insertScopeRole query = `INSERT INTO scope_roles (tenant_id, name, role) VALUES ($1, $2, $3)`
)

// CountTenants implements tenancy.TenantTx.
func (t *Tx) CountTenants(ctx context.Context, account ident.AccountID, most int) (int, error) {
	return t.countUpTo(ctx, countTenants, account, most)
}

// InsertTenant implements tenancy.FoundTx.
func (t *Tx) InsertTenant(ctx context.Context, n tenancy.Tenant) (int64, error) {
	settings, err := json.Marshal(n.Settings)
	if err != nil {
		return 0, err
	}
	number, err := t.nextNumber(ctx, "tenant")
	if err != nil {
		return 0, err
	}
	return number,
		t.exec(ctx, insertTenant, n.ID, number, n.Account, n.Name, string(n.Preset), string(settings),
			micros(n.CreatedAt), micros(n.UpdatedAt), micros(n.IdleSince))
}

// UpdateTenant implements tenancy.TenantTx.
func (t *Tx) UpdateTenant(ctx context.Context, n tenancy.Tenant) error {
	settings, err := json.Marshal(n.Settings)
	if err != nil {
		return err
	}
	return t.runOne(ctx, updateTenant, n.ID, n.Name, string(settings), timeIf(n.Disabled, n.UpdatedAt),
		micros(n.UpdatedAt),
		micros(n.IdleSince))
}

// LockTenant implements tenancy.LockTx.
func (t *Tx) LockTenant(ctx context.Context, id ident.TenantID) (tenancy.Tenant, error) {
	if err := t.lockRow(ctx, lockTenant, id); err != nil {
		return tenancy.Tenant{}, err
	}
	return scanTenant(t.row(ctx, selectTenant, id))
}

// LockTenantsOf implements account.Tx.
func (t *Tx) LockTenantsOf(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error) {
	if err := t.lockRows(ctx, lockTenants, account); err != nil {
		return nil, err
	}
	return ids[ident.TenantID](ctx, t, selectTenantsOf, account)
}

// ReplaceScopes implements tenancy.TenantTx.
func (t *Tx) ReplaceScopes(ctx context.Context, tenant ident.TenantID, own []scope.Entry) error {
	if err := t.exec(ctx, deleteScopes, tenant); err != nil {
		return err
	}
	for _, e := range own {
		if err := t.exec(ctx, insertScope, tenant, string(e.Name), e.Description); err != nil {
			return err
		}
		for _, role := range e.Roles {
			if err := t.exec(ctx, insertScopeRole, tenant, string(e.Name), string(role)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Tenant implements tenancy.Store.
func (s *Store) Tenant(ctx context.Context, id ident.TenantID) (tenancy.Tenant, error) {
	t, err := scanTenant(s.reading.row(ctx, selectTenant, id))
	return t, s.fault(err)
}

// TenantsNamed implements tenancy.Store.
func (s *Store) TenantsNamed(ctx context.Context, name string, most int) (list []tenancy.Tenant, err error) {
	list, err = collect(ctx, s.reading, listTenantsNamed, scanTenant, name, most)
	return list, s.fault(err)
}

// TenantsFor implements tenancy.Store.
func (s *Store) TenantsFor(
	ctx context.Context, user ident.UserID, ended []ident.AccountID, page paging.Page,
) (list []tenancy.Tenant, err error) {
	q, args := expand(listTenantsFor, 5, nonEmptyList(ended),
		append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), user)...)
	list, err = collect(ctx, s.reading, q, scanTenantInAccount, args...)
	return list, s.fault(err)
}

func scanTenant(row scanner) (t tenancy.Tenant, err error) { return scanTenantAnd(row) }

// scanTenantInAccount scans a tenant and the name of its account.
func scanTenantInAccount(row scanner) (t tenancy.Tenant, err error) {
	var name string
	t, err = scanTenantAnd(row, &name)
	if err != nil {
		return tenancy.Tenant{}, err
	}
	t.AccountName = name
	return t, nil
}

func scanTenantAnd(row scanner, more ...any) (t tenancy.Tenant, err error) {
	var settings string
	err = row.Scan(append([]any{
		&t.ID, &t.Number, &t.Account, &t.Name, &t.Preset, &settings,
		nullTime{&t.IdleSince},
		isSet{&t.Disabled},
		nullTime{&t.CreatedAt},
		nullTime{&t.UpdatedAt},
	}, more...)...)
	if err != nil {
		return tenancy.Tenant{}, err
	}
	t.Settings, err = parseSettings(settings)
	return t, err
}

// Catalogue implements tenancy.Store.
func (s *Store) Catalogue(ctx context.Context, tenant ident.TenantID) (scope.Catalogue, error) {
	rules, err := tenantRules(ctx, s.reading, tenant)
	return rules.Catalogue, s.fault(err)
}

// KeyHeaders lists the key headers of all tenants, for the reader of credentials. Their version is
// the number of the newest change, read at the same moment.
func (s *Store) KeyHeaders(ctx context.Context) ([]audit.KeyHeader, error) {
	list, err := keyHeaders(ctx, s.reading, selectAllHeaders)
	return list, s.fault(err)
}

// KeyHeadersOf implements tenancy.TenantTx.
func (t *Tx) KeyHeadersOf(ctx context.Context, account ident.AccountID) ([]audit.KeyHeader, error) {
	list, err := keyHeaders(ctx, t, selectHeadersOf, account)
	return list, t.store.fault(err)
}

func keyHeaders(ctx context.Context, from querier, q query, args ...any) (list []audit.KeyHeader, err error) {
	err = forEachRow(ctx, from, q, func(row *sql.Rows) error {
		var t tenancy.Tenant
		var stored string
		var version int64
		if err := row.Scan(&t.ID, &stored, &version); err != nil {
			return err
		}
		t.Settings, err = parseSettings(stored)
		if err != nil {
			return err
		}
		header := t.KeyHeader()
		header.Version = version
		list = append(list, header)
		return nil
	}, args...)
	return list, err
}

// TenantRules implements key.TenantReader.
func (s *Store) TenantRules(ctx context.Context, id ident.TenantID) (policy.Tenant, error) {
	t, err := tenantRules(ctx, s.reading, id)
	return t, s.fault(err)
}

// TenantRules implements key.TenantReader.
func (t *Tx) TenantRules(ctx context.Context, id ident.TenantID) (policy.Tenant, error) {
	rules, err := tenantRules(ctx, t, id)
	return rules, t.store.fault(err)
}

func tenantRules(ctx context.Context, from querier, id ident.TenantID) (policy.Tenant, error) {
	var t policy.Tenant
	var stored string
	var tenantOff, accountOff bool
	err := from.row(ctx, selectTenantRules, id).Scan(&t.ID, &t.Number, &t.Account, &stored, nullTime{&t.IdleSince},
		isSet{&tenantOff},
		isSet{&accountOff})
	if err != nil {
		return policy.Tenant{}, err
	}
	t.Active, t.AccountDisabled = !tenantOff && !accountOff, accountOff
	t.Settings, err = parseSettings(stored)
	if err != nil {
		return policy.Tenant{}, err
	}
	own, err := ownScopes(ctx, from, id)
	if err != nil {
		return policy.Tenant{}, err
	}
	t.Catalogue = t.Settings.Catalogue(own)
	t.Rules, err = policyRules(ctx, from, t.Account)
	return t, err
}

// ownScopes returns the scopes that the tenant added to its catalogue.
func ownScopes(ctx context.Context, from querier, id ident.TenantID) (own []scope.Entry, err error) {
	err = forEachRow(ctx, from, selectTenantScopes, func(row *sql.Rows) error {
		var e scope.Entry
		var role scope.Role
		if err := row.Scan(&e.Name, &e.Description, &role); err != nil {
			return err
		}
		if last := len(own) - 1; last >= 0 && own[last].Name == e.Name {
			own[last].Roles = append(own[last].Roles, role)
			return nil
		}
		e.Roles = []scope.Role{role}
		own = append(own, e)
		return nil
	}, id)
	return own, err
}

func parseSettings(stored string) (s policy.Settings, err error) {
	if err := json.Unmarshal([]byte(stored), &s); err != nil {
		return s, fmt.Errorf("stored settings of a tenant: %w", err)
	}
	return s, nil
}
