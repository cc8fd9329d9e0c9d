package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) setTenant(w http.ResponseWriter, r *http.Request) error {
	var in api.OperatedTenant
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	t, err := a.Tenancy.AllowPassword(r.Context(), a.Door.Operator(w), ident.TenantID(r.PathValue("tenant")), in.LegacyPassword)
	if err != nil {
		return err
	}
	return web.Answer(w, http.StatusOK, api.OperatedTenant{LegacyPassword: t.Settings.LegacyPassword})
}
