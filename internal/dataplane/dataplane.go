// Package dataplane answers for protected APIs: verify and whoami, the routes that every request of theirs may cost.
//
// Nothing here traces, logs more than a sample of what is refused, or allocates more than it must: an accepted answer is rendered once, when the facts of its key are read, and
// from then on written as it stands. Refusals are problem documents as everywhere.
package dataplane

import (
	"net/http"
	"slices"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// Plane serves the verification path.
type Plane struct {
	door     *web.Door
	routes   []web.Route
	refusals *telemetry.Sampler
}

// refusalsLogged is how many refusals a second are logged; the metrics count them all.
const refusalsLogged = 3

// New makes the plane behind a door. The engine behind that door must render with Render.
func New(door *web.Door) *Plane {
	p := &Plane{door: door, refusals: telemetry.NewSampler(refusalsLogged)}
	p.routes = []web.Route{
		{Method: http.MethodPost, Path: "/api/v1/verify", Serve: p.verify, Operation: web.Operation{
			ID: "verify", Tag: "Decisions", Summary: "Ask for a decision", Scope: scope.KeysVerify,
			Description: "May a request with this credential pass? A decision against it is an answer with `active` false and the code that says why; " +
				"refusals speak of the caller alone. People may ask whose role may hold the scope.",
			Body: api.VerifyRequest{}, Answers: []any{api.Decision{}, api.Refusal{}}, Refusals: []fault.Kind{fault.ApplicationForbidden},
		}},
		{Method: http.MethodGet, Path: "/api/v1/whoami", Serve: p.whoami, Operation: web.Operation{
			ID: "whoami", Tag: "Decisions", Summary: "Show who is asking",
			Description: "Any good credential may ask. Scopes are the effective ones: what the key's owner may do now.",
			Answers:     []any{api.Whoami{}},
		}},
	}
	return p
}

// Routes lists what the plane serves.
func (p *Plane) Routes() []web.Route { return slices.Clone(p.routes) }

// Serve answers if the path is the plane's. It stands before every router and middleware.
func (p *Plane) Serve(w http.ResponseWriter, r *http.Request) bool {
	for i := range p.routes {
		if p.routes[i].Path == r.URL.Path {
			p.run(w, r, &p.routes[i])
			return true
		}
	}
	return false
}

func (p *Plane) run(w http.ResponseWriter, r *http.Request, route *web.Route) {
	defer p.door.Recover(w, r)
	if r.Method != route.Method && !(route.Method == http.MethodGet && r.Method == http.MethodHead) {
		w.Header().Set("Allow", allow(route.Method))
		p.door.Refuse(w, r, fault.MethodNotAllowed)
		return
	}
	if err := route.Serve(w, r); err != nil {
		p.door.Refuse(w, r, err)
		if !fault.Abandoned(r.Context(), err) && p.refusals.Take() {
			p.door.Log.Info("caller refused", "request_id", w.Header().Get("X-Request-Id"), "route", route.Path, "code", string(fault.KindOf(err)))
		}
	}
}

// refused tells the log of a credential that was judged and refused. Whose it is stands there only where possession was proven: then these are public facts.
func (p *Plane) refused(d verify.Decision, via policy.Transport) {
	if d.Code == "" || !p.refusals.Take() {
		return
	}
	facts := []any{"code", string(d.Code), "transport", string(via)}
	if d.Facts != nil {
		facts = append(facts, "tenant_id", string(d.Facts.Key.Tenant), "key_id", string(d.Facts.Key.ID))
	}
	p.door.Log.Info("credential refused", facts...)
}

// allow lists a route's methods: HEAD goes with GET (RFC 9110 section 9.3.2).
func allow(method string) string {
	if method == http.MethodGet {
		return "GET, HEAD"
	}
	return method
}
