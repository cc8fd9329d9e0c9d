package oauth

import (
	"errors"
	"net/http"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// revoke ends an access token of the client (RFC 7009).
func (a *API) revoke(w http.ResponseWriter, r *http.Request) error {
	about, err := a.readAboutToken(w, r)
	if err != nil {
		return err
	}
	if web.ParseCredential(about.token).Kind() == verify.APIKey {
		return &protocolError{
			"unsupported_token_type",
			"This endpoint revokes access tokens. Revoke an API key with the management API.",
		}
	}
	if err := a.revokeToken(r, about.caller, about.token); err != nil {
		return err
	}
	web.SetPrivate(w.Header())
	w.WriteHeader(http.StatusOK)
	return nil
}

// revokeToken revokes a token of the caller. A text that is no token is as good as a revoked one
// (RFC 7009 section 2.2).
func (a *API) revokeToken(r *http.Request, caller verify.Caller, value string) error {
	t, err := a.Authenticator.Verify.Engine.ReadToken(r.Context(), value)
	if errors.Is(err, fault.TokenInvalid) {
		return nil
	}
	if err != nil {
		return err
	}
	k, _ := caller.Key()
	if t.Key != k.ID {
		return &protocolError{"unauthorized_client", "The token was issued to another client, which must revoke it."}
	}
	// Nothing counts tokens that are issued, so a revocation counts as a change, not as one that
	// only takes authority away: otherwise a key could fill the audit trail.
	if err := a.Middleware.AdmitChange(caller.Principal, false); err != nil {
		return err
	}
	return a.Tokens.Revoke(r.Context(), caller.Principal, k, cloned(t))
}

// cloned returns the token without the memory of the request.
func cloned(t credential.AccessToken) credential.AccessToken {
	t.Scopes = nil
	return t
}
