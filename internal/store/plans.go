package store

import (
	"context"
	"database/sql"
	"slices"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/scope"
)

const (
	planColumns = `tenant_id, name, all_applications, created_at, updated_at FROM plans`

	countPlans query = `SELECT COUNT(*) FROM (SELECT 1 FROM plans WHERE tenant_id = $1 LIMIT $2) counted`
	insertPlan query = `INSERT INTO plans (tenant_id, name, all_applications, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5)`
	lockPlan        query = `SELECT 1 FROM plans WHERE tenant_id = $1 AND name = $2`
	selectPlanRow   query = `SELECT ` + planColumns + ` WHERE tenant_id = $1 AND name = $2`
	listPlans       query = `SELECT ` + planColumns + ` WHERE tenant_id = $1 AND name > $2 ORDER BY name LIMIT $3`
	selectGrantsOf  query = `SELECT plan, scope, application_id FROM plan_grants WHERE tenant_id = $1 AND plan IN ($2…)`
	updatePlan      query = `UPDATE plans SET all_applications = $3, updated_at = $4 WHERE tenant_id = $1 AND name = $2`
	deletePlan      query = `DELETE FROM plans WHERE tenant_id = $1 AND name = $2`
	insertPlanScope query = `INSERT INTO plan_grants (tenant_id, plan, scope) VALUES ($1, $2, $3)`
	insertPlanApp   query = `INSERT INTO plan_grants (tenant_id, plan, application_id) VALUES ($1, $2, $3)`
	deletePlanGrant query = `DELETE FROM plan_grants WHERE tenant_id = $1 AND plan = $2`
	countSubjectsOn query = `SELECT COUNT(*)
		FROM (SELECT 1 FROM subjects WHERE tenant_id = $1 AND plan = $2 LIMIT $3) counted`
)

// CountPlans implements machine.PlanTx.
func (t *Tx) CountPlans(ctx context.Context, tenant ident.TenantID, most int) (int, error) {
	return t.countUpTo(ctx, countPlans, tenant, most)
}

// CountSubjectsOn implements machine.PlanTx. A deleted subject has no plan.
func (t *Tx) CountSubjectsOn(ctx context.Context, tenant ident.TenantID, plan string, most int) (int, error) {
	return t.countUpTo(ctx, countSubjectsOn, tenant, plan, most)
}

// CountSubjectsOn implements machine.SubjectStore.
func (s *Store) CountSubjectsOn(ctx context.Context, tenant ident.TenantID, plan string, most int) (n int, err error) {
	err = s.reading.row(ctx, countSubjectsOn, tenant, plan, most).Scan(&n)
	return n, s.fault(err)
}

// InsertPlan implements machine.PlanTx.
func (t *Tx) InsertPlan(ctx context.Context, p machine.Plan) error {
	err := t.exec(ctx, insertPlan, p.Tenant, p.Name, p.Applications.All, micros(p.CreatedAt), micros(p.UpdatedAt))
	if t.store.backend.Classify(err) == Duplicate {
		return fault.New(fault.Conflict, "The tenant has a plan of this `name`. Change that one, or use another name.")
	}
	if err != nil {
		return err
	}
	return t.insertPlanGrants(ctx, p)
}

// insertPlanGrants inserts the scopes and applications of a plan.
func (t *Tx) insertPlanGrants(ctx context.Context, p machine.Plan) error {
	for _, name := range p.Scopes {
		if err := t.exec(ctx, insertPlanScope, p.Tenant, p.Name, string(name)); err != nil {
			return err
		}
	}
	for _, id := range p.Applications.IDs {
		if err := t.exec(ctx, insertPlanApp, p.Tenant, p.Name, id); err != nil {
			return err
		}
	}
	return nil
}

// LockPlan implements machine.NewSubjectTx and machine.PlanTx.
func (t *Tx) LockPlan(ctx context.Context, tenant ident.TenantID, name string) (machine.Plan, error) {
	if err := t.lockRow(ctx, lockPlan, tenant, name); err != nil {
		return machine.Plan{}, err
	}
	p, err := readPlanRow(ctx, t, tenant, name)
	return p, t.store.fault(err)
}

// UpdatePlan implements machine.PlanTx.
func (t *Tx) UpdatePlan(ctx context.Context, p machine.Plan) error {
	err := t.runOne(ctx, updatePlan, p.Tenant, p.Name, p.Applications.All, micros(p.UpdatedAt))
	if err != nil {
		return err
	}
	if err := t.exec(ctx, deletePlanGrant, p.Tenant, p.Name); err != nil {
		return err
	}
	return t.insertPlanGrants(ctx, p)
}

// DeletePlan implements machine.PlanTx. The database deletes what the plan contains with it.
func (t *Tx) DeletePlan(ctx context.Context, tenant ident.TenantID, name string) error {
	return t.runOne(ctx, deletePlan, tenant, name)
}

// Plan implements machine.PlanStore.
func (s *Store) Plan(ctx context.Context, tenant ident.TenantID, name string) (machine.Plan, error) {
	p, err := readPlanRow(ctx, s.reading, tenant, name)
	return p, s.fault(err)
}

func readPlanRow(ctx context.Context, from querier, tenant ident.TenantID, name string) (machine.Plan, error) {
	p, err := scanPlan(from.row(ctx, selectPlanRow, tenant, name))
	if err != nil {
		return machine.Plan{}, err
	}
	plans := []machine.Plan{p}
	err = addPlanGrants(ctx, from, tenant, plans)
	return plans[0], err
}

// PlansOf implements machine.PlanStore.
func (s *Store) PlansOf(ctx context.Context, tenant ident.TenantID, page paging.Page) ([]machine.Plan, error) {
	plans, err := collect(ctx, s.reading, listPlans, scanPlan, tenant, page.BeforeID, pageLimit(page.Limit))
	if err == nil && len(plans) > 0 {
		err = addPlanGrants(ctx, s.reading, tenant, plans)
	}
	return plans, s.fault(err)
}

func scanPlan(row scanner) (p machine.Plan, err error) {
	err = row.Scan(&p.Tenant, &p.Name, &p.Applications.All, nullTime{&p.CreatedAt}, nullTime{&p.UpdatedAt})
	return p, err
}

// addPlanGrants adds scopes and applications to plans of a tenant.
func addPlanGrants(ctx context.Context, from querier, tenant ident.TenantID, plans []machine.Plan) error {
	place := make(map[string]*machine.Plan, len(plans))
	names := make([]string, len(plans))
	for i := range plans {
		names[i], place[plans[i].Name] = plans[i].Name, &plans[i]
	}
	q, args := expand(selectGrantsOf, 2, names, tenant)
	err := forEachRow(ctx, from, q, func(row *sql.Rows) error {
		var name, application string
		var granted scope.Scope
		if err := row.Scan(&name, nullString(&granted), nullString(&application)); err != nil {
			return err
		}
		addPlanGrant(&place[name].Plan, granted, application)
		return nil
	}, args...)
	for _, p := range place {
		p.Scopes = scope.NewSet(p.Scopes...)
		slices.Sort(p.Applications.IDs)
	}
	return err
}
