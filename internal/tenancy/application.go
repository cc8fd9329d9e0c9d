package tenancy

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// CreateApplication adds an application to a tenant; a key needs access to all applications for it.
func (s *Service) CreateApplication(ctx context.Context, who principal.Principal, tenant ident.TenantID, name, description string) (Application, error) {
	name, faults := text.Name("name", name)
	description, more := text.Description("description", description)
	if err := fault.Refuse(append(faults, more...)...); err != nil {
		return Application{}, err
	}
	now := s.Now()
	a := Application{ID: ident.New[ident.ApplicationID](now, s.Rand), Tenant: tenant, Name: name, Description: description, CreatedAt: now, UpdatedAt: now}
	err := s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t Tenant) (audit.Event, error) {
		err := s.may(ctx, tx, who, t, scope.ApplicationsCreate, "")
		if err != nil {
			return audit.Event{}, err
		}
		a.Number, err = tx.InsertApplication(ctx, a)
		return a.event(who, audit.ActionApplicationCreate), err
	})
	return a, err
}

func (a Application) event(who principal.Principal, action audit.Action) audit.Event {
	return audit.By(who, action, audit.Target{Type: "application", ID: string(a.ID), Name: a.Name}).OutdatesTenants(a.Tenant)
}

// ApplicationChange is what may be changed of an application; nil keeps what is there.
type ApplicationChange struct {
	Name        *string
	Description *string
	Disabled    *bool
}

// normalise cleans the texts and says what is wrong with them.
func (c *ApplicationChange) normalise() (faults []fault.Field) {
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

func (c ApplicationChange) to(a Application) Application {
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

// ChangeApplication changes an application; a disabled one is forbidden to every key.
func (s *Service) ChangeApplication(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.ApplicationID, c ApplicationChange) (a Application, err error) {
	if err := fault.Refuse(c.normalise()...); err != nil {
		return Application{}, err
	}
	err = s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t Tenant) (audit.Event, error) {
		before, err := s.application(ctx, tx, who, t, scope.ApplicationsUpdate, id)
		if err != nil {
			return audit.Event{}, err
		}
		a = c.to(before)
		e := a.event(who, audit.ActionApplicationEdit).With("status", state(a.Disabled))
		if a == before {
			return e, audit.ErrNothing
		}
		a.UpdatedAt = s.Now()
		return e, tx.UpdateApplication(ctx, a)
	})
	return a, err
}

// DeleteApplication removes an application and takes it from the keys restricted to it: a key left with none reaches none.
func (s *Service) DeleteApplication(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.ApplicationID) error {
	return s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, t Tenant) (audit.Event, error) {
		a, err := s.application(ctx, tx, who, t, scope.ApplicationsDelete, id)
		if err != nil {
			return audit.Event{}, err
		}
		return a.event(who, audit.ActionApplicationDelete), tx.DeleteApplication(ctx, tenant, id)
	})
}

// application locks one for whoever may do to it what the scope names. A disabled one is forbidden to every key: none enables it again.
func (s *Service) application(ctx context.Context, tx Tx, who principal.Principal, t Tenant, name scope.Scope, id ident.ApplicationID) (Application, error) {
	if err := s.may(ctx, tx, who, t, name, id); err != nil {
		return Application{}, err
	}
	a, err := tx.LockApplication(ctx, t.ID, id)
	if err != nil || who.Kind() != principal.ByKey {
		return a, err
	}
	if refused := policy.RequireApplication(true, a.Disabled); refused != "" {
		return Application{}, refused
	}
	return a, nil
}

// Application gives one application of a tenant to whoever may see it; the way in has already judged scope and restriction of a key.
func (s *Service) Application(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.ApplicationID) (Application, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return Application{}, err
	}
	return s.Store.Application(ctx, tenant, id)
}

// Applications lists the applications that the caller may see.
func (s *Service) Applications(ctx context.Context, who principal.Principal, tenant ident.TenantID, page Page) ([]Application, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return nil, err
	}
	within := scope.Applications{All: true}
	if k, ok := who.Key(); ok {
		within = k.Applications
	}
	return s.Store.Applications(ctx, tenant, within, page)
}
