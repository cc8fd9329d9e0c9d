// Package adminapi is the operators' API: what only the owner of the machine may do.
//
// It authenticates nobody. So it is served only where nobody else can connect: on a socket in the
// data directory that only its owner may open, or within the process of a command. Its paths begin
// with /operator/v1 and are not in the OpenAPI document. Bodies and errors have the form of the
// management API.
package adminapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

// API serves the operators. All fields are required.
type API struct {
	Errors        web.ErrorWriter
	Log           *slog.Logger
	Identity      *identity.Service
	SecondFactors *secondfactor.Service
	Accounts      *account.Service
	Tenancy       *tenancy.Service
	Notices       *notice.Service
	// ServiceAccounts finds service accounts. ManagementKeys has their management keys.
	ServiceAccounts *machine.ServiceAccounts
	ManagementKeys  *machine.ManagementKeys
	// Applications changes entries. Routes has those that count.
	Applications *application.Service
	Routes       Routes
	Trail        audit.Source
	// ServerKeys rotates the keys of the server itself.
	ServerKeys *serverkey.Service
	// Clock is the clock of the node.
	Clock Clock
	// Archive writes the audit trail, or one chain if it is not "".
	Archive func(ctx context.Context, to io.Writer, chain string) error
	// Backup writes the whole database as of one moment.
	Backup func(ctx context.Context, to io.Writer) error
	// BaseURL is the public URL of the server, for links.
	BaseURL string
}

// Clock is the clock of a node, as operators see it.
type Clock interface {
	// ClockStatus returns what the node knows about the time.
	ClockStatus(ctx context.Context) (clock.Status, error)
	// RepairClock removes times later than the present from the record. stated is the present time
	// of a clock that the operator trusts, or zero.
	RepairClock(ctx context.Context, who principal.Principal, stated time.Time) (clock.Repair, error)
}

// Mount adds all routes.
func (a *API) Mount(router *web.Router) {
	s := router.Mount("/operator/v1", a.Errors, []web.Route{
		{Method: http.MethodGet, Path: "/operator/v1/accounts", Serve: a.listAccounts},
		{Method: http.MethodPost, Path: "/operator/v1/accounts", Serve: a.createAccount},
		{Method: http.MethodPut, Path: "/operator/v1/tenants/{tenant}", Serve: a.setTenant},
		{Method: http.MethodGet, Path: managementKeysPath, Serve: a.listManagementKeys},
		{Method: http.MethodPost, Path: managementKeysPath, Serve: a.createManagementKey},
		{Method: http.MethodPost, Path: managementKeyPath + "/refresh", Serve: a.refreshManagementKey},
		{Method: http.MethodPost, Path: managementKeyPath + "/revoke", Serve: a.revokeManagementKey},
		{Method: http.MethodGet, Path: "/operator/v1/entries", Serve: a.listEntries},
		{Method: http.MethodPost, Path: "/operator/v1/entries", Serve: a.createEntry},
		{Method: http.MethodPatch, Path: "/operator/v1/entries/{entry}", Serve: a.editEntry},
		{Method: http.MethodDelete, Path: "/operator/v1/entries/{entry}", Serve: a.deleteEntry},
		{Method: http.MethodPost, Path: "/operator/v1/routes/explain", Serve: a.explainRoute},
		{Method: http.MethodPatch, Path: "/operator/v1/users/{user}", Serve: a.editUser},
		{Method: http.MethodPost, Path: "/operator/v1/users/{user}/password-resets", Serve: a.resetPassword},
		{Method: http.MethodPut, Path: "/operator/v1/users/{user}/email", Serve: a.setEmail},
		{Method: http.MethodDelete, Path: "/operator/v1/users/{user}/two-factor", Serve: a.removeSecondFactor},
		{Method: http.MethodGet, Path: "/operator/v1/audit", Query: []string{"since"}, Serve: a.verifyAudit},
		{Method: http.MethodGet, Path: "/operator/v1/audit/archive", Query: []string{"chain"}, Serve: a.archiveAudit},
		{Method: http.MethodGet, Path: "/operator/v1/rootkey", Serve: a.listServerKeys},
		{Method: http.MethodPost, Path: "/operator/v1/rootkey/rotate", Serve: a.rotateServerKeys},
		{Method: http.MethodPost, Path: "/operator/v1/rootkey/retire", Serve: a.retireServerKeys},
		{Method: http.MethodGet, Path: "/operator/v1/clock", Serve: a.clockStatus},
		{Method: http.MethodPost, Path: "/operator/v1/clock/repair", Serve: a.repairClock},
		{Method: http.MethodGet, Path: "/operator/v1/backup", Serve: a.backup},
		{Method: http.MethodGet, Path: "/operator/v1/notices", Serve: a.listNotices, Query: []string{"state"}},
		{Method: http.MethodPost, Path: "/operator/v1/notices/retry", Serve: a.retryNotices},
	}...)
	s.FreeText = true // a path may hold the e-mail address of a person
}
