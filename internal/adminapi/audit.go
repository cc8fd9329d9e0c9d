package adminapi

import (
	"io"
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// archiveAudit streams the audit trail, or one chain of it, as backup does.
func (a *API) archiveAudit(w http.ResponseWriter, r *http.Request) error {
	chain := r.URL.Query().Get("chain")
	return a.stream(w, "an archive of the audit trail", func(to io.Writer) error {
		return a.Archive(r.Context(), to, chain)
	})
}

// verifyAudit checks the chains of the audit trail, and that they continue from an earlier head.
func (a *API) verifyAudit(w http.ResponseWriter, r *http.Request) error {
	var since audit.State
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		since, err = audit.ParseState(text)
		if err != nil {
			return fault.Refuse(fault.Field{
				Name: "since", Code: "format",
				Message: "Send a head as `claviger audit verify` prints it: a number, a colon and 43 characters.",
			})
		}
	}
	found, err := audit.Verify(r.Context(), a.Trail, since)
	if err != nil {
		return err
	}
	out := api.AuditFinding{Whole: found.Damage == nil, Chains: found.Chains, Records: found.Records}
	if found.Damage == nil {
		out.Head = web.Optional(found.State.String())
	}
	if d := found.Damage; d != nil {
		out.Damage = &api.AuditFault{Chain: web.Optional(d.Chain), After: d.After, Message: d.What}
	}
	return web.WriteJSON(w, http.StatusOK, out)
}
