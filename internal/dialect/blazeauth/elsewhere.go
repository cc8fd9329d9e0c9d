package blazeauth

import (
	"net/http"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
)

// elsewhereRoutes are the vendor's routes for passwords, e-mail addresses, second factors, avatars,
// billing and the deletion of an account. The vendor accepts no key there, so a key is told
// session_required. A session is told where Claviger does this, if it does.
func elsewhereRoutes() []dialect.Route {
	var routes []dialect.Route
	for _, e := range []struct{ method, path, summary, message string }{
		{
			http.MethodPost, "change-password", "Changes the password: not here.",
			"Change your password with `POST /api/v1/me/password` of Claviger's own API.",
		},
		{
			http.MethodPost, "change-email", "Changes the e-mail address: not here.",
			"Change your e-mail address with `POST /api/v1/me/email` of Claviger's own API.",
		},
		{
			http.MethodPost, "two-factor/enable", "Turns the second factor on: not here.",
			"Set up a second factor with `PUT /api/v1/me/two-factor` of Claviger's own API.",
		},
		{
			http.MethodPost, "two-factor/disable", "Turns the second factor off: not here.",
			"Turn the second factor off with `DELETE /api/v1/me/two-factor` of Claviger's own API.",
		},
		{
			http.MethodPost, "upload-avatar", "Sets the avatar: not here.",
			"Set your picture with `PUT /api/v1/me/avatar` of Claviger's own API.",
		},
		{http.MethodGet, "get-billing", "Shows the billing: not here.", "Claviger has no billing."},
		{
			http.MethodPost, "delete-account", "Deletes the signed-in person: not here.",
			"Delete yourself with `DELETE /api/v1/me` of Claviger's own API.",
		},
	} {
		routes = append(routes, dialect.Route{
			Method: e.method, Path: panel + e.path, Summary: e.summary,
			Needs: verify.Requirement{SessionOnly: true},
			Serve: func(http.ResponseWriter, *dialect.Call) error { return fault.New(fault.NotFound, e.message) },
		})
	}
	return routes
}
