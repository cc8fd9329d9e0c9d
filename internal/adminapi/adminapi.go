// Package adminapi is the operators' API: what whoever owns the machine may do and nobody else.
//
// It asks nobody who they are, so it is served where only they can come: on a socket in the data directory that its owner alone may open, or within the
// process of a command. Its paths begin with /operator/v1 and stand in no document. Bodies and refusals are those of the management API.
package adminapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

// API serves the operators.
type API struct {
	Door     *web.Door
	Identity *identity.Service
	Tenancy  *tenancy.Service
	Notices  *notice.Service
	Trail    audit.Source
	// ServerKeys are the keys of the server itself.
	ServerKeys *serverkey.Service
	// Clock is the node's.
	Clock Clock
	// Backup writes the whole database as it is at one moment.
	Backup func(ctx context.Context, to io.Writer) error
	// BaseURL that people reach the server by, for links.
	BaseURL string
}

// Clock is the clock of a node, for operators.
type Clock interface {
	ClockStatus(ctx context.Context) (clock.Status, error)
	// RepairClock takes times later than the present from the record; stated is the present time by a clock that the operator
	// trusts, zero for none.
	RepairClock(ctx context.Context, who principal.Principal, stated time.Time) (clock.Repair, error)
}

// Handler gives the way in.
func (a *API) Handler() http.Handler {
	router := web.NewRouter(a.Door)
	for _, r := range []web.Route{
		{Method: http.MethodGet, Path: "/operator/v1/accounts", Serve: a.listAccounts},
		{Method: http.MethodPost, Path: "/operator/v1/accounts", Serve: a.openAccount},
		{Method: http.MethodPut, Path: "/operator/v1/tenants/{tenant}", Serve: a.setTenant},
		{Method: http.MethodPatch, Path: "/operator/v1/users/{user}", Serve: a.editUser},
		{Method: http.MethodGet, Path: "/operator/v1/audit", Serve: a.verifyAudit},
		{Method: http.MethodGet, Path: "/operator/v1/rootkey", Serve: a.listServerKeys},
		{Method: http.MethodPost, Path: "/operator/v1/rootkey/rotate", Serve: a.rotateServerKeys},
		{Method: http.MethodPost, Path: "/operator/v1/rootkey/retire", Serve: a.retireServerKeys},
		{Method: http.MethodGet, Path: "/operator/v1/clock", Serve: a.clockStatus},
		{Method: http.MethodPost, Path: "/operator/v1/clock/repair", Serve: a.repairClock},
		{Method: http.MethodGet, Path: "/operator/v1/backup", Serve: a.backup},
		{Method: http.MethodGet, Path: "/operator/v1/notices", Serve: a.listNotices},
		{Method: http.MethodPost, Path: "/operator/v1/notices/retry", Serve: a.retryNotices},
	} {
		router.Add(r)
	}
	return a.Door.Observe(a.Door.Wrap(router))
}
