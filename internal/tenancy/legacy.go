package tenancy

import (
	"context"
	"strconv"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// AllowPassword says whether people may come to the API of a tenant with e-mail address and password, too. It is the operator's, and for tenants that are old enough; any tenant can be closed again.
func (s *Service) AllowPassword(ctx context.Context, who principal.Principal, id ident.TenantID, allowed bool) (t Tenant, err error) {
	if who.Kind() != principal.ByOS {
		return Tenant{}, fault.Forbidden
	}
	err = s.inTenant(ctx, who, id, func(ctx context.Context, tx Tx, now Tenant) (audit.Event, error) {
		if t = now; allowed {
			if err := s.legacy(t); err != nil {
				return audit.Event{}, err
			}
		}
		e := audit.By(who, audit.ActionTenantEdit, t.target()).With("changed", "legacy_password").With("legacy_password", strconv.FormatBool(allowed)).OutdatesTenants(id)
		if t.Settings.LegacyPassword == allowed {
			return e, audit.ErrNothing
		}
		t.Settings.LegacyPassword = allowed
		t.touch(s.Now())
		return e, tx.UpdateTenant(ctx, t)
	})
	return t, err
}

// legacy refuses a tenant that is too young.
func (s *Service) legacy(t Tenant) error {
	switch {
	case s.LegacyBefore.IsZero():
		return fault.New(fault.Conflict, "No tenant is old enough: the setting legacy_password_before says since when tenants are new, and has no value.")
	case !t.CreatedAt.Before(s.LegacyBefore):
		return fault.New(fault.Conflict, "The tenant was made on or after the day that the setting legacy_password_before names.")
	}
	return nil
}
