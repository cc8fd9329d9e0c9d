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

// Root is the one secret every server key is derived from. It is kept in a file of mode 0600, an environment variable or a mounted
// secret, as 43 characters of unpadded base64url. Like [Secret] it does not print.
type Root struct{ text Secret }

// NewRoot draws a root secret.
func NewRoot(random io.Reader) Root {
	var raw [RootBytes]byte
	fill(random, raw[:])
	return Root{text: NewSecret(base64.RawURLEncoding.EncodeToString(raw[:]))}
}

// ParseRoot reads a root secret; white space around it is ignored, since files end in a newline.
func ParseRoot(text string) (Root, error) {
	text = strings.TrimSpace(text)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != RootBytes {
		return Root{}, errors.New("the root secret must be 32 bytes in unpadded base64url (43 characters)")
	}
	return Root{text: NewSecret(text)}, nil
}

// Text is the root secret as it is kept.
func (r Root) Text() Secret { return r.text }

// Purpose is what a derived key is for. Its text is the label of the derivation and never changes.
type Purpose string

// The purposes of server keys.
const (
	TagPurpose    Purpose = "tag"
	DigestPurpose Purpose = "digest"
	CursorPurpose Purpose = "cursor"
	// CopyPurpose seals the secrets of recoverable tenants.
	CopyPurpose Purpose = "copy"
	// SessionPurpose tags the tickets of sign-ins and one-time links.
	SessionPurpose Purpose = "session"
	checkPurpose   Purpose = "check"
)

// derive gives the 32-byte key of a purpose and version: HKDF-SHA-256 (RFC 5869), the label as info.
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

// Check is a fingerprint by which a database knows its root secret. It tells nothing about any key.
func (r Root) Check() string {
	return base64.RawURLEncoding.EncodeToString(r.derive(checkPurpose, 1))
}
