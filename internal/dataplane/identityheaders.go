package dataplane

import (
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

// The identity headers, as indexes of an identity. They tell a protected API whose request it gets.
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

// keyIdentity returns the identity of a key, without the transport.
func keyIdentity(f *verify.Facts) *identity {
	k := f.Key
	v := &identity{
		headerPrincipal: "key", headerKeyID: string(k.ID), headerOwnerType: string(k.Owner.Type()),
		headerOwner: string(k.Owner.ID), headerExternalID: k.Owner.ExternalID, headerPlan: f.Owner.Plan,
		headerEmail: headerText(k.Owner.Email), headerTenant: string(k.Tenant), headerAccount: string(k.Account),
	}
	v.setLists(k.Scopes, k.Applications)
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

// size returns the approximate size in bytes of what the identity does not share with the facts.
func (v *identity) size() int {
	const pointers = identityCount * 16
	return pointers + len(v[headerScopes]) + len(v[headerApplications]) + len(v[headerEmail])
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

// writeIdentity sets the identity headers for a request that is allowed. via is the transport of
// its credential.
func writeIdentity(h http.Header, d verify.Decision, via policy.Transport) {
	if d.Session != nil {
		sessionIdentity(d.Session).write(h)
		return
	}
	v := d.Facts.Rendered.(*rendered).identity
	if scopes := d.Scopes(); len(scopes) != len(d.Facts.Key.Scopes) { // those of an access token
		narrowed := *v
		narrowed.setLists(scopes, d.Facts.Key.Applications)
		v = &narrowed
	}
	v.write(h)
	h[identityNames[headerTransport]] = transportValues[via]
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
