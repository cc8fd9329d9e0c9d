package dataplane

import (
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/forward"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// Forward-auth: a reverse proxy sends a check request for each request of a client, and forwards
// that one only if the response is 200.
//
//	peer ──▶ method and URI ──▶ package forward ──▶ identity headers
//
// The peer must be a trusted proxy, whose kind says where the check request has the original method
// and URI (checkrequest.go). Package forward makes the decision. A response that allows has the
// identity headers. A refusal has the status of its code, and the body in the dialect of the rule.

// The paths of forward-auth. Both have every path below theirs.
const (
	authzPath = "/api/v1/authz"
	// refusalPath is for proxies that discard the response of a refused check, such as nginx. They
	// send the check request again and pass on what it answers.
	refusalPath = "/api/v1/authz-refusal"
)

// check is a check request and what was found out about it.
type check struct {
	checkRequest
	forward.Choice
	credential verify.Presentation
	decision   verify.Decision
}

// authz decides about the request that a proxy describes.
func (a *API) authz(w http.ResponseWriter, r *http.Request) error {
	web.IgnoreBody(w, r)
	from := a.Authenticator.ForwardedOrigin(w.Header(), r)
	var c check
	if err := a.decide(r, &c, from, authzPath, false); err != nil {
		a.logRefusedCheck(from, &c, err)
		return c.inDialect(err)
	}
	c.allow(w.Header(), r, a.Authenticator)
	return nil
}

// refuseAgain decides again about a request that was refused a moment ago, and counts nothing.
func (a *API) refuseAgain(w http.ResponseWriter, r *http.Request) error {
	web.IgnoreBody(w, r)
	var c check
	err := a.decide(r, &c, a.Authenticator.ForwardedOrigin(w.Header(), r), refusalPath, true)
	if err == nil {
		err = fault.New(fault.Forbidden, "The request was refused, but would be allowed now. Send it again.")
	}
	return c.inDialect(err)
}

// inDialect returns the error in the dialect of the rule.
func (c *check) inDialect(err error) error {
	if c.Rule == nil {
		return err
	}
	return web.InDialect(err, c.Rule.Dialect)
}

// decide makes the decision. It returns nil if the request is allowed.
func (a *API) decide(r *http.Request, c *check, from principal.Origin, path string, repeated bool) error {
	err := a.choose(r, c, path)
	c.Needs.Repeated = repeated
	if err == nil && !c.Public() {
		return a.decideCredential(r, c, from)
	}
	if !repeated {
		a.Authenticator.Verify.Engine.CountForwarded(verify.Outcome(r.Context(), err), "")
	}
	return err
}

// choose reads the check request and finds out what the request needs.
func (a *API) choose(r *http.Request, c *check, path string) error {
	peer, err := a.Authenticator.Proxy(r)
	if err != nil {
		return err
	}
	c.checkRequest, err = readCheckRequest(r, peer.Kind, path)
	if err != nil {
		return err
	}
	c.Choice, err = forward.Choose(r.Context(), a.Routes, forward.Request{
		Method: c.method, URI: c.uri, Entry: c.entry, Host: c.host, Header: r.Header,
	})
	return err
}

// decideCredential makes the decision about the credential of the request.
func (a *API) decideCredential(r *http.Request, c *check, from principal.Origin) error {
	c.credential = a.Authenticator.ReadForwardedCredential(r.Context(), r.Header)
	if c.credential.Kind() == verify.SessionToken {
		if err := a.Authenticator.CheckForwardedSite(r, c.method, c.kind.SendsAllHeaders()); err != nil {
			if !c.Needs.Repeated {
				a.Authenticator.Verify.Engine.CountForwarded(fault.CrossSite, policy.Session)
			}
			return err
		}
	}
	c.Needs.IP = from.IP
	var err error
	c.decision, err = a.Authenticator.Verify.DecideForwarded(r.Context(), c.credential, from, c.Needs)
	if err == nil && c.decision.Code != "" {
		err = c.decision.Refusal(c.credential)
	}
	return err
}

// noBody is the length of the response to a request that is allowed.
var noBody = []string{"0"}

// allow sets the headers of the response to a request that is allowed. Its status is 200.
func (c *check) allow(h http.Header, r *http.Request, a *web.Authenticator) {
	web.SetPrivate(h)
	h["Content-Length"] = noBody
	forward.SetIdentity(h, &c.decision, c.credential.Location().Transport, c.Rule)
	if c.kind.SendsPath() {
		h["X-Envoy-Auth-Headers-To-Remove"] = []string{c.headersToRemove(h, r, a)}
	}
}

// headersToRemove lists the headers of the client that Envoy must not forward: those that can carry
// a credential, and the ones that this response leaves empty.
func (c *check) headersToRemove(h http.Header, r *http.Request, a *web.Authenticator) string {
	list := a.CredentialHeaders(r.Header)
	if c.decision.Facts != nil && c.decision.Facts.KeyHeader() != "" {
		list = append(list, c.decision.Facts.KeyHeader())
	}
	for _, name := range forward.HeaderNames(c.Rule) {
		if h.Get(name) == "" {
			list = append(list, name)
		}
	}
	return strings.ToLower(strings.Join(list, ","))
}

// logRefusedCheck logs a sample of the requests that were refused, and never their path. It names
// the key only if the secret was right.
func (a *API) logRefusedCheck(from principal.Origin, c *check, err error) {
	kind := fault.KindOf(err)
	if kind == fault.Unavailable || kind == fault.Internal || !a.refusals.Allow() {
		return // failures of the server are logged by package web, with their cause
	}
	facts := []any{
		"request_id", from.RequestID, "route", authzPath, "code", string(kind),
		"transport", string(c.credential.Location().Transport),
	}
	if c.decision.Facts != nil {
		facts = append(facts, "tenant_id", string(c.decision.Facts.Key.Tenant),
			"key_id", string(c.decision.Facts.Key.ID))
	}
	a.Log.Info("request refused", facts...)
}

// checkErrors is the ErrorWriter of forward-auth.
type checkErrors struct{ dialect.ErrorWriter }

// WriteError implements web.ErrorWriter. Proxies copy the response to the client, and some take
// every status of 500 for a fault of their own, so a failure of the server is 503.
func (e checkErrors) WriteError(w http.ResponseWriter, r *http.Request, f web.Failure) {
	if f.Status == http.StatusInternalServerError {
		f.Status = http.StatusServiceUnavailable
	}
	e.ErrorWriter.WriteError(w, r, f)
}
