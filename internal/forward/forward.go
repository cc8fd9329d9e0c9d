// Package forward decides about requests to protected APIs. Either a reverse proxy describes such a
// request and forwards it itself (forward-auth, package dataplane), or the gateway forwards it.
//
//	method and URI ──▶ entry ──▶ rule ──▶ credential ──▶ decision ──▶ identity headers
//
// The rule is chosen before the credential is read. A request that is allowed reaches the API with
// the identity headers, which say whose it is ([SetIdentity]).
package forward

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Routes finds entries and the rules about requests.
type Routes interface {
	// Entry returns the entry with the name or, if the name is "", the one of the host. It returns
	// fault.RouteUnknown if there is none.
	Entry(ctx context.Context, name, host string) (*route.Entry, error)
	// Match returns the first rule of the entry for a request, as [route.Table.Match] does.
	Match(ctx context.Context, e *route.Entry, method string, target route.Target,
		headers route.Headers) (route.Match, bool, error)
	// HeaderNames returns the names of all headers that rules of the entry set.
	HeaderNames(ctx context.Context, e *route.Entry) ([]string, error)
}

// Request is a request that a client sent to a protected API.
type Request struct {
	// Method and URI are those of the client's request. URI is raw: path and query string.
	Method, URI string
	// Entry is the name of the entry; "" if Host chooses it. Host is as [HostName] returns it.
	Entry, Host string
	// Header has what a rule reads.
	Header http.Header
}

// Choice is what the rules say about a request.
type Choice struct {
	Entry *route.Entry
	// Rule is nil if none matches.
	Rule *route.Rule
	// Needs is what the credential must allow.
	Needs verify.Request

	target route.Target
}

// Public reports whether the request needs no credential.
func (c *Choice) Public() bool { return c.Rule != nil && c.Rule.Public }

// Choose finds the entry of a request and its rule. If the rules refuse the request, the error says
// why, and the choice has what was found by then.
func Choose(ctx context.Context, routes Routes, q Request) (Choice, error) {
	c, err := FindEntry(ctx, routes, q)
	if err == nil {
		err = c.ChooseRule(ctx, routes, q)
	}
	return c, err
}

// FindEntry finds the entry of a request. The choice has no rule yet, and needs a credential of the
// tenant that the entry is bound to.
func FindEntry(ctx context.Context, routes Routes, q Request) (c Choice, err error) {
	c.target, err = route.ParseTarget(q.URI)
	if err != nil {
		return c, err
	}
	c.Entry, err = routes.Entry(ctx, q.Entry, q.Host)
	if err != nil {
		return c, err
	}
	if q.Entry == "" && len(c.Entry.Hosts) > 0 && !slices.Contains(c.Entry.Hosts, q.Host) {
		return c, fault.RouteUnknown // a client chooses its Host, and so must not choose the rules
	}
	c.Needs.Bound = c.Entry.Tenant
	return c, nil
}

// ChooseRule chooses the rule of the entry.
func (c *Choice) ChooseRule(ctx context.Context, routes Routes, q Request) error {
	match, found, err := routes.Match(ctx, c.Entry, q.Method, c.target, q.Header)
	if found {
		c.Rule = match.Rule
	}
	if err != nil {
		return err
	}
	if !found {
		if c.Entry.Otherwise != route.AnyKey {
			return fault.RouteUnknown
		}
		return nil
	}
	if c.Rule.Tenant != "" && c.Rule.Tenant != cmp.Or(c.Entry.Tenant, c.Rule.Tenant) {
		return fault.KeyInvalid // no credential is one of both tenants
	}
	c.Needs.Bound = cmp.Or(c.Entry.Tenant, c.Rule.Tenant)
	c.Needs.Requirement = verify.Requirement{
		SessionOnly: c.Rule.SessionOnly, Scopes: c.Rule.Scopes, AnyScope: c.Rule.AnyScope,
		Application: match.Application, EveryApplication: c.Rule.AllApplications,
	}
	return nil
}

// HostName returns the name of a Host header in lower case, without port and without a dot at the
// end.
func HostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
