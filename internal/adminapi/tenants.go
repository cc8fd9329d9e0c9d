package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/web"
)

// setTenant changes the settings of a tenant that only the operator may change. The path names the
// tenant by its id or its name.
func (a *API) setTenant(w http.ResponseWriter, r *http.Request) error {
	var in api.TenantOperatorSettings
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	who := web.Operator(w)
	id, err := a.Tenancy.FindTenant(r.Context(), who, r.PathValue("tenant"))
	if err != nil {
		return err
	}
	t, err := a.Tenancy.AllowPassword(r.Context(), who, id, in.LegacyPassword)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, api.TenantOperatorSettings{LegacyPassword: t.Settings.LegacyPassword})
}
