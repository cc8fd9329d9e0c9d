// Package dataplane is the verification path: the routes verify, whoami and authz, which every
// request to a protected API may cost.
//
// Nothing here writes traces, logs more than a sample of the refusals, or allocates more than it
// must. The response to an accepted key is rendered once, when the key's data is read, and then
// written as it is.
//
// A caller who is refused gets an error of the surface, like everywhere (package web). A credential
// that verify does not accept is a decision and no error: answer (verify.go) writes it with status
// 200, `"active": false` and the code.
package dataplane

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/forward"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// API serves the verification path. Its fields are required. The engine of the authenticator must
// render with [Render].
type API struct {
	Authenticator *web.Authenticator
	Errors        web.ErrorWriter
	// Routes has the entries and rules of forward-auth.
	Routes forward.Routes
	Log    *slog.Logger

	refusals *telemetry.Sampler
}

// refusalsLogged is how many refusals are logged a second. The metrics count all of them.
const refusalsLogged = 3

// Mount adds the routes.
func (a *API) Mount(router *web.Router) {
	a.refusals = telemetry.NewSampler(refusalsLogged)
	router.MountDirect(loggedErrors{a.Errors, a},
		web.Route{Method: http.MethodPost, Path: "/api/v1/verify", Serve: a.verify, Operation: web.Operation{
			ID: "verify", Tag: "Decisions", Summary: "Verify a credential", Scope: scope.KeysVerify,
			Description: "Decides whether a request with this credential is allowed. If it is not, the response has " +
				"`active` false and a `code` that says why. An error status is about the caller, never about the " +
				"credential. Signed-in people may ask if their role may hold the scope.",
			Body: api.VerifyRequest{}, Answers: []any{api.Decision{}, api.Refusal{}},
			Refusals: []fault.Kind{fault.ApplicationForbidden},
		}},
		web.Route{Method: http.MethodPost, Path: "/api/v1/verify/batch", Serve: a.verifyBatch, Operation: web.Operation{
			ID: "verify-batch", Tag: "Decisions", Summary: "Verify several credentials", Scope: scope.KeysVerify,
			Description: "Makes 1 to 1,000 decisions at once. Each item is a request to verify and is answered " +
				"exactly as verify answers it alone, in the order of the items. Where verify would answer " +
				"with an error, such as `validation_failed`, the item has that problem document in its " +
				"place, and the others are answered. Every item counts as one request of the caller " +
				"(`verify_requests_per_minute`): if they are more than it may send now, the response is " +
				"429 and no item was decided. If one decision cannot be made, the response is 503. The " +
				"request has at most 256 KiB and states its length in `Content-Length`. If the response " +
				"had more than 4 MiB, it is 413: send fewer items.",
			Body: api.VerifyBatchRequest{}, Answers: []any{api.VerifyBatchResponse{}},
			Refusals: []fault.Kind{fault.RateLimited},
		}},
		web.Route{Method: http.MethodGet, Path: "/api/v1/whoami", Serve: a.whoami, Operation: web.Operation{
			ID: "whoami", Tag: "Decisions", Summary: "Show the caller",
			Description: "Any valid credential is accepted. The scopes are the effective ones: what the key's owner " +
				"may do now.",
			Answers: []any{api.Whoami{}},
		}})
	refusals := []fault.Kind{
		fault.KeyInvalid, fault.KeyExpired, fault.KeyRevoked, fault.KeyDisabled, fault.PathAmbiguous,
		fault.RouteUnknown, fault.CredentialAmbiguous, fault.TransportForbidden,
		fault.AddressForbidden, fault.InsufficientScope, fault.ApplicationForbidden, fault.SessionRequired,
		fault.SessionEnded, fault.TenantRequired, fault.CrossSite, fault.Forbidden, fault.RateLimited,
	}
	problems := web.ProblemWriter{Authenticator: a.Authenticator}
	router.MountDirect(checkErrors{dialect.ErrorWriter{ProblemWriter: problems}},
		web.Route{Method: http.MethodGet, Path: authzPath, Any: true, Serve: a.authz, Operation: web.Operation{
			ID: "authz", Tag: "Decisions", Summary: "Decide about a request, for a reverse proxy", Anyone: true,
			Description: "Forward-auth. Accepts every method, and only requests of trusted proxies " +
				"(`server.trusted_proxies`). `/api/v1/authz/NAME` asks the entry NAME, and without a name the " +
				"entry `default`. For Envoy and Istio, what follows `/api/v1/authz` is the path of the original " +
				"request, and its Host chooses the entry. If the request is allowed, the status is 200, the body is " +
				"empty, and the headers `X-Claviger-…` say whose request it is. A refusal has its code in " +
				"`X-Claviger-Code`, too. The credential is that of the client; the proxy has none.",
			Refusals: refusals,
		}},
		web.Route{Method: http.MethodGet, Path: refusalPath, Any: true, Serve: a.refuseAgain, Operation: web.Operation{
			ID: "authz-refusal", Tag: "Decisions", Summary: "Explain a refusal, for a reverse proxy", Anyone: true,
			Description: "For proxies that discard the response of a refused check, such as nginx: they send the " +
				"same check request here and pass the response on. Decides again, without counting the request. It " +
				"never allows: a request that would be allowed now gets 403 `forbidden`.",
			Refusals: refusals,
		}})
}

// loggedErrors is an ErrorWriter that logs a sample of the callers who were refused.
type loggedErrors struct {
	web.ErrorWriter
	api *API
}

// WriteError implements web.ErrorWriter.
func (e loggedErrors) WriteError(w http.ResponseWriter, r *http.Request, f web.Failure) {
	e.ErrorWriter.WriteError(w, r, f)
	switch f.Kind {
	case fault.MethodNotAllowed: // not about the caller
	case fault.Unavailable, fault.Internal: // logged by package web, with their cause
	default:
		if !f.ClientLeft && e.api.refusals.Allow() {
			_, route, _ := strings.Cut(r.Pattern, " ")
			e.api.Log.Info("caller refused", "request_id", f.RequestID, "route", route, "code", string(f.Kind))
		}
	}
}

// logRefused logs a sample of the credentials that were not accepted. It names the key only if the
// secret was right: then tenant and id are public.
func (a *API) logRefused(d *verify.Decision, via policy.Transport) {
	if d.Code == "" || !a.refusals.Allow() {
		return
	}
	facts := []any{"code", string(d.Code), "transport", string(via)}
	if d.Facts != nil {
		facts = append(facts, "tenant_id", string(d.Facts.Key.Tenant), "key_id", string(d.Facts.Key.ID))
	}
	a.Log.Info("credential refused", facts...)
}
