package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

// TokenKind is what an opaque token is for. A token of one kind is not accepted as another kind.
type TokenKind string

// The kinds: the sessions of people, and the links that a person opens once.
const (
	// SessionToken is the cookie of a sign-in at Claviger itself.
	SessionToken TokenKind = "session"
	// GatewayToken is the cookie of a sign-in at the gateway, which is good there alone.
	GatewayToken TokenKind = "gateway_session"
	// PasswordToken is what a program got for the password of a person, in a tenant that allows it.
	// It is good at the gateway, for that tenant alone.
	PasswordToken TokenKind = "password_session"
	// HalfToken is the cookie of a person who has given their password and not yet the second
	// factor.
	HalfToken       TokenKind = "half_session"
	SetupToken      TokenKind = "setup"
	InvitationToken TokenKind = "invitation"
	ClaimToken      TokenKind = "claim"
	ResetToken      TokenKind = "password_reset"
	// EmailChangeToken confirms another e-mail address.
	EmailChangeToken TokenKind = "email_change"
)

// The layout of an opaque token: 256 random bits in base64url, and a tag of 64 bits in hexadecimal.
// For a set-up link and a link in mail, the 256 bits are an HMAC. The tag refuses tokens that this
// server never issued without a read.
const (
	opaqueRandomBytes = 32 // bytes
	opaqueTextLen     = 43 // characters
	opaqueTagLen      = 16 // characters
)

// IssueToken returns a new random token.
func (k *Keyring) IssueToken(kind TokenKind) Secret {
	var raw [opaqueRandomBytes]byte
	readRandom(k.random, raw[:])
	return k.tagToken(kind, base64.RawURLEncoding.EncodeToString(raw[:]))
}

// DeriveSetupToken returns the token of a set-up link. It is derived from the root secret and the
// link's id, so that another node, or this one after a restart, can show the link again although
// only the token's hash is stored.
func (k *Keyring) DeriveSetupToken(link ident.LinkID) Secret {
	return k.tagToken(SetupToken, k.setupText(link))
}

// FindSetupToken returns the derived token of a set-up link if it has the hash, under whichever
// version of the key it was tagged. It returns false if the link has a random token.
func (k *Keyring) FindSetupToken(link ident.LinkID, hash TokenHash) (Secret, bool) {
	return k.findToken(SetupToken, k.setupText(link), hash)
}

// DeriveLinkToken returns the token of a link that is mailed at that time. It is derived from the
// root secret, the kind, the link's id and the time, so that the node that sends the message knows
// it although only its hash is stored. The next message about the link has another token.
func (k *Keyring) DeriveLinkToken(kind TokenKind, link ident.LinkID, mailedAt time.Time) Secret {
	return k.tagToken(kind, k.linkText(kind, link, mailedAt))
}

// FindLinkToken returns the token that DeriveLinkToken returned if it has the hash, under whichever
// version of the key it was tagged.
func (k *Keyring) FindLinkToken(kind TokenKind, link ident.LinkID, mailedAt time.Time, hash TokenHash) (Secret, bool) {
	return k.findToken(kind, k.linkText(kind, link, mailedAt), hash)
}

// tagToken returns the text with its tag under the current version of the key.
func (k *Keyring) tagToken(kind TokenKind, text string) Secret {
	return NewSecret(text + k.keys.Load().tokenTags.current(k.now()).key.tokenTag(kind, text))
}

// findToken returns the text with the tag, under any version, whose hash is the given one.
func (k *Keyring) findToken(kind TokenKind, text string, hash TokenHash) (Secret, bool) {
	for _, t := range k.keys.Load().tokenTags {
		if token := text + t.key.tokenTag(kind, text); HashToken(token) == hash {
			return NewSecret(token), true
		}
	}
	return Secret{}, false
}

func (k *Keyring) setupText(link ident.LinkID) string {
	return k.derivedText(setupPurpose, []byte(link))
}

func (k *Keyring) linkText(kind TokenKind, link ident.LinkID, mailedAt time.Time) string {
	return k.derivedText(linkPurpose,
		fields(linkPurpose, string(kind), string(link), strconv.FormatInt(mailedAt.UnixMicro(), 10)))
}

// derivedText returns the first part of a derived token.
func (k *Keyring) derivedText(purpose Purpose, of []byte) string {
	mac := hmac.New(sha256.New, k.root.derive(purpose, 1))
	mac.Write(of)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) // opaqueRandomBytes bytes
}

// TokenTagged reports whether the token has a valid tag for its kind. It reads nothing from the
// database.
func (k *Keyring) TokenTagged(kind TokenKind, token string) bool {
	if len(token) != opaqueTextLen+opaqueTagLen {
		return false
	}
	text, tag := token[:opaqueTextLen], token[opaqueTextLen:]
	for _, t := range k.keys.Load().tokenTags {
		if subtle.ConstantTimeCompare([]byte(t.key.tokenTag(kind, text)), []byte(tag)) == 1 {
			return true
		}
	}
	return false
}

// tokenTag returns the tag of an opaque token. The kind takes the place of the style of a key.
func (t *tagger) tokenTag(kind TokenKind, text string) string {
	return fmt.Sprintf("%016x", t.sum(Style(kind), text))
}

// TokenHash is what is stored of a token, so that a stolen database has no tokens.
type TokenHash [sha256.Size]byte

// HashToken returns what is stored of a token.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }
