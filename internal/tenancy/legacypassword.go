package tenancy

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// AllowPassword sets whether people may authenticate to the API of a tenant with e-mail address and
// password. Only the operator may. Passwords can be allowed only in tenants that were made before
// LegacyBefore, and can be forbidden again in any.
func (s *Service) AllowPassword(ctx context.Context, who principal.Principal, id ident.TenantID,
	allowed bool,
) (t Tenant, err error) {
	if who.Kind() != principal.KindOperator {
		return Tenant{}, fault.Forbidden
	}
	err = InTenant(ctx, s.Ledgers.Tenants, who, id, func(ctx context.Context, tx TenantTx,
		locked Tenant,
	) (audit.Event, error) {
		t = locked
		if allowed {
			if err := s.checkLegacy(t); err != nil {
				return audit.Event{}, err
			}
		}
		e := audit.By(who, audit.ActionTenantEdit, t.target()).With("changed",
			"legacy_password").With("legacy_password", strconv.FormatBool(allowed)).InvalidatesTenants(id)
		if t.Settings.LegacyPassword == allowed {
			return e, audit.ErrNothing
		}
		before := t.Settings
		t.Settings.LegacyPassword = allowed
		t.setUpdatedAt(s.Now())
		return e.WithEffects(t.settingsEffects(before)...), tx.UpdateTenant(ctx, t)
	})
	return t, err
}

// maxNamed bounds how many tenants of one name are listed to an operator who must choose.
const maxNamed = 10

// FindTenant returns the id of a tenant by its id or its name. Where several tenants of the server
// have the name, it fails with fault.Conflict and lists them. Only the operator may.
func (s *Service) FindTenant(ctx context.Context, who principal.Principal, idOrName string) (ident.TenantID, error) {
	if who.Kind() != principal.KindOperator {
		return "", fault.Forbidden
	}
	if id, err := ident.Parse[ident.TenantID](idOrName); err == nil {
		return id, nil
	}
	if !utf8.ValidString(idOrName) || strings.ContainsRune(idOrName, 0) {
		return "", errNoTenant // no database can hold this name
	}
	named, err := s.Store.TenantsNamed(ctx, idOrName, maxNamed)
	switch {
	case err != nil:
		return "", err
	case len(named) == 0:
		return "", errNoTenant
	case len(named) == 1:
		return named[0].ID, nil
	}
	var ids []string
	for _, t := range named {
		ids = append(ids, string(t.ID)+" of "+string(t.Account))
	}
	return "", fault.New(fault.Conflict, "Several tenants have this name: "+strings.Join(ids, ", ")+". Give the id.")
}

var errNoTenant = fault.New(fault.NotFound, "No tenant has this id or name.")

// checkLegacy refuses a tenant that was made too late to allow passwords.
func (s *Service) checkLegacy(t Tenant) error {
	switch {
	case s.LegacyBefore.IsZero():
		return fault.New(fault.Conflict,
			"Passwords can be allowed in no tenant, because the setting legacy_password_before has no value. "+
				"Set it to a day after the one on which the tenant was made.")
	case !t.CreatedAt.Before(s.LegacyBefore):
		return fault.New(fault.Conflict,
			"The tenant was made on or after the day in the setting legacy_password_before. "+
				"Passwords can be allowed only in tenants made before that day.")
	}
	return nil
}
