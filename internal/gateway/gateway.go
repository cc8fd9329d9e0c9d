// Package gateway forwards requests to protected APIs that have no reverse proxy in front.
//
//	entry ──▶ route of a vendor? ──▶ answered here
//	  │
//	  └─────▶ rule ──▶ credential ──▶ decision ──▶ forwarded, with the identity headers
//
// The decision is that of forward-auth (package forward). A request that is allowed reaches the API
// without its credential. If the entry speaks the dialect of a vendor, the gateway answers the
// vendor's own paths itself (package dialect).
//
// The gateway has an origin of its own, which is not that of Claviger: browsers let the pages of an
// origin read all of it, and the API may serve pages. So its sessions are of another kind, too.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/forward"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// Gateway decides about requests and forwards them. Its fields are required unless they say
// otherwise.
type Gateway struct {
	// Middleware has the authenticator of the gateway, whose cookie is web.GatewayCookie.
	Middleware *web.Middleware
	Routes     forward.Routes
	// Vendors are those whose paths are answered.
	Vendors []*dialect.Vendor
	// Identity and Sessions let people sign in at SessionPath; "" for no such path.
	Identity    *identity.Service
	Sessions    *session.Service
	SessionPath string
	Upstreams   Upstreams
	// Hosts maps the names of hosts to the names of their entries. Only these and the hosts of
	// entries are answered. If it is nil, every other host has the entry "default".
	Hosts map[string]string
	// Transport sends requests to the API.
	Transport http.RoundTripper
	// MaxBody is the size of the largest body that is forwarded, in bytes.
	MaxBody int64
	// MaxConcurrent is how many requests of one key, session or address are forwarded at once.
	MaxConcurrent int
	// StallTimeout is how long a body may take without progress. ReadTimeout is how long the whole
	// body of a request may take that the gateway answers itself.
	StallTimeout, ReadTimeout time.Duration
	// Counts counts what is forwarded.
	Counts *Counts
	// Doubt returns why the clock cannot be trusted, or nil.
	Doubt func() error
	Log   *slog.Logger

	vendors  map[string]*vendor
	refusals *telemetry.Sampler
	proxy    http.Handler
	callers  concurrency
}

// Upstreams are the URLs of the protected APIs.
type Upstreams struct {
	// Default is nil if there is none.
	Default *url.URL
	// ByApplication has those of applications, by id, and ByHost those of hosts, by name.
	ByApplication, ByHost map[string]*url.URL
}

// find returns the upstream of a request; nil if it has none.
func (u Upstreams) find(application, host string) *url.URL {
	if to := u.ByApplication[application]; to != nil {
		return to
	}
	if to := u.ByHost[host]; to != nil {
		return to
	}
	return u.Default
}

// refusalsLogged is how many refusals are logged a second. The metrics count all of them.
const refusalsLogged = 3

// Mount makes the gateway the only surface of the router, which answers every path.
func (g *Gateway) Mount(router *web.Router) {
	g.refusals = telemetry.NewSampler(refusalsLogged)
	g.proxy = g.newProxy()
	g.vendors = map[string]*vendor{}
	for _, v := range g.Vendors {
		g.vendors[v.Name] = newVendor(v)
	}
	problems := web.ProblemWriter{Authenticator: g.authenticator()}
	router.MountDirect(dialect.ErrorWriter{ProblemWriter: problems},
		web.Route{Method: http.MethodGet, Path: "", Any: true, Serve: g.serve})
}

func (g *Gateway) authenticator() *web.Authenticator { return g.Middleware.Authenticator }

// exchange is a request and what was found out about it.
type exchange struct {
	forward.Choice
	host string
	// vendor is the one whose dialect the entry speaks; nil for none. speaks is the dialect.
	vendor     *vendor
	speaks     string
	from       principal.Origin
	credential verify.Presentation
	decision   verify.Decision
	upstream   *url.URL
	// ruleHeaders are the names of all headers that rules of the entry set.
	ruleHeaders []string
	// failure is why the API gave no response.
	failure error
}

// serve answers a request.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // each part sets its own
	_ = control.SetWriteDeadline(time.Time{})
	web.SetRequestID(w.Header())
	x := &exchange{host: forward.HostName(r.Host)}
	x.from = g.authenticator().Origin(w.Header(), r)
	err := g.answer(w, r, x)
	if err != nil {
		_ = control.SetWriteDeadline(time.Now().Add(g.StallTimeout))
		web.DiscardBody(w, r)
		g.logRefusal(x, err)
		return x.inDialect(err)
	}
	return nil
}

// inDialect returns the error in the dialect of the rule or else of the entry.
func (x *exchange) inDialect(err error) error {
	if x.Rule != nil && x.Rule.Dialect != "" {
		return web.InDialect(err, x.Rule.Dialect)
	}
	return web.InDialect(err, x.speaks)
}

// answer finds the entry, and answers the request or forwards it.
func (g *Gateway) answer(w http.ResponseWriter, r *http.Request, x *exchange) error {
	q := forward.Request{Method: r.Method, URI: r.RequestURI, Host: x.host, Header: r.Header}
	q.Entry = g.Hosts[x.host]
	var err error
	x.Choice, err = forward.FindEntry(r.Context(), g.Routes, q)
	if err == nil {
		err = g.findDialect(r, x)
	}
	if err == nil && g.Hosts != nil && q.Entry == "" && !slices.Contains(x.Entry.Hosts, x.host) {
		err = fault.RouteUnknown
	}
	if err != nil {
		g.count(r, err, "")
		return err
	}
	if serve := g.ownRoute(r, x); serve != nil {
		if err := g.Doubt(); err != nil {
			return err
		}
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(g.ReadTimeout))
		_ = control.SetWriteDeadline(time.Now().Add(g.ReadTimeout + g.StallTimeout))
		return serve(w, r, x)
	}
	return g.forward(w, r, x, q)
}

// ownRoute returns the handler of a request that the gateway answers itself; nil if the API does.
func (g *Gateway) ownRoute(r *http.Request, x *exchange) func(http.ResponseWriter, *http.Request, *exchange) error {
	if !web.IsCanonicalPath(r.URL) {
		return nil
	}
	if r.URL.Path == g.SessionPath {
		return g.sessionRoute(r.Method)
	}
	route := x.vendor.find(r)
	if route == nil {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request, x *exchange) error { return g.serveVendor(w, r, x, route) }
}

// findDialect finds the dialect of the entry: what the entry says, or else the tenant that it is
// bound to.
func (g *Gateway) findDialect(r *http.Request, x *exchange) error {
	x.speaks = x.Entry.Dialect
	if x.speaks == "" && x.Entry.Tenant != "" {
		var err error
		x.speaks, err = g.authenticator().Verify.Engine.TenantDialect(r.Context(), x.Entry.Tenant)
		if fault.KindOf(err) == fault.NotFound {
			return nil // no credential is one of a tenant that does not exist
		}
		if err != nil {
			return err
		}
	}
	x.vendor = g.vendors[x.speaks]
	if x.vendor == nil || x.vendor.NamedTenant == nil {
		return nil
	}
	var err error
	x.Needs.Named, err = x.vendor.NamedTenant(r)
	return err
}

// forward decides about a request and forwards it.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, x *exchange, q forward.Request) error {
	err := x.ChooseRule(r.Context(), g.Routes, q)
	if err == nil && !x.Public() {
		return g.forwardAllowed(w, r, x)
	}
	g.count(r, err, "")
	if err != nil {
		return err
	}
	return g.send(w, r, x)
}

// forwardAllowed forwards the request if its credential allows it.
func (g *Gateway) forwardAllowed(w http.ResponseWriter, r *http.Request, x *exchange) error {
	err := g.readCredential(r, x)
	if err == nil {
		err = g.decide(r.Context(), x)
	}
	if err != nil {
		return err
	}
	return g.send(w, r, x)
}

// readCredential reads the credential of the request. It refuses a session cookie that another site
// made a browser send.
func (g *Gateway) readCredential(r *http.Request, x *exchange) error {
	x.Needs.IP = x.from.IP
	x.credential = g.authenticator().ReadCredentialOr(r.Context(), r.Header, x.vendor.cookie(r))
	if x.credential.Kind() == verify.SessionToken {
		if err := g.authenticator().CheckForwardedSite(r, r.Method, true); err != nil {
			g.count(r, err, policy.Session)
			return err
		}
	}
	return nil
}

// decide makes the decision about the credential that was read.
func (g *Gateway) decide(ctx context.Context, x *exchange) error {
	d, err := g.authenticator().Verify.DecideForwarded(ctx, x.credential, x.from, x.Needs)
	if err == nil && d.Code != "" {
		err = d.Refusal(x.credential)
	}
	x.decision = d
	return err
}

// count counts a request that was decided without a credential.
func (g *Gateway) count(r *http.Request, err error, via policy.Transport) {
	g.authenticator().Verify.Engine.CountForwarded(verify.Outcome(r.Context(), err), via)
}

// logRefusal logs a sample of the requests that were refused, and never their path. It names the
// key only if the secret was right.
func (g *Gateway) logRefusal(x *exchange, err error) {
	kind := fault.KindOf(err)
	switch kind {
	case fault.Unavailable, fault.Internal, fault.BadGateway, fault.GatewayTimeout:
		return // logged by package web, with their cause
	}
	if !g.refusals.Allow() {
		return
	}
	facts := []any{
		"request_id", x.from.RequestID, "route", "gateway", "code", string(kind),
		"transport", string(x.credential.Location().Transport),
	}
	if x.Entry != nil {
		facts = append(facts, "entry", x.Entry.Name)
	}
	if x.decision.Facts != nil {
		facts = append(facts, "tenant_id", string(x.decision.Facts.Key.Tenant),
			"key_id", string(x.decision.Facts.Key.ID))
	}
	g.Log.Info("request refused", facts...)
}
