package token

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// maxJWT bounds the length of a JWT, in characters.
const maxJWT = 16 << 10

// jwtType is the `typ` of access tokens (RFC 9068 section 2.1).
const jwtType = "at+jwt"

// claims are those of a token (RFC 9068 section 2.2), and our own.
type claims struct {
	jwt.Claims
	ClientID string `json:"client_id"`
	Scope    string `json:"scope,omitempty"`
	TenantID string `json:"tenant_id"`
	KeyID    string `json:"key_id"`
	// Sealed is the token as this server reads it.
	Sealed string `json:"clv"`
}

// sign returns the token as a JWT, signed by the tenant's algorithm.
func (s *Service) sign(ctx context.Context, g Grant, t credential.AccessToken,
	granted scope.Set,
) (credential.Secret, error) {
	algorithm := cmp.Or(g.Settings.TokenAlgorithm, policy.RS256)
	key, err := s.signer(ctx, algorithm)
	if err != nil {
		return credential.Secret{}, err
	}
	permit, err := s.SignGate.Acquire(ctx, admission.Caller(g.Key.Tenant))
	if err != nil {
		return credential.Secret{}, err
	}
	defer permit.Release()
	options := (&jose.SignerOptions{}).WithType(jwtType).WithHeader("kid", key.id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.algorithm, Key: key.private}, options)
	if err != nil {
		return credential.Secret{}, fmt.Errorf("signer of JWTs: %w", err)
	}
	text, err := jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: s.Issuer, Subject: string(g.Key.Owner.ID),
			Audience: jwt.Audience{cmp.Or(g.Settings.TokenAudience, s.Issuer)},
			Expiry:   jwt.NewNumericDate(t.Expires), IssuedAt: jwt.NewNumericDate(t.IssuedAt), ID: t.ID.String(),
		},
		ClientID: g.Key.ClientID(), Scope: ScopeText(granted), TenantID: string(g.Key.Tenant),
		KeyID: string(g.Key.ID), Sealed: s.Keyring.SealAccessToken(t),
	}).Serialize()
	if err != nil {
		return credential.Secret{}, fmt.Errorf("sign a JWT: %w", err)
	}
	return credential.NewSecret(text), nil
}

// algorithms are those that this server signs with. No other is accepted.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

// readJWT returns what a JWT of this server says.
func (s *Service) readJWT(ctx context.Context, value string) (t credential.AccessToken, err error) {
	if len(value) > maxJWT || !isCanonical(value) {
		return t, fault.TokenInvalid
	}
	parsed, err := jwt.ParseSigned(value, algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return t, fault.TokenInvalid
	}
	header := parsed.Headers[0]
	if header.ExtraHeaders[jose.HeaderType] != jwtType {
		return t, fault.TokenInvalid
	}
	key, err := s.verifier(ctx, header.KeyID)
	if err != nil {
		return t, err
	}
	if key == nil || string(key.algorithm) != header.Algorithm {
		return t, fault.TokenInvalid // a key has one algorithm
	}
	var c claims
	if parsed.Claims(key.public, &c) != nil {
		return t, fault.TokenInvalid
	}
	t, ok := s.Keyring.OpenAccessToken(c.Sealed)
	if !ok || hex.EncodeToString(t.ID[:]) != c.ID {
		return t, fault.TokenInvalid
	}
	return t, nil
}

// isCanonical reports whether every part of a JWT is in its only valid base64url. The library also
// takes spellings that decode to the same bytes, and a token has one text.
func isCanonical(value string) bool {
	for part := range strings.SplitSeq(value, ".") {
		_, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || strings.ContainsAny(part, "\r\n") { // the decoder skips line breaks
			return false
		}
	}
	return true
}
