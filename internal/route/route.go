// Package route holds the rules that say what a request to a protected API needs.
//
// An [Entry] is a name under which a reverse proxy asks for decisions. It has an ordered list of
// rules, a [Table]. The first rule that matches method and path of a request applies, and it is
// chosen before the credential is read:
//
//	entry ──▶ rules of the operator's file ──▶ rules of the tenant's applications ──▶ Otherwise
//
// Only the operator's file can make a route public, name a tenant or a dialect. An entry that is
// bound to no tenant has only the rules of the file.
//
//	ParseTarget   the path of a request, as a proxy sent it; refuses ambiguous ones
//	ParsePattern  "/applications/{id}/keys"
//	Compile       rules, in order ──▶ Table; refuses rules that can never apply
//	ParseFile     the operator's file of entries and rules; each fault has its line and column
//	Table.Match   method, Target ──▶ the first rule that matches, and the application
//
// The package is pure: it reads no file, no database and no clock.
package route

import (
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Rule says what the requests to some paths need.
type Rule struct {
	// Methods are those that the rule is about, in upper case; none for every method but OPTIONS.
	// GET stands for HEAD too.
	Methods []string
	Path    Pattern
	// Public lets every request pass, and no credential is read.
	Public bool
	// Tenant is the tenant whose keys may pass, for an entry that is bound to none; "" for any.
	Tenant ident.TenantID
	// Dialect is the form of refusals; "" for problem documents.
	Dialect string
	// Scopes are those that the caller needs: all of them or, if AnyScope is set, one of them.
	Scopes   []scope.Scope
	AnyScope bool
	// Application says which application the request is about.
	Application ApplicationSource
	// AllApplications demands access to all applications.
	AllApplications bool
	// SessionOnly refuses every key.
	SessionOnly bool
	// Headers are set for the protected API, in addition to the identity headers.
	Headers []Header
	// Source says where the rule was written, for messages: "routes.yaml:12:5", or the application
	// and the number of the rule.
	Source string
}

// ApplicationSource says where a request names the application that it is about. At most one field
// is set; none for a request that is about no application.
type ApplicationSource struct {
	// ID is the application of every request.
	ID string
	// Path, Query and Header are the names of what holds its id: a parameter of the pattern, a
	// parameter of the query string, or a header.
	Path, Query, Header string
}

// Header is a header whose value comes from metadata.
type Header struct {
	// Name is the header's name.
	Name string
	// Owner is set for metadata of the key's owner, and not set for that of the key.
	Owner bool
	// Path leads to the value: names of members, the outermost first.
	Path []string
}

// Otherwise says what happens to a request that no rule matches.
type Otherwise string

// The choices.
const (
	// Refuse refuses the request.
	Refuse Otherwise = "refuse"
	// AnyKey accepts every valid credential.
	AnyKey Otherwise = "any-key"
)

// Entry is a name under which a reverse proxy asks for decisions.
type Entry struct {
	Name string
	// Tenant is the tenant that the entry is bound to: only its credentials pass, and the rules of
	// its applications count. "" for an entry of the operator's file that is bound to no tenant.
	Tenant    ident.TenantID
	Otherwise Otherwise
	// Hosts are the host names for which the entry is chosen where the request names no entry.
	Hosts []string
	// Dialect is the vendor whose API the gateway answers at this entry, and the form of its
	// refusals there; "" for that of the tenant.
	Dialect string
	// Rules are those of the operator's file; nil for an entry that is in the database.
	Rules *Table
}
