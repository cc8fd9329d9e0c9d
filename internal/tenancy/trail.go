package tenancy

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// TenantTrail lists the audit events of a tenant, newest first, for everybody who sees the tenant.
// The entry point has checked the caller's scope or role.
func (s *Service) TenantTrail(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	f audit.TrailFilter, page audit.TrailPage,
) (audit.TrailPart, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return audit.TrailPart{}, err
	}
	return audit.ReadTrail(ctx, s.Store, audit.Trail{Tenant: tenant}, f, page)
}
