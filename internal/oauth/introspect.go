package oauth

import (
	"net/http"
	"net/netip"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/token"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// inactive is the response about everything that is no valid token that the caller may know of (RFC
// 7662 section 2.2).
var inactive = api.IntrospectionResponse{}

// introspect describes an access token to its own client, and to those who may verify it.
func (a *API) introspect(w http.ResponseWriter, r *http.Request) error {
	about, err := a.readAboutToken(w, r)
	if err != nil {
		return err
	}
	ip, err := addressOf(about.form)
	if err != nil {
		return err
	}
	p := verify.PresentAccessToken(about.token) // anything else is an invalid one
	d, err := a.Authenticator.Verify.Engine.Introspect(r.Context(), about.caller, p, ip)
	if err != nil {
		return err
	}
	if d.Code != "" {
		return web.WriteJSON(w, http.StatusOK, inactive)
	}
	return web.WriteJSON(w, http.StatusOK, a.description(d))
}

// addressOf returns the address from which the token was sent; "" if it is not known.
func addressOf(f form) (string, error) {
	text := f.get("ip")
	if text == "" {
		return "", nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return "", fault.New(fault.Malformed, "The parameter ip must be an IPv4 or IPv6 address, without a zone.")
	}
	return ip.Unmap().String(), nil
}

// description describes a valid token.
func (a *API) description(d verify.Decision) api.IntrospectionResponse {
	k, t := d.Facts.Key, d.Token()
	return api.IntrospectionResponse{
		Active: true, Scope: token.ScopeText(d.Scopes()), ClientID: k.ClientID(), TokenType: "Bearer",
		Expires: t.Expires.Unix(), IssuedAt: t.IssuedAt.Unix(), Subject: string(k.Owner.ID), Issuer: a.BaseURL,
		TokenID: t.ID.String(), TenantID: string(k.Tenant), AccountID: string(k.Account), KeyID: string(k.ID),
	}
}

// aboutToken is a request about a token, by a client that is authenticated.
type aboutToken struct {
	form
	caller verify.Caller
	token  string
}

// readAboutToken runs phases 1 and 2 for introspection and revocation.
func (a *API) readAboutToken(w http.ResponseWriter, r *http.Request) (about aboutToken, err error) {
	about.form, err = a.readForm(w, r)
	if err != nil {
		return about, err
	}
	about.caller, err = a.authenticate(w, r, about.form)
	if err != nil {
		return about, err
	}
	about.token, err = about.require("token")
	return about, err
}

// authenticate runs phase 2 for introspection and revocation.
func (a *API) authenticate(w http.ResponseWriter, r *http.Request, f form) (c verify.Caller, err error) {
	p := a.Authenticator.ReadClient(r.Context(), r.Header, f.get("client_id"), f.get("client_secret"), true)
	if k := p.Kind(); k != verify.APIKey && k != verify.AccessToken && k != verify.AmbiguousCredential {
		return c, fault.KeyInvalid
	}
	return a.Authenticator.Verify.Authenticate(r.Context(), p, a.Authenticator.Origin(w.Header(), r))
}
