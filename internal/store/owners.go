package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

const (
	lockServiceAccount query = `SELECT 1 FROM service_accounts WHERE tenant_id = $1 AND id = $2`
	lockSubject        query = `SELECT 1 FROM subjects WHERE tenant_id = $1 AND id = $2`

	selectServiceAccountOwner query = `SELECT name, role, disabled_at, deleted_at FROM service_accounts
		WHERE tenant_id = $1 AND id = $2`
	selectSubjectOwner query = `SELECT name, external_id, plan, disabled_at, deleted_at FROM subjects
		WHERE tenant_id = $1 AND id = $2`
	selectPlan query = `SELECT p.all_applications, g.scope, g.application_id FROM plans p
		LEFT JOIN plan_grants g ON g.tenant_id = p.tenant_id AND g.plan = p.name
		WHERE p.tenant_id = $1 AND p.name = $2`
	selectPlans query = `SELECT p.name, p.all_applications, g.scope, g.application_id FROM plans p
		LEFT JOIN plan_grants g ON g.tenant_id = p.tenant_id AND g.plan = p.name
		WHERE p.tenant_id = $1`
	// selectStewards leaves out stewards who are not active members of the tenant.
	selectStewards query = `SELECT s.service_account_id, s.user_id FROM service_account_stewards s
		CROSS JOIN service_accounts sa CROSS JOIN members m CROSS JOIN users u
		WHERE s.service_account_id IN ($1…) AND sa.id = s.service_account_id AND m.tenant_id = sa.tenant_id
		AND m.user_id = s.user_id AND m.disabled_at IS NULL AND u.id = s.user_id AND u.disabled_at IS NULL
		ORDER BY s.user_id`
)

// Owner implements key.AuthorityTx.
func (t *Tx) Owner(ctx context.Context, tenant ident.TenantID, id ident.PartyID) (o key.Owner, err error) {
	o.ID = id
	lock, read := lockServiceAccount, t.readServiceAccountOwner
	if id.Type() == ident.SubjectParty {
		lock, read = lockSubject, t.readSubjectOwner
	}
	if err := t.lockRows(ctx, lock, tenant, id); err != nil {
		return o, err
	}
	if err := read(ctx, tenant, &o); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return o, err
	}
	return o, nil
}

func (t *Tx) readServiceAccountOwner(ctx context.Context, tenant ident.TenantID, o *key.Owner) error {
	var disabled, deleted bool
	err := t.row(ctx, selectServiceAccountOwner, tenant, o.ID).Scan(nullString(&o.Name),
		&o.Rights.Role, isSet{&disabled}, isSet{&deleted})
	if err != nil {
		return err
	}
	o.Exists = !deleted
	o.Active = o.Exists && !disabled
	return nil
}

func (t *Tx) readSubjectOwner(ctx context.Context, tenant ident.TenantID, o *key.Owner) error {
	var disabled, deleted bool
	var plan string
	err := t.row(ctx, selectSubjectOwner, tenant, o.ID).
		Scan(nullString(&o.Name), nullString(&o.ExternalID), nullString(&plan), isSet{&disabled}, isSet{&deleted})
	if err != nil {
		return err
	}
	o.Exists = !deleted
	o.Active = o.Exists && !disabled
	o.Rights.Subject = true
	if plan == "" {
		return nil
	}
	o.Rights.Plan, err = readPlan(ctx, t, tenant, plan)
	return err
}

// readPlans reads all plans of a tenant.
func readPlans(ctx context.Context, from querier, tenant ident.TenantID) (map[string]*policy.Plan, error) {
	plans := map[string]*policy.Plan{}
	err := forEachRow(ctx, from, selectPlans, func(row *sql.Rows) error {
		var name, application string
		var all bool
		var granted scope.Scope
		if err := row.Scan(&name, &all, nullString(&granted), nullString(&application)); err != nil {
			return err
		}
		p := plans[name]
		if p == nil {
			p = &policy.Plan{Name: name}
			plans[name] = p
		}
		p.Applications.All = all
		addPlanGrant(p, granted, application)
		return nil
	}, tenant)
	for _, p := range plans {
		p.Scopes = scope.NewSet(p.Scopes...)
	}
	return plans, err
}

// addPlanGrant adds a scope or an application to a plan. Both are empty where the plan has no
// grants.
func addPlanGrant(p *policy.Plan, granted scope.Scope, application string) {
	switch {
	case granted != "":
		p.Scopes = append(p.Scopes, granted)
	case application != "":
		p.Applications.IDs = append(p.Applications.IDs, application)
	}
}

// readPlan reads a plan that exists.
func readPlan(ctx context.Context, from querier, tenant ident.TenantID, name string) (*policy.Plan, error) {
	p := &policy.Plan{Name: name}
	err := forEachRow(ctx, from, selectPlan, func(row *sql.Rows) error {
		var granted scope.Scope
		var application string
		if err := row.Scan(&p.Applications.All, nullString(&granted), nullString(&application)); err != nil {
			return err
		}
		addPlanGrant(p, granted, application)
		return nil
	}, tenant, name)
	p.Scopes = scope.NewSet(p.Scopes...)
	return p, err
}

// addStewards adds the stewards of the service accounts that own keys.
func addStewards(ctx context.Context, from querier, keys []key.Key) error {
	owners := map[ident.PartyID][]ident.UserID{}
	var accounts []ident.PartyID
	for _, k := range keys {
		if _, known := owners[k.Owner.ID]; !known && k.Owner.Type() == ident.ServiceAccountParty {
			owners[k.Owner.ID] = nil
			accounts = append(accounts, k.Owner.ID)
		}
	}
	if len(accounts) == 0 {
		return nil
	}
	q, args := expand(selectStewards, 1, accounts)
	err := forEachRow(ctx, from, q, func(row *sql.Rows) error {
		var account ident.PartyID
		var steward ident.UserID
		if err := row.Scan(&account, &steward); err != nil {
			return err
		}
		owners[account] = append(owners[account], steward)
		return nil
	}, args...)
	for i := range keys {
		keys[i].Stewards = owners[keys[i].Owner.ID]
	}
	return err
}
