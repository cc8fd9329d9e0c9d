package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
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
	return a.ReadCredentialOr(ctx, h, Cookie{})
}

// ReadCredentialOr is ReadCredential for a route that also accepts another session cookie, with a
// name of its own. A value that this server did not issue for it is not a credential: somebody else
// may have set the cookie.
func (a *Authenticator) ReadCredentialOr(ctx context.Context, h http.Header, other Cookie) verify.Presentation {
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
		return verify.PresentSession(a.cookie().Kind, token)
	}
	if token := a.IssuedCookie(h, other); token != "" {
		return verify.PresentSession(other.Kind, token)
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
func ParseCredential(value string) verify.Presentation {
	if isAccessToken(value) {
		return verify.PresentAccessToken(value)
	}
	return parseKey(value, policy.Location{})
}

// isAccessToken reports whether a value has the form of an access token: that of an opaque one, or
// the three parts of a JWT (RFC 7515 section 3.1), whose first begins an object in base64url.
func isAccessToken(value string) bool {
	return credential.HasAccessTokenForm(value) || strings.HasPrefix(value, "ey") && strings.Count(value, ".") == 2
}

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
		if isAccessToken(rest) {
			return verify.PresentAccessToken(rest)
		}
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
	id, secret, ok := decodeBasic(encoded, credential.MaxValue)
	if !ok {
		return verify.PresentMalformed(location)
	}
	return pairAt(id, secret, location)
}

// decodeBasic decodes Basic credentials of at most that many bytes.
func decodeBasic(encoded string, most int) (user, password string, ok bool) {
	if len(encoded) > base64.StdEncoding.EncodedLen(most) {
		return "", "", false
	}
	plain, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // the decoder would skip these
		return "", "", false
	}
	user, password, _ = strings.Cut(string(plain), ":")
	return user, password, true
}

// ReadClient returns the credential of a client of OAuth 2.0 (RFC 6749 section 2.3.1): HTTP Basic
// whose user id and password are percent-encoded like a form, or id and secret of the body. If
// bearer is set, a bearer token is accepted, too. Two of them are ambiguous, and a credential in a
// key header beside one as well.
func (a *Authenticator) ReadClient(ctx context.Context, h http.Header, id, secret string,
	bearer bool,
) verify.Presentation {
	location := policy.Location{Transport: policy.OAuth}
	sent := h[AuthorizationHeader]
	if len(sent) > 1 || a.readKeyHeaders(ctx, h, true).keys > 0 {
		return a.ambiguous(ctx, h)
	}
	if len(sent) == 0 {
		if id == "" && secret == "" {
			return verify.Presentation{}
		}
		return pairAt(id, secret, location)
	}
	scheme, rest, _ := strings.Cut(TrimField(sent[0]), " ")
	rest = strings.TrimLeft(rest, " ")
	switch {
	case secret != "":
		return verify.PresentAmbiguous(AuthorizationHeader, "body")
	case strings.EqualFold(scheme, "Bearer") && bearer && id == "":
		return authorization(sent[0])
	case strings.EqualFold(scheme, "Basic"):
		return basicClient(rest, id, location)
	}
	return verify.PresentMalformed(location)
}

// basicClient reads the Basic credentials of a client. Some clients repeat their id in the body.
func basicClient(encoded, bodyID string, location policy.Location) verify.Presentation {
	user, password, ok := decodeBasic(encoded, 3*credential.MaxValue)
	if !ok {
		return verify.PresentMalformed(location)
	}
	id, err := url.QueryUnescape(user)
	if err != nil {
		return verify.PresentMalformed(location)
	}
	secret, err := url.QueryUnescape(password)
	if err != nil {
		return verify.PresentMalformed(location)
	}
	if bodyID != "" && bodyID != id {
		return verify.PresentAmbiguous(AuthorizationHeader, "body")
	}
	return pairAt(id, secret, location)
}

func pairAt(id, secret string, location policy.Location) verify.Presentation {
	key, ok := credential.ParsePair(id, secret)
	if !ok {
		return verify.PresentMalformed(location)
	}
	return verify.PresentKey(key, location)
}

// SetClientChallenge sets the challenge to a client of OAuth 2.0 that is not authenticated (RFC
// 6749 section 5.2).
func SetClientChallenge(h http.Header) { h["Www-Authenticate"] = []string{basicChallenge} }

// Cookie is a cookie that carries the token of a session.
type Cookie struct {
	Name string
	// Kind is what its value must be.
	Kind credential.TokenKind
}

// The names of the session cookies, of Claviger itself and of the gateway, without a prefix.
const (
	consoleCookie = "claviger"
	gatewayCookie = "claviger-gateway"
	halfCookie    = "claviger-half"
	// hostPrefix makes browsers bind a cookie to its host and to TLS (RFC 6265bis section 4.1.3.2).
	hostPrefix = "__Host-"
)

// GatewayCookie is the session cookie of the gateway. Its sessions are none anywhere else.
var GatewayCookie = Cookie{Name: gatewayCookie, Kind: credential.GatewayToken}

// OwnCookieNames lists the names of all session cookies that Claviger sets.
func OwnCookieNames() []string {
	return []string{
		consoleCookie, hostPrefix + consoleCookie, gatewayCookie, hostPrefix + gatewayCookie, halfCookie,
		hostPrefix + halfCookie,
	}
}

func (a *Authenticator) cookie() Cookie {
	if a.Cookie.Name == "" {
		return Cookie{Name: consoleCookie, Kind: credential.SessionToken}
	}
	return a.Cookie
}

// cookieName returns the name of the session cookie.
func (a *Authenticator) cookieName() string {
	if a.Secure {
		return hostPrefix + a.cookie().Name
	}
	return a.cookie().Name
}

// sessionKinds are the kinds of the tokens in session cookies.
var sessionKinds = []credential.TokenKind{
	credential.SessionToken, credential.GatewayToken, credential.PasswordToken, credential.HalfToken,
}

// RemoveSessionCookies removes the session cookies of this server from a request: those with its
// names, and every cookie whose value is a token that it issued, whatever its name. The others stay
// as they were sent.
func (a *Authenticator) RemoveSessionCookies(h http.Header) {
	lines := h["Cookie"]
	if len(lines) == 0 {
		return
	}
	kept := make([]string, 0, len(lines))
	for _, line := range lines {
		var others []string
		for pair := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if !slices.Contains(OwnCookieNames(), strings.Trim(name, " \t")) && !a.isSessionToken(value) {
				others = append(others, strings.Trim(pair, " \t"))
			}
		}
		if text := strings.Join(others, "; "); text != "" {
			kept = append(kept, text)
		}
	}
	if len(kept) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = kept
}

// isSessionToken reports whether the value of a cookie, perhaps in quotes, is a token of a session
// that this server issued.
func (a *Authenticator) isSessionToken(value string) bool {
	value = strings.Trim(value, " \t\"")
	return slices.ContainsFunc(sessionKinds, func(kind credential.TokenKind) bool {
		return a.Verify.Engine.Issued(kind, value)
	})
}

// IssuedCookie returns the value of a cookie if this server issued it for that; "" otherwise.
func (a *Authenticator) IssuedCookie(h http.Header, c Cookie) string {
	if c.Name == "" {
		return ""
	}
	for _, line := range h["Cookie"] {
		if value, ok := cookieValue(line, c.Name); ok && a.Verify.Engine.Issued(c.Kind, value) {
			return value
		}
	}
	return ""
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

// SessionToken returns the token in the session cookie of a request; "" for none.
func (a *Authenticator) SessionToken(h http.Header) string { return a.sessionToken(h) }

// halfCookieName returns the name of the cookie of half-sessions.
func (a *Authenticator) halfCookieName() string {
	if a.Secure {
		return hostPrefix + halfCookie
	}
	return halfCookie
}

// HalfToken returns the token of the half-session of a request; "" for none. No credential is made
// of it.
func (a *Authenticator) HalfToken(h http.Header) string {
	return a.IssuedCookie(h, Cookie{Name: a.halfCookieName(), Kind: credential.HalfToken})
}

// HalfCookie returns the cookie of a half-session. With an empty token it deletes the cookie.
func (a *Authenticator) HalfCookie(token credential.Secret) http.Cookie {
	c := a.SessionCookie(token)
	c.Name = a.halfCookieName()
	return c
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
