package forward

import (
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

// The identity headers, as indexes of an identity. They tell a protected API whose request it
// gets.
const (
	headerPrincipal = iota
	headerKeyID
	headerOwnerType
	headerOwner
	headerExternalID
	headerPlan
	headerEmail
	headerTenant
	headerAccount
	headerScopes
	headerApplications
	headerTransport
	headerOmitted
	identityCount
)

// identityNames are the names of the identity headers in canonical form. A response that allows a
// request has all of them, empty ones included: a header that a proxy does not set would be the
// client's.
var identityNames = [identityCount]string{
	headerPrincipal:    "X-Claviger-Principal",
	headerKeyID:        "X-Claviger-Key-Id",
	headerOwnerType:    "X-Claviger-Owner-Type",
	headerOwner:        "X-Claviger-Owner",
	headerExternalID:   "X-Claviger-External-Id",
	headerPlan:         "X-Claviger-Plan",
	headerEmail:        "X-Claviger-Email",
	headerTenant:       "X-Claviger-Tenant",
	headerAccount:      "X-Claviger-Account",
	headerScopes:       "X-Claviger-Scopes",
	headerApplications: "X-Claviger-Applications",
	headerTransport:    "X-Claviger-Transport",
	headerOmitted:      "X-Claviger-Omitted",
}

// maxListHeader is the length of the longest value of a header with a list, in bytes. nginx reads
// all headers of a response into 4 KiB.
const maxListHeader = 2 << 10

// identity holds the values of the identity headers. It does not change once it is in use.
type identity [identityCount]string

// nobody is the identity of a request that needs no credential.
var nobody identity

// keyIdentity returns the identity of a key, without the transport. It is kept with the facts, so
// that a request only needs to be given it.
func keyIdentity(f *verify.Facts) *identity {
	if kept, ok := f.Identity.Load().(*identity); ok {
		return kept
	}
	k := &f.Key
	v := &identity{
		headerPrincipal: "key", headerKeyID: string(k.ID), headerOwnerType: string(k.Owner.Type()),
		headerOwner: string(k.Owner.ID), headerExternalID: k.Owner.ExternalID, headerPlan: f.Owner.Plan,
		headerEmail: headerText(k.Owner.Email), headerTenant: string(k.Tenant), headerAccount: string(k.Account),
	}
	v.setLists(k.Scopes, k.Applications)
	f.Identity.Store(v)
	return v
}

// sessionIdentity returns the identity of a signed-in person.
func sessionIdentity(s *verify.SessionFacts) *identity {
	v := &identity{
		headerPrincipal: "session", headerOwnerType: "user", headerOwner: string(s.User.ID),
		headerEmail: headerText(s.User.Email), headerTenant: string(s.Tenant), headerAccount: string(s.Account),
		headerTransport: string(policy.Session),
	}
	v.setLists(s.Scopes, scope.Applications{All: true})
	return v
}

// setLists sets the headers with lists, whose elements are separated by spaces, and Omitted.
func (v *identity) setLists(scopes scope.Set, applications scope.Applications) {
	v[headerScopes] = strings.Join(scopes.Strings(), " ")
	v[headerApplications] = strings.Join(applications.IDs, " ")
	if applications.All {
		v[headerApplications] = string(scope.Every)
	}
	var omitted []string
	for _, list := range []struct {
		header int
		name   string
	}{{headerScopes, "scopes"}, {headerApplications, "applications"}} {
		if len(v[list.header]) > maxListHeader {
			v[list.header] = ""
			omitted = append(omitted, list.name)
		}
	}
	v[headerOmitted] = strings.Join(omitted, " ")
}

// write sets the headers. It allocates nothing: the values are slices of the identity.
func (v *identity) write(h http.Header) {
	for i, name := range identityNames {
		h[name] = v[i : i+1 : i+1]
	}
}

// transportValues are the values of the header with the transport.
var transportValues = map[policy.Transport][]string{
	policy.Bearer: {string(policy.Bearer)}, policy.Basic: {string(policy.Basic)},
	policy.Header: {string(policy.Header)}, policy.OAuth: {string(policy.OAuth)},
	policy.Session: {string(policy.Session)},
}

// SetIdentity sets all identity headers, and those of the rule. d is the decision that allowed the
// request; a zero decision for a request that needs no credential. via is the transport of its
// credential. rule is nil if none matched.
func SetIdentity(h http.Header, d *verify.Decision, via policy.Transport, rule *route.Rule) {
	switch {
	case d.Session != nil:
		sessionIdentity(d.Session).write(h)
	case d.Facts != nil:
		v := keyIdentity(d.Facts)
		if scopes := d.Scopes(); len(scopes) != len(d.Facts.Key.Scopes) { // those of an access token
			narrowed := *v
			narrowed.setLists(scopes, d.Facts.Key.Applications)
			v = &narrowed
		}
		v.write(h)
		h[identityNames[headerTransport]] = transportValues[via]
	default:
		nobody.write(h)
	}
	if rule != nil {
		setMetadata(h, rule.Headers, d.Facts)
	}
}

// setMetadata sets the headers that a rule takes from metadata. facts are those of the key; nil for
// a session, which has none.
func setMetadata(h http.Header, headers []route.Header, facts *verify.Facts) {
	for _, header := range headers {
		value := ""
		if facts != nil {
			from := facts.Metadata
			if header.Owner {
				from = facts.Owner.Metadata
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

// HeaderNames returns the names, in canonical form, of all headers that [SetIdentity] sets.
func HeaderNames(rule *route.Rule) []string {
	names := identityNames[:len(identityNames):len(identityNames)]
	if rule != nil {
		for _, header := range rule.Headers {
			names = append(names, header.Name)
		}
	}
	return names
}

// headerText returns the text as the value of a header: percent and every character that is not
// printable ASCII are percent-encoded, also spaces at the ends, which are no part of a value.
func headerText(text string) string {
	plain := true
	for i := range len(text) {
		plain = plain && isPlain(text, i)
	}
	if plain {
		return text
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if isPlain(text, i) {
			b.WriteByte(text[i])
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[text[i]>>4])
		b.WriteByte(digits[text[i]&15])
	}
	return b.String()
}

// isPlain reports whether a byte of a text stands for itself in the value of a header.
func isPlain(text string, i int) bool {
	c := text[i]
	if c == ' ' {
		return i > 0 && i < len(text)-1
	}
	return c > ' ' && c < 0x7f && c != '%'
}
