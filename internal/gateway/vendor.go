package gateway

import (
	"net/http"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// vendor is a vendor whose routes can be found. nil is no vendor.
type vendor struct {
	*dialect.Vendor
	mux    *http.ServeMux
	routes map[string]*dialect.Route // by pattern
}

func newVendor(v *dialect.Vendor) *vendor {
	found := &vendor{Vendor: v, mux: http.NewServeMux(), routes: map[string]*dialect.Route{}}
	for i := range v.Routes {
		pattern := v.Routes[i].Method + " " + v.Routes[i].Path
		found.routes[pattern] = &v.Routes[i]
		found.mux.Handle(pattern, http.NotFoundHandler())
	}
	return found
}

// find returns the route of a request; nil if the API answers it. It sets the parameters of the
// path.
func (v *vendor) find(r *http.Request) *dialect.Route {
	if v == nil {
		return nil
	}
	_, pattern := v.mux.Handler(r)
	route := v.routes[pattern]
	if route == nil {
		return nil
	}
	v.mux.ServeHTTP(noResponse{}, r) // which sets the parameters
	return route
}

// cookie returns the session cookie that the vendor's clients send.
func (v *vendor) cookie(r *http.Request) (c web.Cookie) {
	if v == nil || v.Cookie == nil {
		return c
	}
	c = web.Cookie{Name: v.Cookie(r.URL.Path), Kind: v.CookieKind}
	if c.Kind == "" {
		c.Kind = credential.GatewayToken
	}
	return c
}

// noResponse is a response that nobody gets.
type noResponse struct{}

// Header implements http.ResponseWriter.
func (noResponse) Header() http.Header { return http.Header{} }

// Write implements http.ResponseWriter.
func (noResponse) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (noResponse) WriteHeader(int) {}

// serveVendor answers a request to a route of a vendor.
func (g *Gateway) serveVendor(w http.ResponseWriter, r *http.Request, x *exchange, route *dialect.Route) error {
	web.SetPrivate(w.Header())
	c := &dialect.Call{Request: r, Origin: x.from, Tenant: x.Entry.Tenant, Named: x.Needs.Named}
	var err error
	if route.Anyone {
		err = g.admitAnyone(w, r, x, c, route)
	} else {
		err = g.admitCaller(w, r, x, c, route)
	}
	if err != nil {
		return err
	}
	return route.Serve(w, c)
}

// admitAnyone reads the body of a request without a credential.
func (g *Gateway) admitAnyone(w http.ResponseWriter, r *http.Request, x *exchange, c *dialect.Call,
	route *dialect.Route,
) error {
	err := g.Middleware.AdmitAnonymous(w, r)
	if err == nil {
		err = g.Middleware.BufferAnonymousBody(w, r)
	}
	if err == nil {
		c.Content, err = web.ReadWhole(r)
	}
	if err == nil {
		err = g.Middleware.AdmitChange(principal.Principal{}, route.Reduces)
	}
	if err == nil {
		c.Request = r.WithContext(admission.WithCaller(r.Context(), admission.ForAddress(x.from.IP)))
	}
	return err
}

// admitCaller makes the decision about the caller. A caller who is refused because of the headers
// alone makes nobody read the body, and the decision that counts is about the moment when the whole
// body was there.
func (g *Gateway) admitCaller(w http.ResponseWriter, r *http.Request, x *exchange, c *dialect.Call,
	route *dialect.Route,
) error {
	x.Needs.Requirement = route.Needs
	if err := g.readCredential(r, x); err != nil {
		return err
	}
	if r.ContentLength != 0 {
		x.Needs.Repeated = true
		err := g.decide(r.Context(), x)
		x.Needs.Repeated = false
		if err != nil {
			g.count(r, err, x.credential.Location().Transport)
			return err
		}
		c.Content, err = web.ReadWhole(r)
		if err != nil {
			return err
		}
	}
	if err := g.decide(r.Context(), x); err != nil {
		return err
	}
	setCaller(c, &x.decision, x.from)
	c.Request = r.WithContext(admission.WithCaller(r.Context(), admission.ForPrincipal(c.Who)))
	if isSafe(r.Method) {
		return nil
	}
	return g.Middleware.AdmitChange(c.Who, route.Reduces)
}

// setCaller sets who calls.
func setCaller(c *dialect.Call, d *verify.Decision, from principal.Origin) {
	c.Decision = *d
	if d.Session != nil {
		c.Who = d.Session.Principal
		c.Tenant, c.Account = d.Session.Tenant, d.Session.Account
		return
	}
	c.Who = d.Principal().WithOrigin(from)
	c.Tenant, c.Account = d.Facts.Key.Tenant, d.Facts.Key.Account
}

// isSafe reports whether a method changes nothing (RFC 9110 section 9.2.1).
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
