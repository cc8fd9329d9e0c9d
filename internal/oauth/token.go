package oauth

import (
	"errors"
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/token"
	"github.com/claviger-dev/claviger/internal/web"
)

const clientCredentials = "client_credentials"

// token issues an access token (RFC 6749 section 4.4).
func (a *API) token(w http.ResponseWriter, r *http.Request) error {
	f, err := a.readForm(w, r)
	if err != nil {
		return err
	}
	grant, err := a.authenticateClient(w, r, f)
	if err != nil {
		return err
	}
	kind, err := f.require("grant_type")
	if err != nil {
		return err
	}
	if kind != clientCredentials {
		return &protocolError{"unsupported_grant_type", "Use the grant type client_credentials."}
	}
	requested, err := token.ParseScopes(f.get("scope"))
	if err != nil {
		return invalidScope(err)
	}
	issued, err := a.Tokens.Issue(r.Context(), grant, requested)
	if err != nil {
		return invalidScope(err)
	}
	w.Header().Set("Pragma", "no-cache")
	return web.WriteJSON(w, http.StatusOK, api.AccessTokenResponse{
		AccessToken: issued.Value.Reveal(), TokenType: "Bearer", ExpiresIn: int(issued.Lifetime.Seconds()),
		Scope: token.ScopeText(issued.Scopes),
	})
}

// invalidScope returns the error of the protocol for scopes that the key does not have.
func invalidScope(err error) error {
	if errors.Is(err, fault.InsufficientScope) {
		return &protocolError{"invalid_scope", fault.Message(err)}
	}
	return err
}

// authenticateClient runs phase 2 for the token endpoint.
func (a *API) authenticateClient(w http.ResponseWriter, r *http.Request, f form) (g token.Grant, err error) {
	p := a.Authenticator.ReadClient(r.Context(), r.Header, f.get("client_id"), f.get("client_secret"), false)
	origin := a.Authenticator.Origin(w.Header(), r)
	g, d, err := a.Authenticator.Verify.Engine.Grant(r.Context(), p, origin.IP)
	if err != nil {
		return g, err
	}
	if d.Code != "" {
		return g, d.Refusal(p)
	}
	return g, nil
}
