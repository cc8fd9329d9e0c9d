package tenancy

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Trail names the records of one tenant, or of an account with all its tenants.
type Trail struct {
	Tenant  ident.TenantID
	Account ident.AccountID
}

// TrailEvent is a record with the place of its change among all changes.
type TrailEvent struct {
	audit.Event
	Number int64
}

// TenantTrail lists the audit trail of a tenant, newest first, for whoever may read it: the way in has judged scope and role.
func (s *Service) TenantTrail(ctx context.Context, who principal.Principal, tenant ident.TenantID, before int64, limit int) ([]TrailEvent, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return nil, err
	}
	return s.Store.Events(ctx, Trail{Tenant: tenant}, before, limit)
}

// AccountTrail lists the audit trail of an account and its tenants, newest first, for the owners and admins of the account.
func (s *Service) AccountTrail(ctx context.Context, who principal.Principal, account ident.AccountID, before int64, limit int) ([]TrailEvent, error) {
	if err := s.seesAll(who, account); err != nil {
		return nil, err
	}
	return s.Store.Events(ctx, Trail{Account: account}, before, limit)
}
