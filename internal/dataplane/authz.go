package dataplane

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// Forward-auth: a reverse proxy sends a check request for each request of a client, and forwards
// that one only if the response is 200.
//
//	peer ──▶ method and URI ──▶ entry ──▶ rule ──▶ credential ──▶ decision
//
// The peer must be a trusted proxy, whose kind says where the check request has the original method
// and URI (checkrequest.go). The rule is chosen before the credential is read. A response that
// allows has the identity headers (identityheaders.go). A refusal has the status of its code, and
// the body in the dialect of the rule.

// The paths of forward-auth. Both have every path below theirs.
const (
	authzPath = "/api/v1/authz"
	// refusalPath is for proxies that discard the response of a refused check, such as nginx. They
	// send the check request again and pass on what it answers.
	refusalPath = "/api/v1/authz-refusal"
)

// Routes finds entries and the rules about requests.
type Routes interface {
	// Entry returns the entry with the name or, if the name is "", the one of the host. It returns
	// fault.RouteUnknown if there is none.
	Entry(ctx context.Context, name, host string) (*route.Entry, error)
	// Match returns the first rule of the entry for a request, as [route.Table.Match] does.
	Match(ctx context.Context, e *route.Entry, method string, target route.Target,
		headers route.Headers) (route.Match, bool, error)
}

// check is a check request and what was found out about it.
type check struct {
	checkRequest
	// rule is nil if none matches.
	rule       *route.Rule
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
	if c.rule == nil {
		return err
	}
	return web.InDialect(err, c.rule.Dialect)
}

// decide makes the decision. It returns nil if the request is allowed.
func (a *API) decide(r *http.Request, c *check, from principal.Origin, path string, repeated bool) error {
	needs, err := a.choose(r, c, path)
	needs.Repeated = repeated
	if err == nil && (c.rule == nil || !c.rule.Public) {
		return a.decideCredential(r, c, from, needs)
	}
	if !repeated {
		a.Authenticator.Verify.Engine.CountForwarded(verify.Outcome(r.Context(), err), "")
	}
	return err
}

// choose reads the check request and returns what the request needs.
func (a *API) choose(r *http.Request, c *check, path string) (needs verify.Request, err error) {
	peer, err := a.Authenticator.Proxy(r)
	if err != nil {
		return needs, err
	}
	c.checkRequest, err = readCheckRequest(r, peer.Kind, path)
	if err != nil {
		return needs, err
	}
	target, err := route.ParseTarget(c.uri)
	if err != nil {
		return needs, err
	}
	entry, err := a.Routes.Entry(r.Context(), c.entry, c.host)
	if err != nil {
		return needs, err
	}
	if c.entry == "" && len(entry.Hosts) > 0 && !slices.Contains(entry.Hosts, c.host) {
		return needs, fault.RouteUnknown // a client chooses its Host, and so must not choose the rules
	}
	needs.Bound = entry.Tenant
	match, found, err := a.Routes.Match(r.Context(), entry, c.method, target, r.Header)
	if found {
		c.rule = match.Rule
	}
	if err != nil {
		return needs, err
	}
	if !found {
		if entry.Otherwise != route.AnyKey {
			return needs, fault.RouteUnknown
		}
		return needs, nil
	}
	if c.rule.Tenant != "" && c.rule.Tenant != cmp.Or(entry.Tenant, c.rule.Tenant) {
		return needs, fault.KeyInvalid // no credential is one of both tenants
	}
	needs.Bound = cmp.Or(entry.Tenant, c.rule.Tenant)
	needs.Requirement = verify.Requirement{
		SessionOnly: c.rule.SessionOnly, Scopes: c.rule.Scopes, AnyScope: c.rule.AnyScope,
		Application: match.Application, EveryApplication: c.rule.AllApplications,
	}
	return needs, nil
}

// decideCredential makes the decision about the credential of the request.
func (a *API) decideCredential(r *http.Request, c *check, from principal.Origin, needs verify.Request) error {
	c.credential = a.Authenticator.ReadForwardedCredential(r.Context(), r.Header)
	if c.credential.Kind() == verify.SessionToken {
		if err := a.Authenticator.CheckForwardedSite(r, c.method, c.kind.SendsAllHeaders()); err != nil {
			if !needs.Repeated {
				a.Authenticator.Verify.Engine.CountForwarded(fault.CrossSite, policy.Session)
			}
			return err
		}
	}
	needs.IP = from.IP
	var err error
	c.decision, err = a.Authenticator.Verify.DecideForwarded(r.Context(), c.credential, from, needs)
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
	if c.decision.Facts == nil && c.decision.Session == nil {
		nobody.write(h)
	} else {
		writeIdentity(h, c.decision, c.credential.Location().Transport)
	}
	if c.rule != nil && len(c.rule.Headers) > 0 {
		writeMetadata(h, c.rule.Headers, c.decision)
	}
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
	set := identityNames[:]
	if c.rule != nil {
		for _, header := range c.rule.Headers {
			set = append(set, header.Name)
		}
	}
	for _, name := range set {
		if h.Get(name) == "" {
			list = append(list, name)
		}
	}
	return strings.ToLower(strings.Join(list, ","))
}

// writeMetadata sets the headers that a rule takes from metadata. A session has none.
func writeMetadata(h http.Header, headers []route.Header, d verify.Decision) {
	for _, header := range headers {
		value := ""
		if d.Facts != nil {
			from := d.Facts.Metadata
			if header.Owner {
				from = d.Facts.Owner.Metadata
			}
			value = headerText(from.Lookup(header.Path...))
		}
		if len(value) > maxListHeader {
			value = ""
			omitted := h.Get(identityNames[headerOmitted])
			h.Set(identityNames[headerOmitted], strings.TrimSpace(omitted+" "+strings.ToLower(header.Name)))
		}
		h.Set(header.Name, value)
	}
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
type checkErrors struct{ web.ProblemWriter }

// WriteError implements web.ErrorWriter. Proxies copy the response to the client, and some take
// every status of 500 for a fault of their own, so a failure of the server is 503.
func (e checkErrors) WriteError(w http.ResponseWriter, r *http.Request, f web.Failure) {
	if f.Status == http.StatusInternalServerError {
		f.Status = http.StatusServiceUnavailable
	}
	w.Header()["X-Claviger-Code"] = []string{string(f.Kind)}
	if body, ok := dialect.Body(f.Dialect, f); ok {
		e.Challenge(w.Header(), r, f)
		web.WriteFailure(w, f, "application/json", body)
		return
	}
	e.ProblemWriter.WriteError(w, r, f)
}
