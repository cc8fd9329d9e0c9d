package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

const (
	lockAccount      query = `UPDATE accounts SET updated_at = updated_at WHERE id = $1`
	insertAccount    query = `INSERT INTO accounts (id, number, name, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)`
	upsertStanding   query = `INSERT INTO account_members (account_id, user_id, role, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (account_id, user_id) DO UPDATE SET role = excluded.role`
	insertPolicyRule query = `INSERT INTO policy_rules (account_id, serial, reason, days, since, until)
		SELECT CAST($1 AS TEXT), COALESCE(MAX(serial), 0) + 1, CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM policy_rules WHERE account_id = $1`
	selectPolicyRules query = `SELECT reason, days, since, until FROM policy_rules WHERE account_id = $1 ORDER BY serial`

	insertTenant       query = `INSERT INTO tenants (id, number, account_id, name, preset, settings, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`
	selectTenant       query = `SELECT id, number, account_id, name, preset, settings, disabled_at, created_at FROM tenants WHERE id = $1`
	selectTenantsOf    query = `SELECT id FROM tenants WHERE account_id = $1 ORDER BY id`
	selectAllSettings  query = `SELECT settings FROM tenants ORDER BY id`
	selectTenantRules  query = `SELECT t.id, t.account_id, t.settings, t.disabled_at, a.disabled_at FROM tenants t JOIN accounts a ON a.id = t.account_id WHERE t.id = $1`
	selectTenantScopes query = `SELECT s.name, s.description, r.role FROM scopes s JOIN scope_roles r ON r.tenant_id = s.tenant_id AND r.name = s.name
		WHERE s.tenant_id = $1 ORDER BY s.name, r.role`

	insertMember query = `INSERT INTO members (tenant_id, user_id, role, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)`
)

// InsertAccount implements tenancy.Tx.
func (t *Tx) InsertAccount(ctx context.Context, a tenancy.Account) (int64, error) {
	number, err := t.number(ctx, "account")
	if err != nil {
		return 0, err
	}
	return number, t.exec(ctx, insertAccount, a.ID, number, a.Name, micros(a.CreatedAt))
}

// LockAccount implements tenancy.Tx.
func (t *Tx) LockAccount(ctx context.Context, account ident.AccountID) error {
	return t.one(ctx, lockAccount, account)
}

// SetStanding implements tenancy.Tx.
func (t *Tx) SetStanding(ctx context.Context, account ident.AccountID, user ident.UserID, role scope.AccountRole, at time.Time) error {
	return t.exec(ctx, upsertStanding, account, user, role, micros(at))
}

// InsertPolicyRule implements tenancy.Tx.
func (t *Tx) InsertPolicyRule(ctx context.Context, account ident.AccountID, r policy.Rule) error {
	return t.exec(ctx, insertPolicyRule, account, string(r.Reason), r.Days, micros(r.Since), micros(r.Until))
}

// InsertTenant implements tenancy.Tx.
func (t *Tx) InsertTenant(ctx context.Context, n tenancy.Tenant) (int64, error) {
	settings, err := json.Marshal(n.Settings)
	if err != nil {
		return 0, err
	}
	number, err := t.number(ctx, "tenant")
	if err != nil {
		return 0, err
	}
	return number, t.exec(ctx, insertTenant, n.ID, number, n.Account, n.Name, string(n.Preset), string(settings), micros(n.CreatedAt))
}

// InsertMember implements tenancy.Tx.
func (t *Tx) InsertMember(ctx context.Context, m tenancy.Member) error {
	err := t.exec(ctx, insertMember, m.Tenant, m.User.ID, string(m.Role), micros(m.CreatedAt))
	if t.store.backend.Classify(err) == Duplicate {
		return fault.New(fault.Conflict, "This person is a member already.")
	}
	return err
}

// TenantsOf implements tenancy.Tx.
func (t *Tx) TenantsOf(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error) {
	return ids[ident.TenantID](ctx, t, selectTenantsOf, account)
}

// Tenant implements tenancy.Store.
func (s *Store) Tenant(ctx context.Context, id ident.TenantID) (tenancy.Tenant, error) {
	var t tenancy.Tenant
	var settings string
	err := s.reading.row(ctx, selectTenant, id).
		Scan(&t.ID, &t.Number, &t.Account, &t.Name, &t.Preset, &settings, set{&t.Disabled}, when{&t.CreatedAt})
	if err != nil {
		return tenancy.Tenant{}, s.fault(err)
	}
	t.Settings, err = parseSettings(settings)
	return t, err
}

// KeyHeaders lists the key headers of all tenants, for the one reader of credentials.
func (s *Store) KeyHeaders(ctx context.Context) (names []string, err error) {
	err = each(ctx, s.reading, selectAllSettings, func(row *sql.Rows) error {
		var stored string
		if err := row.Scan(&stored); err != nil {
			return err
		}
		settings, err := parseSettings(stored)
		if settings.KeyHeader != "" {
			names = append(names, settings.KeyHeader)
		}
		return err
	})
	return names, s.fault(err)
}

// TenantRules implements key.Store.
func (s *Store) TenantRules(ctx context.Context, id ident.TenantID) (policy.Tenant, error) {
	t, err := tenantRules(ctx, s.reading, id)
	return t, s.fault(err)
}

// TenantRules implements key.Tx.
func (t *Tx) TenantRules(ctx context.Context, id ident.TenantID) (policy.Tenant, error) {
	rules, err := tenantRules(ctx, t, id)
	return rules, t.store.fault(err)
}

func tenantRules(ctx context.Context, from reader, id ident.TenantID) (policy.Tenant, error) {
	var t policy.Tenant
	var stored string
	var tenantOff, accountOff bool
	err := from.row(ctx, selectTenantRules, id).Scan(&t.ID, &t.Account, &stored, set{&tenantOff}, set{&accountOff})
	if err != nil {
		return policy.Tenant{}, err
	}
	t.Open = !tenantOff && !accountOff
	if t.Settings, err = parseSettings(stored); err != nil {
		return policy.Tenant{}, err
	}
	if t.Catalogue, err = catalogue(ctx, from, id); err != nil {
		return policy.Tenant{}, err
	}
	err = each(ctx, from, selectPolicyRules, func(row *sql.Rows) error {
		var r policy.Rule
		err := row.Scan(&r.Reason, &r.Days, when{&r.Since}, when{&r.Until})
		t.Rules = append(t.Rules, r)
		return err
	}, t.Account)
	return t, err
}

func catalogue(ctx context.Context, from reader, id ident.TenantID) (scope.Catalogue, error) {
	var own []scope.Entry
	err := each(ctx, from, selectTenantScopes, func(row *sql.Rows) error {
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
	return scope.NewCatalogue(own), err
}

func parseSettings(stored string) (s policy.Settings, err error) {
	if err := json.Unmarshal([]byte(stored), &s); err != nil {
		return s, fmt.Errorf("stored settings of a tenant: %w", err)
	}
	return s, nil
}
