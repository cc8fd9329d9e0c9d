// Package application holds the protected APIs of tenants.
//
// A key is allowed in all applications of its tenant, or restricted to some of them
// (scope.Applications). A disabled application is forbidden to every key. Who may do what:
//
//	operator, and owners and admins of the account   everything
//	tenant admin                                     everything
//	tenant member, auditor                           lists and sees applications
//	key                                              what its scopes and its restriction allow
//
// An application has route rules (routes.go), by which requests of reverse proxies are decided. The
// operator binds entries, through which they ask, to tenants (entries.go).
//
// Changes are decided inside the transaction that makes them, by [tenancy.Service.Authorize]. Reads
// are for everybody who sees the tenant; the entry point has checked scope and restriction of a
// key.
package application

import (
	"context"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/text"
)

// Application is a protected API of a tenant.
type Application struct {
	ID                   ident.ApplicationID
	Number               int64
	Tenant               ident.TenantID
	Name                 string
	Description          string
	Disabled             bool
	CreatedAt, UpdatedAt time.Time
}

// Store is what this package reads outside transactions.
type Store interface {
	Application(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (Application, error)
	// Applications lists the applications within the restriction.
	Applications(ctx context.Context, tenant ident.TenantID, within scope.Applications,
		page paging.Page) ([]Application, error)
	// ApplicationRoutes returns the route rules of an application as they are stored.
	ApplicationRoutes(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (string, error)
	// Entries lists all entries by name.
	Entries(ctx context.Context) ([]Entry, error)
}

// Tx is what this package reads and changes in a transaction. The order of locks is documented in
// internal/store/locks.go.
type Tx interface {
	tenancy.LockTx
	tenancy.KeyRightTx
	// CountApplications counts up to most.
	CountApplications(ctx context.Context, tenant ident.TenantID, most int) (int, error)
	InsertApplication(ctx context.Context, a Application) (number int64, err error)
	// LockApplication reads an application and locks it.
	LockApplication(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (Application, error)
	UpdateApplication(ctx context.Context, a Application) error
	// DeleteApplication also removes the application from the keys and plans that are restricted to
	// it.
	DeleteApplication(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) error
	// CountPlans counts the plans of the tenant, up to most.
	CountPlans(ctx context.Context, tenant ident.TenantID, most int) (int, error)
	// RequireUpgrade fails with fault.Conflict until the upgrade of the database is finished.
	RequireUpgrade(ctx context.Context) error
	// ApplicationRoutes returns the route rules of an application as they are stored.
	ApplicationRoutes(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (string, error)
	SetApplicationRoutes(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID, routes string,
		at time.Time) error
	// CountEntries counts up to most.
	CountEntries(ctx context.Context, most int) (int, error)
	// InsertEntry fails with fault.Conflict for a name that is taken.
	InsertEntry(ctx context.Context, e Entry) error
	// LockEntry reads an entry and locks it.
	LockEntry(ctx context.Context, name string) (Entry, error)
	UpdateEntry(ctx context.Context, e Entry) error
	DeleteEntry(ctx context.Context, name string) error
}

// Service reads and changes applications.
type Service struct {
	Ledger  audit.Ledger[Tx]
	Store   Store
	Tenants *tenancy.Service
	Now     func() time.Time
	Rand    io.Reader
}

// CreateApplication adds an application to a tenant. A key may do this only where it is allowed in
// all applications.
func (s *Service) CreateApplication(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	name, description string,
) (Application, error) {
	name, faults := text.Name("name", name)
	description, more := text.Description("description", description)
	if err := fault.Refuse(append(faults, more...)...); err != nil {
		return Application{}, err
	}
	now := s.Now()
	a := Application{
		ID: ident.New[ident.ApplicationID](now, s.Rand), Tenant: tenant, Name: name,
		Description: description, CreatedAt: now, UpdatedAt: now,
	}
	err := s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t tenancy.Tenant) (audit.Event, error) {
		err := s.Tenants.Authorize(ctx, tx, who, t, scope.ApplicationsCreate, "")
		if err == nil {
			err = checkLimit(ctx, tx, tenant)
		}
		if err != nil {
			return audit.Event{}, err
		}
		a.Number, err = tx.InsertApplication(ctx, a)
		return a.event(who, audit.ActionApplicationCreate).InvalidatesTenants(tenant), err
	})
	return a, err
}

// inTenant runs a change with the tenant locked, and records its event there.
func (s *Service) inTenant(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	change func(context.Context, Tx, tenancy.Tenant) (audit.Event, error),
) error {
	return tenancy.InTenant(ctx, s.Ledger, who, tenant, change)
}

// MaxPerTenant bounds the applications of a tenant.
const MaxPerTenant = 1_000

// checkLimit refuses an application more than a tenant may have. The tenant is locked.
func checkLimit(ctx context.Context, tx Tx, tenant ident.TenantID) error {
	n, err := tx.CountApplications(ctx, tenant, MaxPerTenant)
	return account.CheckLimit(n, err, MaxPerTenant, "This tenant has %d of %d applications.", "Delete one first.")
}

// event records what happened to the application.
func (a Application) event(who principal.Principal, action audit.Action) audit.Event {
	return audit.By(who, action, audit.Target{Type: "application", ID: string(a.ID), Name: a.Name})
}

// effect returns an effect on the application.
func (a Application) effect(kind audit.EffectKind) audit.Effect {
	return audit.Effect{Kind: kind, Tenant: a.Tenant, Application: a.ID}
}

// stateEffect is the effect of having disabled the application, or enabled it.
func (a Application) stateEffect() audit.Effect {
	if a.Disabled {
		return a.effect(audit.EffectApplicationDisabled)
	}
	return a.effect(audit.EffectApplicationEnabled)
}

// Change is a change of an application. What is nil stays as it is.
type Change struct {
	// Expected is the version that the application must have; "" for any.
	Expected    etag.Tag
	Name        *string
	Description *string
	Disabled    *bool
}

// Version returns the version of what a change can set in the application.
func (a Application) Version() etag.Tag { return etag.Of(a.Name, a.Description, a.Disabled) }

// normalize cleans the texts and returns what is wrong with them.
func (c *Change) normalize() (faults []fault.Field) {
	if c.Name != nil {
		name, more := text.Name("name", *c.Name)
		c.Name, faults = &name, more
	}
	if c.Description != nil {
		description, more := text.Description("description", *c.Description)
		c.Description, faults = &description, append(faults, more...)
	}
	return faults
}

// apply returns the application with the change made.
func (c Change) apply(a Application) Application {
	if c.Name != nil {
		a.Name = *c.Name
	}
	if c.Description != nil {
		a.Description = *c.Description
	}
	if c.Disabled != nil {
		a.Disabled = *c.Disabled
	}
	return a
}

// ChangeApplication changes an application. Once it returns, a disabled one is forbidden to every
// key. With [etag.ErrChanged] it also returns the application as it is.
func (s *Service) ChangeApplication(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ApplicationID, c Change,
) (a Application, err error) {
	if err := fault.Refuse(c.normalize()...); err != nil {
		return Application{}, err
	}
	err = s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t tenancy.Tenant) (audit.Event, error) {
		before, err := s.authorized(ctx, tx, who, t, scope.ApplicationsUpdate, id)
		if err != nil {
			return audit.Event{}, err
		}
		a = before
		if err := c.Expected.Check(a.Version()); err != nil {
			return audit.Event{}, err
		}
		a = c.apply(a)
		e := a.event(who, audit.ActionApplicationEdit).With("status", tenancy.Status(a.Disabled))
		if c.Disabled != nil { // no decision reads name and description
			e = e.InvalidatesTenants(tenant)
		}
		if a == before {
			return e, audit.ErrNothing
		}
		if a.Disabled != before.Disabled {
			e = e.WithEffects(a.stateEffect())
		}
		a.UpdatedAt = s.Now()
		return e, tx.UpdateApplication(ctx, a)
	})
	return a, err
}

// DeleteApplication deletes an application, and removes it from the keys and plans that are
// restricted to it. A key left with no application is allowed in none.
func (s *Service) DeleteApplication(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ApplicationID,
) error {
	return s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t tenancy.Tenant) (audit.Event, error) {
		a, err := s.authorized(ctx, tx, who, t, scope.ApplicationsDelete, id)
		if err != nil {
			return audit.Event{}, err
		}
		e := a.event(who, audit.ActionApplicationDelete).WithEffects(a.effect(audit.EffectApplicationDeleted)).
			InvalidatesTenants(tenant)
		// Nodes of the version before, which know no plans, may run as long as there are none.
		plans, err := tx.CountPlans(ctx, tenant, 1)
		if err != nil {
			return audit.Event{}, err
		}
		if plans > 0 {
			e = e.InvalidatesPlans(tenant)
		}
		return e, tx.DeleteApplication(ctx, tenant, id)
	})
}

// authorized locks an application for a caller who may do with it what the scope names. A key may
// do nothing with a disabled one, and so cannot enable it again.
func (s *Service) authorized(ctx context.Context, tx Tx, who principal.Principal, t tenancy.Tenant, name scope.Scope,
	id ident.ApplicationID,
) (Application, error) {
	if err := s.Tenants.Authorize(ctx, tx, who, t, name, id); err != nil {
		return Application{}, err
	}
	a, err := tx.LockApplication(ctx, t.ID, id)
	if err != nil || who.Kind() != principal.KindKey {
		return a, err
	}
	if refused := policy.RequireActiveApplication(true, a.Disabled); refused != "" {
		return Application{}, refused
	}
	return a, nil
}

// Application returns an application of a tenant to a caller who sees the tenant. The entry point
// has checked scope and restriction of a key.
func (s *Service) Application(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.ApplicationID,
) (Application, error) {
	if _, err := s.Tenants.Tenant(ctx, who, tenant); err != nil {
		return Application{}, err
	}
	return s.Store.Application(ctx, tenant, id)
}

// Applications lists the applications of a tenant to a caller who sees the tenant; to a key, those
// that it is restricted to.
func (s *Service) Applications(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	page paging.Page,
) ([]Application, error) {
	if _, err := s.Tenants.Tenant(ctx, who, tenant); err != nil {
		return nil, err
	}
	within := scope.Applications{All: true}
	if k, ok := who.Key(); ok {
		within = k.Applications
	}
	return s.Store.Applications(ctx, tenant, within, page)
}
