package web

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Read finds the one credential among a request's headers (step 1 of a decision): the tenants' key headers, Authorization, and only if
// neither is there the session cookie. Two are one too many, a bad one never falls back to the cookie, and the query string
// is never looked at. There is no other reader of credentials.
func (d *Door) Read(h http.Header) verify.Presentation {
	var p verify.Presentation
	for _, name := range *d.keyHeaders.Load() {
		if sent := h[name]; len(sent) > 0 {
			if p.Explicit() || len(sent) > 1 {
				return verify.PresentAmbiguous()
			}
			p = parse(sent[0], policy.Way{Transport: policy.Header, Header: name})
		}
	}
	if sent := h["Authorization"]; len(sent) > 0 {
		if p.Explicit() || len(sent) > 1 {
			return verify.PresentAmbiguous()
		}
		p = authorization(sent[0])
	}
	if token := d.cookie(h); token != "" && !p.Explicit() {
		return verify.PresentSession(token)
	}
	return p
}

// Value reads a credential that came as one piece and by no known transport.
func Value(value string) verify.Presentation { return parse(value, policy.Way{}) }

func parse(value string, way policy.Way) verify.Presentation {
	key, ok := credential.Parse(value)
	if !ok {
		return verify.PresentMalformed(way)
	}
	return verify.PresentKey(key, way)
}

// authorization reads `<scheme> <credentials>` with exactly one space; the scheme's case does not matter (RFC 9110 section 11.1).
func authorization(sent string) verify.Presentation {
	scheme, rest, _ := strings.Cut(sent, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return parse(rest, policy.Way{Transport: policy.Bearer})
	case strings.EqualFold(scheme, "Basic"):
		return basic(rest)
	}
	return verify.PresentMalformed(policy.Way{})
}

// basic reads RFC 7617: padded base64, split at the first colon.
func basic(encoded string) verify.Presentation {
	way := policy.Way{Transport: policy.Basic}
	plain, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // which the decoder would skip
		return verify.PresentMalformed(way)
	}
	id, secret, _ := strings.Cut(string(plain), ":")
	key, ok := credential.ParsePair(id, secret)
	if !ok {
		return verify.PresentMalformed(way)
	}
	return verify.PresentKey(key, way)
}

// AddKeyHeaders tells the reader the key headers that tenants chose: "X-API-Key" and whatever else. A name that no tenant uses any more
// stays until the next start: a key in it is refused all the same.
func (d *Door) AddKeyHeaders(names ...string) {
	d.addingHeaders.Lock()
	defer d.addingHeaders.Unlock()
	known := slices.Clone(*d.keyHeaders.Load())
	for _, name := range names {
		known = append(known, http.CanonicalHeaderKey(name))
	}
	slices.Sort(known)
	known = slices.Compact(known)
	d.keyHeaders.Store(&known)
}

// cookieName of sessions; browsers bind __Host- cookies to this host and to TLS.
func (d *Door) cookieName() string {
	if d.Secure {
		return "__Host-claviger"
	}
	return "claviger"
}

func (d *Door) cookie(h http.Header) string {
	if len(h["Cookie"]) == 0 {
		return ""
	}
	c, err := (&http.Request{Header: h}).Cookie(d.cookieName())
	if err != nil {
		return ""
	}
	return c.Value
}

// Cookie gives the browser its session; an empty token takes it away.
func (d *Door) Cookie(token credential.Secret) http.Cookie {
	c := http.Cookie{Name: d.cookieName(), Value: token.Reveal(), Path: "/", HttpOnly: true, Secure: d.Secure, SameSite: http.SameSiteLaxMode}
	if token.IsZero() {
		c.MaxAge = -1
	}
	return c
}
