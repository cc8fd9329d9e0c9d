package api

import "time"

// RouteRules are the route rules of an application, in their order.
type RouteRules struct {
	// Items are the rules. The first one that matches method and path of a request applies. An
	// application has at most 200 rules.
	Items []RouteRule `json:"items"`
	// Version changes with every change of the rules. A replacement that sends it, here or in
	// If-Match, is refused if somebody else changed the rules meanwhile. If both are sent, If-Match
	// counts.
	Version string `json:"version,omitempty"`
}

// RouteRule says what requests to a protected API need, by method and path.
type RouteRule struct {
	// Methods are those that the rule is about, in upper case. GET stands for HEAD too. Without
	// methods, the rule is about every method but OPTIONS.
	Methods []string `json:"methods,omitempty"`
	// Path is a pattern: literal segments, {name} for one segment, and {name...} at the end for all
	// that follow. Paths are compared with regard to case, and /app and /app/ are different paths.
	Path string `json:"path"`
	// Scopes are those that the caller needs. Without scopes, every valid credential suffices.
	Scopes *RouteScopes `json:"scopes,omitempty"`
	// Application says which application the request is about. Without it, this is the application
	// that the rule belongs to.
	Application *RouteApplication `json:"application,omitempty"`
	// AllApplications demands access to all applications.
	AllApplications bool `json:"all_applications,omitempty"`
	// SessionOnly rejects every key.
	SessionOnly bool `json:"session_only,omitempty"`
	// Headers are set for the protected API from metadata. The name of a header has the value
	// "key.NAME" or "owner.NAME", with the names of members of the metadata, separated by dots.
	Headers map[string]string `json:"headers,omitempty"`
}

// RouteScopes are the scopes that a rule demands. It has exactly one of its members.
type RouteScopes struct {
	// All are scopes that the caller needs, all of them.
	All []string `json:"all,omitempty"`
	// Any are scopes of which the caller needs one.
	Any []string `json:"any,omitempty"`
}

// RouteApplication says where a request names the application that it is about. It has exactly one
// of its members.
type RouteApplication struct {
	// ID is the application of every request.
	ID string `json:"id,omitempty"`
	// Path is a parameter of the rule's path.
	Path string `json:"path,omitempty"`
	// Query is a parameter of the query string.
	Query string `json:"query,omitempty"`
	// Header is a request header.
	Header string `json:"header,omitempty"`
}

// Entry is a name under which reverse proxies ask Claviger about requests, as the operator sees it.
type Entry struct {
	Name string `json:"name"`
	// TenantID is the tenant that the entry is bound to; null for an entry of the operator's file
	// that is bound to none.
	TenantID *string `json:"tenant_id"`
	// Otherwise says what happens to a request that no rule matches: refuse or any-key.
	Otherwise string   `json:"otherwise"`
	Hosts     []string `json:"hosts"`
	// Source is "file" for an entry of the operator's file, else "database".
	Source string `json:"source"`
	// Overridden is set for an entry in the database that does not count, because the file has one
	// of the same name.
	Overridden bool `json:"overridden"`
	// CreatedAt is null for an entry of the file.
	CreatedAt *time.Time `json:"created_at"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the entry meanwhile. An entry of the file has none.
	Version string `json:"version,omitempty"`
}

// CreateEntryRequest is the body of POST /operator/v1/entries.
type CreateEntryRequest struct {
	Name string `json:"name"`
	// Tenant is the id or the name of the tenant that the entry is bound to.
	Tenant    string `json:"tenant"`
	Otherwise string `json:"otherwise"`
}

// UpdateEntryRequest is the body of PATCH /operator/v1/entries/{entry}.
type UpdateEntryRequest struct {
	Otherwise string `json:"otherwise"`
}

// ExplainRouteRequest is the body of POST /operator/v1/routes/explain.
type ExplainRouteRequest struct {
	Entry  string `json:"entry"`
	Method string `json:"method"`
	// URI is the path with the query string, as the client sends it.
	URI     string              `json:"uri"`
	Headers map[string][]string `json:"headers,omitempty"`
}

// RouteExplanation is what the rules of an entry say about a request.
type RouteExplanation struct {
	Entry string `json:"entry"`
	// Source is where the rule was written; "" if none applies.
	Source string `json:"source"`
	// Needs says in words what the request needs; "" if it is refused whatever its credential is.
	Needs string `json:"needs"`
	// Application is the id of the application that the request is about.
	Application string `json:"application"`
	// Refused is the code with which the request is refused whatever its credential is.
	Refused Code `json:"refused"`
}
