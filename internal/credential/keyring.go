package credential

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

// Keyring holds the server keys of all versions in use. It is safe for concurrent use.
type Keyring struct {
	root   Root
	random io.Reader
	now    func() time.Time
	dummy  Digest
	keys   atomic.Pointer[keySet]
}

// NewKeyring derives the keys of the versions. The current version of a purpose is the newest one
// that has begun.
func NewKeyring(root Root, versions []Version, random io.Reader, now func() time.Time) (*Keyring, error) {
	k := &Keyring{root: root, random: random, now: now}
	readRandom(random, k.dummy[:])
	return k, k.Use(versions)
}

// Use replaces the keys by those of the given versions.
func (k *Keyring) Use(versions []Version) error {
	if old := k.keys.Load(); old != nil && slices.Equal(old.versions, versions) {
		return nil
	}
	replacement, err := newKeySet(k.root, versions)
	if err == nil {
		k.keys.Store(replacement)
	}
	return err
}

// Issued is a new credential. Secret and Value are shown once.
type Issued struct {
	Shape Shape
	// PublicID is "" in style uuid, which uses the key's own id instead.
	PublicID string
	// Lookup is the text by which the key is found. It is unique.
	Lookup string
	Secret Secret
	// Value is the credential in one piece, as a client sends it.
	Value Secret
	// Last4 are the last four characters of the secret.
	Last4 string
	// TagVersion is the version of the server key that made the id's tag.
	TagVersion int
}

// Issue returns a new random credential of the shape, which must have no faults.
func (k *Keyring) Issue(shape Shape) Issued {
	issue := issueToken
	switch shape.Style {
	case Pair:
		issue = issuePair
	case Client:
		issue = issueClient
	case UUID:
		issue = issueUUID
	}
	tag := k.keys.Load().tags.current(k.now())
	return issue(tag.key, shape, k.random).withShape(shape, tag.Number)
}

// Reissue returns a credential with a new secret for an id that Issue made with this shape and tag
// version. A credential of style uuid is id and secret in one, so all of it is new.
func (k *Keyring) Reissue(shape Shape, publicID string, tagVersion int) Issued {
	reissue := reissueToken
	switch shape.Style {
	case Pair:
		reissue = reissuePair
	case Client:
		reissue = reissueClient
	case UUID:
		return k.Issue(shape)
	}
	return reissue(shape, publicID, k.random).withShape(shape, tagVersion)
}

// Assemble returns the credential of the shape with this public id and secret. It does not set
// TagVersion.
func Assemble(shape Shape, publicID string, secret Secret) Issued {
	assemble := assembleToken
	switch shape.Style {
	case Pair:
		assemble = assemblePair
	case Client:
		assemble = assembleClient
	case UUID:
		assemble = assembleUUID
	}
	return assemble(shape, publicID, secret.Reveal()).withShape(shape, 0)
}

// withShape returns the credential with the fields that are the same for all styles.
func (m Issued) withShape(shape Shape, tagVersion int) Issued {
	m.Shape, m.TagVersion = shape, tagVersion
	secret := m.Secret.Reveal()
	m.Last4 = secret[len(secret)-4:]
	return m
}

// DummyCompare does the work of a comparison, so that an unknown id takes as long as a wrong
// secret. The result is always false.
func (k *Keyring) DummyCompare(p Parsed) bool { return p.Matches("key_none", k.dummy) }

// Row identifies the database row of a sealed text. It is the associated data of the encryption: a
// text that is moved to another row does not open.
type Row struct {
	Key ident.KeyID
	// Serial is the number of the secret among the secrets of its key, from 1.
	Serial int
}

// Sealed is a ciphertext with the version of the server key that encrypted it.
type Sealed struct {
	Version int
	Bytes   []byte // nonce, ciphertext, tag
}

// SealingVersion returns the version that now seals digests and copies. They are rotated together.
func (k *Keyring) SealingVersion() Version { return k.keys.Load().digests.current(k.now()).Version }

// SealDigest encrypts the digest under the current server key and binds it to its row.
func (k *Keyring) SealDigest(d Digest, row Row) Sealed {
	return k.keys.Load().digests.seal(k.now(), d[:], row.data(DigestPurpose), k.random)
}

// OpenDigest decrypts a digest that SealDigest encrypted. It fails if the row is another one, if
// the text was changed, and if the version is not in the keyring.
func (k *Keyring) OpenDigest(s Sealed, row Row) (Digest, error) {
	keys := k.keys.Load()
	return openDigest(&keys.digests, s, row.data(DigestPurpose))
}

func openDigest(keys *sealKeys, s Sealed, data []byte) (d Digest, err error) {
	plain, err := keys.open(s, data)
	if err != nil {
		return d, err
	}
	if copy(d[:], plain) != len(d) {
		return d, fmt.Errorf("sealed digest has %d bytes", len(plain))
	}
	return d, nil
}

// SealCopy encrypts a secret that can be shown again and binds it to its row and its tenant.
func (k *Keyring) SealCopy(secret Secret, tenant ident.TenantID, row Row) Sealed {
	return k.keys.Load().copies.seal(k.now(), []byte(secret.Reveal()), row.data(CopyPurpose, string(tenant)), k.random)
}

// OpenCopy decrypts a secret that SealCopy encrypted. It fails if the row or the tenant is another
// one, if the text was changed, and if the version is not in the keyring.
func (k *Keyring) OpenCopy(s Sealed, tenant ident.TenantID, row Row) (Secret, error) {
	plain, err := k.keys.Load().copies.open(s, row.data(CopyPurpose, string(tenant)))
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(string(plain)), nil
}

// SealCursor returns a cursor that only OpenCursor with the same binding opens. A client can
// neither read it nor forge it nor use it for another list.
func (k *Keyring) SealCursor(plain []byte, binding ...string) string {
	sealed := k.keys.Load().cursors.seal(k.now(), plain, fields(CursorPurpose, binding...), k.random)
	return cursorText(sealed)
}

// cursorText returns the only valid text of a sealed cursor.
func cursorText(s Sealed) string {
	return strconv.Itoa(s.Version) + "." + base64.RawURLEncoding.EncodeToString(s.Bytes)
}

// OpenCursor decrypts a cursor that SealCursor made. ok is false for anything else, also for
// another spelling of the same cursor. For example, the decoder of base64 skips line breaks.
func (k *Keyring) OpenCursor(cursor string, binding ...string) (plain []byte, ok bool) {
	number, text, _ := strings.Cut(cursor, ".")
	version, err := strconv.Atoi(number)
	if err != nil {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	sealed := Sealed{Version: version, Bytes: raw}
	if err != nil || cursorText(sealed) != cursor {
		return nil, false
	}
	plain, err = k.keys.Load().cursors.open(sealed, fields(CursorPurpose, binding...))
	return plain, err == nil
}

// data returns the associated data of a sealed text.
func (r Row) data(purpose Purpose, more ...string) []byte {
	return fields(purpose, append([]string{string(r.Key), strconv.Itoa(r.Serial)}, more...)...)
}

// fields returns the purpose and the texts, each preceded by its length.
func fields(purpose Purpose, texts ...string) []byte {
	data := appendField(nil, string(purpose))
	for _, t := range texts {
		data = appendField(data, t)
	}
	return data
}
