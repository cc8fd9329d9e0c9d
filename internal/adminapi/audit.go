package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) verifyAudit(w http.ResponseWriter, r *http.Request) error {
	found, err := audit.Verify(r.Context(), a.Trail)
	if err != nil {
		return err
	}
	out := api.AuditFinding{Whole: found.Damage == nil, Chains: found.Chains, Records: found.Records}
	if d := found.Damage; d != nil {
		out.Damage = &api.AuditDamage{Chain: web.Optional(d.Chain), After: d.After, Message: d.What}
	}
	return web.Answer(w, http.StatusOK, out)
}
