package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// ReadCredential finds the one credential among the headers of a request (step 1 of a decision). It
// looks at the key headers of the tenants, at Authorization, and only without either at the session
// cookie. Two credentials are refused, a bad Authorization never falls back to the cookie, and the
// query string is never looked at.
//
// A key header carries a credential only if its value has the form of one. Some tenant chose the
// name of the header, and the clients of other tenants may send something else in it. A value of
// another form is malformed if nothing else was sent, and ignored otherwise (ADR 22).
func (a *Authenticator) ReadCredential(ctx context.Context, h http.Header) verify.Presentation {
	sent := h[AuthorizationHeader]
	if len(sent) > 1 {
		return a.ambiguous(ctx, h)
	}
	v := a.readKeyHeaders(ctx, h, false)
	if v.keys > 1 || v.keys == 1 && (len(sent) > 0 || a.sessionToken(h) != "") {
		v = a.readKeyHeaders(ctx, h, true)
	}
	switch {
	case v.keys > 1, v.keys == 1 && len(sent) > 0:
		return a.ambiguous(ctx, h)
	case v.keys == 1:
		return v.key
	case len(sent) > 0:
		return authorization(sent[0])
	}
	if token := a.sessionToken(h); token != "" {
		return verify.PresentSession(token)
	}
	if v.others {
		return verify.PresentMalformed(v.otherLocation)
	}
	return verify.Presentation{}
}

// AuthorizationHeader carries a credential by the transports bearer, basic and oauth.
const AuthorizationHeader = "Authorization"

// IsCredentialHeader reports whether the header can carry a credential: it is Authorization, or the
// key header of a tenant. The name is in canonical form.
func (a *Authenticator) IsCredentialHeader(name string) bool {
	return name == AuthorizationHeader || a.KeyHeaders.has(name)
}

// ambiguous returns the presentation of headers that carry more than one credential. It names the
// headers that carry one, sorted by name.
func (a *Authenticator) ambiguous(ctx context.Context, h http.Header) verify.Presentation {
	var names []string
	for name, values := range h {
		var v keyHeaderValues
		if name != AuthorizationHeader && a.KeyHeaders.has(name) {
			a.readKeyHeader(ctx, &v, name, values, true)
		}
		if v.keys > 0 || name == AuthorizationHeader && len(values) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return verify.PresentAmbiguous(names...)
}

// hasCredential reports whether a header that can carry a credential was sent, with a valid
// credential or not.
func (a *Authenticator) hasCredential(h http.Header) bool {
	v := a.readKeyHeaders(context.Background(), h, false)
	return len(h[AuthorizationHeader]) > 0 || v.keys > 0 || v.others
}

// ParseCredential reads the whole value of a credential that came by no known transport.
func ParseCredential(value string) verify.Presentation { return parseKey(value, policy.Location{}) }

func parseKey(value string, location policy.Location) verify.Presentation {
	key, ok := credential.Parse(value)
	if !ok {
		return verify.PresentMalformed(location)
	}
	return verify.PresentKey(key, location)
}

// TrimField returns the value of a header without the white space around it, which is no part of it
// (RFC 9110 section 5.5). net/http does the same with the headers of a request.
func TrimField(value string) string { return strings.Trim(value, " \t") }

// authorization reads `<scheme> <credentials>` with one or more spaces (RFC 9110 section 11.4). The
// case of the scheme does not matter (section 11.1); the credentials are read exactly.
func authorization(sent string) verify.Presentation {
	scheme, rest, _ := strings.Cut(TrimField(sent), " ")
	rest = strings.TrimLeft(rest, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return parseKey(rest, policy.Location{Transport: policy.Bearer})
	case strings.EqualFold(scheme, "Basic"):
		return basic(rest)
	}
	return verify.PresentMalformed(policy.Location{})
}

// basic reads the credentials of RFC 7617: padded base64 of a user id and a password, which are
// split at the first colon.
func basic(encoded string) verify.Presentation {
	location := policy.Location{Transport: policy.Basic}
	if len(encoded) > base64.StdEncoding.EncodedLen(credential.MaxValue) {
		return verify.PresentMalformed(location)
	}
	plain, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // the decoder would skip these
		return verify.PresentMalformed(location)
	}
	id, secret, _ := strings.Cut(string(plain), ":")
	key, ok := credential.ParsePair(id, secret)
	if !ok {
		return verify.PresentMalformed(location)
	}
	return verify.PresentKey(key, location)
}

// cookieName returns the name of the session cookie. Browsers bind a __Host- cookie to this host
// and to TLS.
func (a *Authenticator) cookieName() string {
	if a.Secure {
		return "__Host-claviger"
	}
	return "claviger"
}

// sessionToken returns the value of the session cookie; "" for none.
func (a *Authenticator) sessionToken(h http.Header) string {
	for _, line := range h["Cookie"] {
		if value, ok := cookieValue(line, a.cookieName()); ok {
			return value
		}
	}
	return ""
}

// cookieValue returns the value of the first cookie of the name (RFC 6265 section 4.2). It searches
// for the name and does not split the line, so that a line of many separators costs no more than
// another one of its length.
func cookieValue(line, name string) (value string, ok bool) {
	for rest := line; ; {
		at := strings.Index(rest, name)
		if at < 0 {
			return "", false
		}
		before := strings.TrimRight(rest[:at], " \t")
		first := before == "" && len(rest) == len(line) || strings.HasSuffix(before, ";")
		rest = rest[at+len(name):]
		if first && strings.HasPrefix(rest, "=") {
			value, _, _ = strings.Cut(rest[1:], ";")
			return strings.Trim(value, " \t"), true
		}
	}
}

// SessionCookie returns the cookie of a session. With an empty token it deletes the cookie.
func (a *Authenticator) SessionCookie(token credential.Secret) http.Cookie {
	c := http.Cookie{
		Name: a.cookieName(), Value: token.Reveal(), Path: "/", HttpOnly: true, Secure: a.Secure,
		SameSite: http.SameSiteLaxMode,
	}
	if token.IsZero() {
		c.MaxAge = -1
	}
	return c
}
