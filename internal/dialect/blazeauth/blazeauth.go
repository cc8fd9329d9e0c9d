// Package blazeauth answers the paths of Blazeauth's Management API that manage API keys and
// applications, so that its clients work with only their base URL changed.
//
//	keys.go           the caller's own API keys, for sessions only
//	applications.go   the applications of the tenant, and the limits of the account
//	elsewhere.go      what only a session may do, and does elsewhere in Claviger
//	answer.go         the form of answers and of errors
//
// The vendor's ids are numbers as texts. An API key and an application have their `number` there.
// The package has no rules of its own but the length of an application's name, which is the
// vendor's: the services of the domain decide.
package blazeauth

import (
	"strings"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// API answers the paths. All fields are required.
type API struct {
	Keys         *key.Service
	Applications *application.Service
	Tenancy      *tenancy.Service
}

// panel is what all paths of the vendor's dashboard begin with.
const panel = "/api/v1/panel/"

// Vendor returns the routes.
func (a *API) Vendor() *dialect.Vendor {
	v := &dialect.Vendor{Name: dialect.Blazeauth, Cookie: cookie}
	v.Routes = append(v.Routes, a.keyRoutes()...)
	v.Routes = append(v.Routes, a.applicationRoutes()...)
	v.Routes = append(v.Routes, elsewhereRoutes()...)
	return v
}

// cookie returns the name of the vendor's session cookie on the paths of its dashboard. Elsewhere a
// cookie of this name is the protected API's own.
func cookie(path string) string {
	if strings.HasPrefix(path, panel) {
		return "session"
	}
	return ""
}
