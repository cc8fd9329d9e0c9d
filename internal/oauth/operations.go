package oauth

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/web"
)

const tag = "OAuth 2.0"

// route returns a route whose errors have the form of RFC 6749.
func route(method, path string, serve web.Handler, o web.Operation) web.Route {
	o.Tag, o.Anyone = tag, true
	o.Errors = api.OAuthError{}
	return web.Route{Method: method, Path: path, Serve: serve, Operation: o}
}

// clientParameters are those of a client that authenticates in the body.
var clientParameters = []web.FormParameter{
	{Name: "client_id", Description: "The public id of the key, if the client does not use HTTP Basic."},
	{Name: "client_secret", Description: "The secret of the key, if the client does not use HTTP Basic."},
}

// parametersOf returns the parameters of an endpoint with those of the client.
func parametersOf(own ...web.FormParameter) []web.FormParameter {
	return append(own, clientParameters...)
}

// What the OpenAPI document says about the endpoints.
var (
	tokenOperation = web.Operation{
		ID:      "issueToken",
		Summary: "Issue an access token",
		Description: "Client credentials grant (RFC 6749 section 4.4). The client authenticates by HTTP Basic, or by " +
			"`client_id` and `client_secret` in the body: public id and secret of any API key.",
		Form: parametersOf(
			web.FormParameter{Name: "grant_type", Required: true, Description: "`client_credentials`."},
			web.FormParameter{
				Name: "scope",
				Description: "Scopes of the key, separated by spaces, to which the token is limited. Without it, the " +
					"token has the scopes that its key has.",
			}),
		Answers: []any{api.AccessTokenResponse{}},
	}
	introspectOperation = web.Operation{
		ID:      "introspectToken",
		Summary: "Introspect an access token",
		Description: "RFC 7662. The caller authenticates as for a token, or with a bearer token, and needs the scope " +
			"`keys:verify` unless the token is its own.",
		Form: parametersOf(
			web.FormParameter{Name: "token", Required: true, Description: "The access token."},
			web.FormParameter{Name: "token_type_hint", Description: "Ignored."},
			web.FormParameter{
				Name: "ip",
				Description: "The address that sent the token. Without it, a token of a key with `allowed_cidrs` is " +
					"not active.",
			}),
		Answers: []any{api.IntrospectionResponse{}},
	}
	revokeOperation = web.Operation{
		ID:      "revokeToken",
		Summary: "Revoke an access token",
		Description: "RFC 7009. The client authenticates as for a token, or with a bearer token, and revokes tokens " +
			"of its own key. A token that is not valid any more is no error. Once the response has arrived, Claviger " +
			"rejects the token. Programs that verify JWTs by their signature accept it until it expires.",
		Form: parametersOf(
			web.FormParameter{Name: "token", Required: true, Description: "The access token."},
			web.FormParameter{Name: "token_type_hint", Description: "Ignored."}),
	}
	keySetOperation = web.Operation{
		ID: "getKeySet", Summary: "Get the public keys of JWTs",
		Description: "A JSON Web Key Set (RFC 7517). A key is published a day before it signs.",
		Answers:     []any{api.KeySet{}},
	}
)

// document returns the route of the metadata, at one of its addresses.
func (a *API) document(path, id, summary string) web.Route {
	return web.Route{Method: http.MethodGet, Path: path, Serve: a.metadata, Operation: web.Operation{
		ID:      id,
		Tag:     tag,
		Summary: summary,
		Anyone:  true,
		Description: "The endpoints and abilities of the authorization server (RFC 8414). Both addresses have the " +
			"same document.",
		Answers: []any{api.AuthorizationServer{}},
	}}
}
