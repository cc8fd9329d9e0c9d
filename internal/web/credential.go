package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Read finds the one credential among a request's headers (step 1 of a decision): the tenants' key headers, Authorization, and only if
// neither is there the session cookie. Two are one too many, a bad Authorization never falls back to the cookie, and the query string
// is never looked at. There is no other reader of credentials.
//
// A key header carries a credential only if its value has the form of one: its name is what some tenant chose, and other tenants'
// clients may send something else in it. What has not is malformed where nothing else was sent, and nothing otherwise (ADR 22).
func (d *Door) Read(ctx context.Context, h http.Header) verify.Presentation {
	sent := h["Authorization"]
	if len(sent) > 1 {
		return verify.PresentAmbiguous()
	}
	f := d.scan(ctx, h, false)
	if f.keys > 1 || f.keys == 1 && (len(sent) > 0 || d.cookie(h) != "") {
		f = d.scan(ctx, h, true)
	}
	switch {
	case f.keys > 1, f.keys == 1 && len(sent) > 0:
		return verify.PresentAmbiguous()
	case f.keys == 1:
		return f.first
	case len(sent) > 0:
		return authorization(sent[0])
	}
	if token := d.cookie(h); token != "" {
		return verify.PresentSession(token)
	}
	if f.junk {
		return verify.PresentMalformed(f.way)
	}
	return verify.Presentation{}
}

// sent reports whether the headers carry something where a credential belongs, good or bad.
func (d *Door) sent(h http.Header) bool {
	f := d.scan(context.Background(), h, false)
	return len(h["Authorization"]) > 0 || f.keys > 0 || f.junk
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
	if len(encoded) > base64.StdEncoding.EncodedLen(credential.MaxValue) {
		return verify.PresentMalformed(way)
	}
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

// cookieName of sessions; browsers bind __Host- cookies to this host and to TLS.
func (d *Door) cookieName() string {
	if d.Secure {
		return "__Host-claviger"
	}
	return "claviger"
}

func (d *Door) cookie(h http.Header) string {
	for _, line := range h["Cookie"] {
		if value, ok := cookieIn(line, d.cookieName()); ok {
			return value
		}
	}
	return ""
}

// cookieIn returns the value of the first cookie of the name (RFC 6265 section 4.2). It looks for the name instead of taking the line apart,
// so that a line of many separators costs no more than another of its length.
func cookieIn(line, name string) (value string, ok bool) {
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

// Cookie gives the browser its session; an empty token takes it away.
func (d *Door) Cookie(token credential.Secret) http.Cookie {
	c := http.Cookie{Name: d.cookieName(), Value: token.Reveal(), Path: "/", HttpOnly: true, Secure: d.Secure, SameSite: http.SameSiteLaxMode}
	if token.IsZero() {
		c.MaxAge = -1
	}
	return c
}
