package credential

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// RootBytes is the length of a root secret.
const RootBytes = 32

// Root is the one secret from which every server key is derived. It is kept in a file of mode 0600,
// an environment variable or a mounted secret, as 43 characters of unpadded base64url. Printing it
// shows "[redacted]", as for [Secret].
type Root struct{ text Secret }

// NewRoot returns a random root secret.
func NewRoot(random io.Reader) Root {
	var raw [RootBytes]byte
	readRandom(random, raw[:])
	return Root{text: NewSecret(base64.RawURLEncoding.EncodeToString(raw[:]))}
}

// ParseRoot parses a root secret. It ignores white space around it, because files end in a newline.
func ParseRoot(text string) (Root, error) {
	text = strings.TrimSpace(text)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != RootBytes || strings.ContainsAny(text, "\r\n") { // the decoder skips line breaks
		return Root{}, errors.New("the root secret must be 32 bytes in unpadded base64url (43 characters)")
	}
	return Root{text: NewSecret(text)}, nil
}

// Text returns the root secret in the form in which it is kept.
func (r Root) Text() Secret { return r.text }

// Purpose is what a server key is for. Its text is the label of the derivation and never changes.
type Purpose string

// The purposes of server keys.
const (
	TagPurpose    Purpose = "tag"
	DigestPurpose Purpose = "digest"
	CursorPurpose Purpose = "cursor"
	// CopyPurpose seals the secrets of recoverable tenants.
	CopyPurpose Purpose = "copy"
	// SessionPurpose tags the tokens of sessions and links. Its versions are those of the keys of
	// access tokens, too.
	SessionPurpose Purpose = "session"
	// ManagementTagPurpose and ManagementDigestPurpose are the tag and the digest of management
	// keys. A database has them once the upgrade to schema 17 is finished.
	ManagementTagPurpose    Purpose = "management_tag"
	ManagementDigestPurpose Purpose = "management_digest"
	// SecondFactorPurpose encrypts the secrets of second factors. Its versions are those of
	// DigestPurpose, so that it needs none of its own on record.
	SecondFactorPurpose Purpose = "second_factor"
	checkPurpose        Purpose = "check"
	auditPurpose        Purpose = "audit"
	setupPurpose        Purpose = "setup"
	// linkPurpose derives the tokens of links in mail.
	linkPurpose Purpose = "link"
	// accessTagPurpose and accessTokenPurpose are the tag and the encryption of access tokens.
	accessTagPurpose   Purpose = "access_tag"
	accessTokenPurpose Purpose = "access_token"
	// signingPurpose encrypts the private keys that sign JWTs, signingTagPurpose is the tag of
	// their ids.
	signingPurpose    Purpose = "signing_key"
	signingTagPurpose Purpose = "signing_tag"
)

// derive returns the key of a purpose and version, 32 bytes, by HKDF-SHA-256 (RFC 5869) with the
// label as info.
func (r Root) derive(purpose Purpose, version int) []byte {
	raw, err := base64.RawURLEncoding.DecodeString(r.text.Reveal())
	if err != nil {
		panic("credential: a Root was made without NewRoot or ParseRoot")
	}
	key, err := hkdf.Key(sha256.New, raw, nil, fmt.Sprintf("claviger/v1/%s/%d", purpose, version), 32)
	if err != nil {
		panic(fmt.Sprintf("credential: HKDF of 32 bytes failed: %v", err))
	}
	return key
}

// AuditKey returns the key that authenticates the heads of audit chains. Its versions are never
// retired, because old heads must still be checked.
func (r Root) AuditKey(version int) []byte { return r.derive(auditPurpose, version) }

// Fingerprint returns a text by which a database recognises its root secret. It reveals nothing
// about any key.
func (r Root) Fingerprint() string {
	return base64.RawURLEncoding.EncodeToString(r.derive(checkPurpose, 1))
}
