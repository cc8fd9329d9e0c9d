// Package oauth is the OAuth 2.0 authorization server: tokens for client credentials (RFC 6749
// section 4.4), introspection (RFC 7662), revocation (RFC 7009), the public keys of JWTs (RFC 7517)
// and the metadata (RFC 8414).
//
// A client is an API key of any style: client_id is its public id, client_secret its secret. There
// are no other grants, no refresh tokens and no browser flow.
//
// Every endpoint that has a client runs the same phases, which none can skip:
//
//  1. read the form        form.go: content type, size, repeated parameters
//  2. authenticate         the endpoint's kinds of client authentication, in web.Authenticator
//  3. decide               the endpoint's own rule: scopes, whose token it is
//  4. act                  issue, look up, or revoke (package token)
//  5. write                JSON that nobody may cache; errors by ErrorWriter (error.go)
package oauth

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/token"
	"github.com/claviger-dev/claviger/internal/web"
)

// Tokens issues and revokes access tokens.
type Tokens interface {
	Issue(ctx context.Context, g token.Grant, requested []scope.Scope) (token.Issued, error)
	Revoke(ctx context.Context, who principal.Principal, k principal.Key, t credential.AccessToken) error
	KeySet(ctx context.Context) (json.RawMessage, error)
}

// API serves the endpoints. Its fields are required.
type API struct {
	Authenticator *web.Authenticator
	Middleware    *web.Middleware
	// Problems writes the errors of the documents, which have no client.
	Problems web.ErrorWriter
	Tokens   Tokens
	// BaseURL is the URL of this server, the issuer.
	BaseURL string
}

// The paths (product: HTTP surface).
const (
	tokenPath      = "/oauth2/token"
	introspectPath = "/oauth2/introspect"
	revokePath     = "/oauth2/revoke"
	keySetPath     = "/oauth2/jwks"
)

// Mount adds the routes.
func (a *API) Mount(router *web.Router) {
	router.Mount("/oauth2", ErrorWriter{},
		route(http.MethodPost, tokenPath, endpoint(a.token), tokenOperation),
		route(http.MethodPost, introspectPath, endpoint(a.introspect), introspectOperation),
		route(http.MethodPost, revokePath, endpoint(a.revoke), revokeOperation),
		route(http.MethodGet, keySetPath, a.keySet, keySetOperation))
	router.Mount("/.well-known", a.Problems,
		a.document("/.well-known/oauth-authorization-server", "getAuthorizationServer",
			"Get the metadata of the authorization server"),
		a.document("/.well-known/openid-configuration", "getOpenIDConfiguration",
			"Get the metadata at the address of OpenID Connect Discovery"))
}

// metadata describes the server.
func (a *API) metadata(w http.ResponseWriter, _ *http.Request) error {
	return web.WriteJSON(w, http.StatusOK, api.AuthorizationServer{
		Issuer: a.BaseURL, TokenEndpoint: a.BaseURL + tokenPath, JWKSURI: a.BaseURL + keySetPath,
		IntrospectionEndpoint: a.BaseURL + introspectPath, RevocationEndpoint: a.BaseURL + revokePath,
		ResponseTypes: []string{}, GrantTypes: []string{clientCredentials},
		TokenAuthMethods:         []string{"client_secret_basic", "client_secret_post"},
		IntrospectionAuthMethods: []string{"client_secret_basic", "client_secret_post"},
		RevocationAuthMethods:    []string{"client_secret_basic", "client_secret_post"},
		SubjectTypes:             []string{"public"},
		SigningAlgorithms:        signingAlgorithms(),
		ServiceDocumentation:     a.BaseURL + "/docs",
	})
}

// signingAlgorithms are those that a tenant can choose.
func signingAlgorithms() (names []string) {
	for _, a := range policy.TokenAlgorithms() {
		names = append(names, string(a))
	}
	return names
}

// keySet serves the public keys of JWTs.
func (a *API) keySet(w http.ResponseWriter, r *http.Request) error {
	if err := a.Middleware.AdmitAnonymous(w, r); err != nil {
		return err
	}
	set, err := a.Tokens.KeySet(r.Context())
	if err != nil {
		if fault.KindOf(err) == fault.Internal {
			err = fault.Wrap(fault.Unavailable, err, "The keys cannot be read right now. Try again.")
		}
		return err
	}
	return web.WriteJSON(w, http.StatusOK, set)
}
