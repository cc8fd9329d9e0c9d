package credential

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

// An opaque access token carries everything that a decision needs to find the key that it stands
// for, so that none is stored:
//
//	clv_at_AAAAAXk3…base64url…9f3b0c5d7e1a2b4c
//	│      │                  └ tag: truncated HMAC of the text before it
//	│      └ version of the server key, nonce and ciphertext of the [AccessToken]
//	└ fixed words; no new key of a tenant has the label (see [ReservedLabel])
//
// Tag and encryption have keys of their own. Their versions are those of [SessionPurpose], which
// are rotated and retired with them.
const accessTokenWords = "clv_at_"

// maxAccessToken bounds the length of an opaque access token, in characters.
const maxAccessToken = 8 << 10

// MaxAccessTokenLifetime is how long an access token is valid at most.
const MaxAccessTokenLifetime = 24 * time.Hour

// AccessToken is what an access token says. It was issued for one secret of a key, and dies with
// it.
type AccessToken struct {
	ID  AccessTokenID
	Key ident.KeyID
	// Lookup finds the key, and Serial is the number of the secret that the token was issued for.
	Lookup string
	Serial int
	// Narrowed is set if the token has only Scopes, of those that the key has.
	Narrowed          bool
	Scopes            []string
	IssuedAt, Expires time.Time
}

// AccessTokenID identifies an access token (`jti` of RFC 7519).
type AccessTokenID [16]byte

// String returns the id in hexadecimal.
func (id AccessTokenID) String() string { return hex.EncodeToString(id[:]) }

// NewAccessTokenID returns a random id.
func (k *Keyring) NewAccessTokenID() (id AccessTokenID) {
	readRandom(k.random, id[:])
	return id
}

// accessKeys are the keys of access tokens of one version.
type accessKeys struct {
	tag  *tagger
	seal sealKeys
}

func newAccessKeys(root Root, v Version) accessKeys {
	keys := accessKeys{tag: newTagger(root.derive(accessTagPurpose, v.Number))}
	keys.seal.add(v, root.derive(accessTokenPurpose, v.Number))
	return keys
}

// HasAccessTokenForm reports whether a text begins like an opaque access token. It may be invalid.
func HasAccessTokenForm(value string) bool { return strings.HasPrefix(value, accessTokenWords) }

// IssueAccessToken returns the token that says this.
func (k *Keyring) IssueAccessToken(t AccessToken) Secret {
	text := k.SealAccessToken(t)
	tag := k.keys.Load().access.current(k.now()).key.tag
	return NewSecret(accessTokenWords + text + tag.tokenTag(accessTokenKind, text))
}

// accessTokenKind is what the tag of an access token is made for.
const accessTokenKind TokenKind = "access"

// ParseAccessToken returns what an opaque access token says. ok is false for a text that this
// server did not issue. It reads nothing from the database, and does not check the expiry.
func (k *Keyring) ParseAccessToken(value string) (t AccessToken, ok bool) {
	rest, found := strings.CutPrefix(value, accessTokenWords)
	if !found || len(value) > maxAccessToken || len(rest) <= opaqueTagLen {
		return AccessToken{}, false
	}
	text, tag := rest[:len(rest)-opaqueTagLen], rest[len(rest)-opaqueTagLen:]
	for _, version := range k.keys.Load().access {
		want := version.key.tag.tokenTag(accessTokenKind, text)
		if subtle.ConstantTimeCompare([]byte(want), []byte(tag)) == 1 {
			return k.OpenAccessToken(text)
		}
	}
	return AccessToken{}, false
}

// SealAccessToken encrypts what a token says, as base64url. A JWT carries it in a claim.
func (k *Keyring) SealAccessToken(t AccessToken) string {
	current := k.keys.Load().access.current(k.now())
	sealed := current.key.seal.seal(k.now(), t.encode(), fields(accessTokenPurpose), k.random)
	raw := binary.BigEndian.AppendUint32(nil, uint32(sealed.Version))
	return base64.RawURLEncoding.EncodeToString(append(raw, sealed.Bytes...))
}

// OpenAccessToken decrypts what SealAccessToken encrypted. ok is false for anything else, also for
// another spelling of it.
func (k *Keyring) OpenAccessToken(text string) (t AccessToken, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 4 || strings.ContainsAny(text, "\r\n") { // the decoder skips line breaks
		return AccessToken{}, false
	}
	sealed := Sealed{Version: int(binary.BigEndian.Uint32(raw)), Bytes: raw[4:]}
	for _, version := range k.keys.Load().access {
		if version.Number != sealed.Version {
			continue
		}
		plain, err := version.key.seal.open(sealed, fields(accessTokenPurpose))
		if err != nil {
			return AccessToken{}, false
		}
		t, err = decodeAccessToken(plain)
		return t, err == nil
	}
	return AccessToken{}, false
}

// accessTokenFormat is the first byte of the encoding.
const accessTokenFormat = 1

// encode returns the encoding of the token: format, id, times in Unix microseconds, and the rest
// with lengths.
func (t AccessToken) encode() []byte {
	b := append([]byte{accessTokenFormat}, t.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.IssuedAt.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Expires.UnixMicro()))
	b = binary.AppendUvarint(b, uint64(t.Serial))
	b = appendShort(b, string(t.Key))
	b = appendShort(b, t.Lookup)
	if !t.Narrowed {
		return b
	}
	b = append(b, 1)
	for _, name := range t.Scopes {
		b = appendShort(b, name)
	}
	return b
}

func appendShort(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// errAccessToken says that an encoding is cut short, which only a bug of this program causes.
var errAccessToken = errors.New("an access token is cut short")

// decodeAccessToken is the reverse of encode.
func decodeAccessToken(b []byte) (t AccessToken, err error) {
	const fixed = 1 + len(t.ID) + 8 + 8
	if len(b) < fixed || b[0] != accessTokenFormat {
		return AccessToken{}, errAccessToken
	}
	copy(t.ID[:], b[1:])
	t.IssuedAt = time.UnixMicro(int64(binary.BigEndian.Uint64(b[fixed-16:])))
	t.Expires = time.UnixMicro(int64(binary.BigEndian.Uint64(b[fixed-8:])))
	r := shortReader{rest: string(b[fixed:])}
	t.Serial = int(r.number())
	t.Key = ident.KeyID(r.text())
	t.Lookup = r.text()
	t.Narrowed = r.rest != ""
	if t.Narrowed && r.number() != 1 {
		return AccessToken{}, errAccessToken
	}
	for r.rest != "" && !r.short {
		t.Scopes = append(t.Scopes, r.text())
	}
	if r.short {
		return AccessToken{}, errAccessToken
	}
	return t, nil
}

// shortReader reads numbers and texts that appendShort wrote. All texts share the memory of rest.
type shortReader struct {
	rest  string
	short bool
}

func (r *shortReader) number() (n uint64) {
	for shift := 0; ; shift += 7 {
		if r.rest == "" || shift > 63 {
			r.rest, r.short = "", true
			return 0
		}
		digit := r.rest[0]
		r.rest = r.rest[1:]
		n |= uint64(digit&0x7f) << shift
		if digit < 0x80 {
			return n
		}
	}
}

func (r *shortReader) text() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.rest, r.short = "", true
		return ""
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

// SealSigningKey encrypts the private key that signs JWTs, and binds it to its id. Its server key
// is never rotated: signing keys are replaced themselves.
func (k *Keyring) SealSigningKey(private []byte, id string) []byte {
	keys := k.signingKeys()
	return keys.seal(k.now(), private, fields(signingPurpose, id), k.random).Bytes
}

// OpenSigningKey decrypts what SealSigningKey encrypted.
func (k *Keyring) OpenSigningKey(sealed []byte, id string) ([]byte, error) {
	keys := k.signingKeys()
	return keys.open(Sealed{Version: 1, Bytes: sealed}, fields(signingPurpose, id))
}

// signingKeyKind is what the tag of a signing key's id is made for.
const signingKeyKind TokenKind = "signing_key"

// TagSigningKeyID returns the id of a signing key with a tag, by which every node recognises it.
func (k *Keyring) TagSigningKeyID(text string) string {
	return text + newTagger(k.root.derive(signingTagPurpose, 1)).tokenTag(signingKeyKind, text)
}

// SigningKeyIDTagged reports whether this server, or another node of it, made the id of a signing
// key. It reads nothing from the database.
func (k *Keyring) SigningKeyIDTagged(id string) bool {
	if len(id) <= opaqueTagLen {
		return false
	}
	want := k.TagSigningKeyID(id[:len(id)-opaqueTagLen])
	return subtle.ConstantTimeCompare([]byte(want), []byte(id)) == 1
}

func (k *Keyring) signingKeys() (keys sealKeys) {
	keys.add(Version{Purpose: signingPurpose, Number: 1}, k.root.derive(signingPurpose, 1))
	return keys
}
