// Package blazemeter answers the paths of BlazeMeter's API, version 4, that say who the caller is
// and where they act. Clients written for BlazeMeter ask them before anything else.
//
//	BlazeMeter   Claviger
//	user         the owner of the key, or the signed-in person
//	account      the account of the tenant
//	workspace    the tenant
//	project      an application of the tenant that is enabled and that the key may use
//
// The id of an object is its number. The caller sees only the tenant in which they act, and its
// account. Everything else does not exist for them.
package blazemeter

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// API is the API of BlazeMeter. All fields are required.
type API struct {
	Identity        *identity.Service
	ServiceAccounts *machine.ServiceAccounts
	Subjects        *machine.Subjects
	Accounts        *account.Service
	Tenancy         *tenancy.Service
	Applications    *application.Service
	Now             func() time.Time
	// Version is that of this server.
	Version string
}

// Vendor returns the API as the gateway answers it. Every route accepts any credential of the
// tenant.
func (a *API) Vendor() *dialect.Vendor {
	get := func(path, summary string, serve func(http.ResponseWriter, *dialect.Call) error) dialect.Route {
		return dialect.Route{Method: http.MethodGet, Path: "/api/v4" + path, Summary: summary, Serve: serve}
	}
	return &dialect.Vendor{Name: dialect.BlazeMeter, Routes: []dialect.Route{
		get("/user", "Show the owner of the key, or the signed-in person.", answer(a.user)),
		get("/accounts", "List the account of the tenant.", a.listAccounts),
		get("/accounts/{id}", "Show the account of the tenant.", answer(a.showAccount)),
		get("/workspaces", "List the tenant as a workspace.", a.listWorkspaces),
		get("/workspaces/{id}", "Show the tenant as a workspace.", answer(a.showWorkspace)),
		get("/projects", "List the applications that the key may use as projects.", a.listProjects),
		get("/projects/{id}", "Show an application as a project.", answer(a.showProject)),
		get("/web/version", "Show the version of this server.", answer(a.version)),
	}}
}

type versionWire struct {
	Version string `json:"version"`
}

func (a *API) version(context.Context, *dialect.Call) (versionWire, error) {
	return versionWire{a.Version}, nil
}

// isNumber reports whether the text of a path or a query is exactly the number.
func isNumber(text string, number int64) bool { return text == strconv.FormatInt(number, 10) }

// checkParent refuses a list of what is in another account or tenant. id is the parameter that
// names it; "" for none.
func checkParent(id string, number int64) error {
	if id != "" && !isNumber(id, number) {
		return fault.NotFound
	}
	return nil
}
