package tenancy

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// CreateApplication adds an application to a tenant.
func (s *Service) CreateApplication(ctx context.Context, who principal.Principal, t Tenant, name, description string) (Application, error) {
	name, faults := text.Name("name", name)
	description, more := text.Description("description", description)
	if err := fault.Refuse(append(faults, more...)...); err != nil {
		return Application{}, err
	}
	now := s.Now()
	a := Application{ID: ident.New[ident.ApplicationID](now, s.Rand), Tenant: t.ID, Name: name, Description: description, CreatedAt: now, UpdatedAt: now}
	err := s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		var err error
		a.Number, err = tx.InsertApplication(ctx, a)
		target := audit.Target{Type: "application", ID: string(a.ID), Name: a.Name}
		return audit.By(who, "application.create", target).In(t.ID, t.Account).OutdatesTenants(t.ID), err
	})
	return a, err
}

// Application gives one application of a tenant to whoever may see it; the way in has already judged scope and restriction of a key.
func (s *Service) Application(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.ApplicationID) (Application, error) {
	if _, err := s.visible(ctx, who, tenant); err != nil {
		return Application{}, err
	}
	return s.Store.Application(ctx, tenant, id)
}

// Applications lists the applications that the caller may see.
func (s *Service) Applications(ctx context.Context, who principal.Principal, tenant ident.TenantID, page Page) ([]Application, error) {
	within, err := s.visible(ctx, who, tenant)
	if err != nil {
		return nil, err
	}
	return s.Store.Applications(ctx, tenant, within, page)
}

// visible gives the applications of the tenant that the caller may see; a tenant that is not theirs is fault.NotFound.
func (s *Service) visible(ctx context.Context, who principal.Principal, tenant ident.TenantID) (scope.Applications, error) {
	if k, ok := who.Key(); ok {
		if k.Tenant != tenant {
			return scope.Applications{}, fault.NotFound
		}
		return k.Applications, nil
	}
	t, err := s.Store.Tenant(ctx, tenant)
	if err != nil {
		return scope.Applications{}, err
	}
	if who.RoleIn(t.ID, t.Account) == "" {
		return scope.Applications{}, fault.NotFound
	}
	return scope.Applications{All: true}, nil
}
