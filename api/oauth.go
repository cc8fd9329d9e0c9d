package api

// AccessTokenResponse is a new access token (RFC 6749 section 5.1).
type AccessTokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	// ExpiresIn is how long the token is valid, in seconds.
	ExpiresIn int `json:"expires_in"`
	// Scope lists the scopes that the token has now, separated by spaces.
	Scope string `json:"scope,omitempty"`
}

// OAuthError is an error of the OAuth 2.0 endpoints (RFC 6749 section 5.2).
type OAuthError struct {
	// Error is the code: `invalid_client`, `invalid_request`, `invalid_scope` and others.
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// IntrospectionResponse describes an access token (RFC 7662 section 2.2). Of a token that is not
// valid, or that the caller may not know of, it has only `active`.
type IntrospectionResponse struct {
	Active bool `json:"active"`
	// Scope lists the effective scopes, separated by spaces.
	Scope string `json:"scope,omitempty"`
	// ClientID is the public id of the key, or its id where it has no public one.
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	// Expires and IssuedAt are in seconds since 1970.
	Expires  int64 `json:"exp,omitempty"`
	IssuedAt int64 `json:"iat,omitempty"`
	// Subject is the id of the key's owner.
	Subject string `json:"sub,omitempty"`
	Issuer  string `json:"iss,omitempty"`
	TokenID string `json:"jti,omitempty"`

	TenantID  string `json:"tenant_id,omitempty"`
	AccountID string `json:"account_id,omitempty"`
	KeyID     string `json:"key_id,omitempty"`
}

// KeySet lists the public keys that verify JWTs (RFC 7517 section 5).
type KeySet struct {
	Keys []map[string]any `json:"keys"`
}

// AuthorizationServer describes the OAuth 2.0 endpoints (RFC 8414 section 2).
type AuthorizationServer struct {
	Issuer                string `json:"issuer"`
	TokenEndpoint         string `json:"token_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	// ResponseTypes is empty: there is no browser flow.
	ResponseTypes            []string `json:"response_types_supported"`
	GrantTypes               []string `json:"grant_types_supported"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	// SubjectTypes and SigningAlgorithms are what OpenID Connect Discovery requires. There are no
	// ID tokens: the algorithms are those of access tokens.
	SubjectTypes         []string `json:"subject_types_supported"`
	SigningAlgorithms    []string `json:"id_token_signing_alg_values_supported"`
	ServiceDocumentation string   `json:"service_documentation"`
}
