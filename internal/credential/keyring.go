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

// Keyring holds the server keys of every live version. It is safe for concurrent use.
type Keyring struct {
	root   Root
	random io.Reader
	now    func() time.Time
	dummy  Digest
	ring   atomic.Pointer[ring]
}

// NewKeyring derives the keys of the versions; of each purpose the newest that has begun is the current one.
func NewKeyring(root Root, versions []Version, random io.Reader, now func() time.Time) (*Keyring, error) {
	k := &Keyring{root: root, random: random, now: now}
	fill(random, k.dummy[:])
	return k, k.Use(versions)
}

// Use puts the keys of these versions in the place of those that were used before.
func (k *Keyring) Use(versions []Version) error {
	if old := k.ring.Load(); old != nil && slices.Equal(old.versions, versions) {
		return nil
	}
	fresh, err := newRing(k.root, versions)
	if err == nil {
		k.ring.Store(fresh)
	}
	return err
}

// Minted is a new credential. Secret and Value are shown once.
type Minted struct {
	Shape Shape
	// PublicID is "" in style uuid, where the key's own id stands in.
	PublicID string
	// Lookup is the text under which the row is found; unique.
	Lookup string
	Secret Secret
	// Value is what a client sends as one piece.
	Value Secret
	// Last4 characters of the secret.
	Last4 string
	// TagVersion is the version of the key that the id's tag is under.
	TagVersion int
}

// Mint draws a new credential of the shape, which must be free of faults.
func (k *Keyring) Mint(shape Shape) Minted {
	mint := mintToken
	switch shape.Style {
	case Pair:
		mint = mintPair
	case Client:
		mint = mintClient
	case UUID:
		mint = mintUUID
	}
	tag := k.ring.Load().tags.current(k.now())
	return mint(tag.key, shape, k.random).of(shape, tag.Number)
}

// Renew draws a new secret for an id that Mint made in the shape under the version. A uuid is id and secret in one, so all of it is new.
func (k *Keyring) Renew(shape Shape, publicID string, tagVersion int) Minted {
	renew := renewToken
	switch shape.Style {
	case Pair:
		renew = renewPair
	case Client:
		renew = renewClient
	case UUID:
		return k.Mint(shape)
	}
	return renew(shape, publicID, k.random).of(shape, tagVersion)
}

// Whole puts a credential of the shape together again from its public id and its secret. It does not tell the version of the tag.
func Whole(shape Shape, publicID string, secret Secret) Minted {
	whole := wholeToken
	switch shape.Style {
	case Pair:
		whole = wholePair
	case Client:
		whole = wholeClient
	case UUID:
		whole = wholeUUID
	}
	return whole(shape, publicID, secret.Reveal()).of(shape, 0)
}

func (m Minted) of(shape Shape, tagVersion int) Minted {
	m.Shape, m.TagVersion = shape, tagVersion
	secret := m.Secret.Reveal()
	m.Last4 = secret[len(secret)-4:]
	return m
}

// Waste does the work of comparing a credential with nothing, so that an unknown id costs what a wrong secret costs.
func (k *Keyring) Waste(p Presented) bool { return p.Proves("key_none", k.dummy) }

// Row identifies the place a sealed text belongs to. It is the associated data: moved to another row, the text does not open.
type Row struct {
	Key ident.KeyID
	// Serial counts the secrets of a key from 1.
	Serial int
}

// Sealed is a ciphertext and the version of the server key it is under.
type Sealed struct {
	Version int
	Bytes   []byte // nonce, ciphertext, tag
}

// Sealing gives the version that digests and copies are now sealed under: they are rotated together.
func (k *Keyring) Sealing() Version { return k.ring.Load().digests.current(k.now()).Version }

// SealDigest encrypts the digest under the current server key, bound to its row.
func (k *Keyring) SealDigest(d Digest, row Row) Sealed {
	return k.ring.Load().digests.seal(k.now(), d[:], row.data(DigestPurpose), k.random)
}

// OpenDigest decrypts what SealDigest made. It fails for another row, a changed text, and a version that is not kept.
func (k *Keyring) OpenDigest(s Sealed, row Row) (Digest, error) {
	var d Digest
	plain, err := k.ring.Load().digests.open(s, row.data(DigestPurpose))
	if err != nil {
		return d, err
	}
	if copy(d[:], plain) != len(d) {
		return d, fmt.Errorf("sealed digest has %d bytes", len(plain))
	}
	return d, nil
}

// SealCopy encrypts a secret that can be shown again, bound to its row and its tenant.
func (k *Keyring) SealCopy(secret Secret, tenant ident.TenantID, row Row) Sealed {
	return k.ring.Load().copies.seal(k.now(), []byte(secret.Reveal()), row.data(CopyPurpose, string(tenant)), k.random)
}

// OpenCopy decrypts what SealCopy made. It fails for another row or tenant, a changed text, and a version that is not kept.
func (k *Keyring) OpenCopy(s Sealed, tenant ident.TenantID, row Row) (Secret, error) {
	plain, err := k.ring.Load().copies.open(s, row.data(CopyPurpose, string(tenant)))
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(string(plain)), nil
}

// SealCursor makes a cursor that only OpenCursor with the same binding opens: it can be neither read nor forged nor moved to another list.
func (k *Keyring) SealCursor(plain []byte, bound ...string) string {
	sealed := k.ring.Load().cursors.seal(k.now(), plain, fields(CursorPurpose, bound...), k.random)
	return strconv.Itoa(sealed.Version) + "." + base64.RawURLEncoding.EncodeToString(sealed.Bytes)
}

// OpenCursor opens what SealCursor made; ok is false for anything else.
func (k *Keyring) OpenCursor(cursor string, bound ...string) (plain []byte, ok bool) {
	number, text, _ := strings.Cut(cursor, ".")
	version, err := strconv.Atoi(number)
	if err != nil {
		return nil, false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, false
	}
	plain, err = k.ring.Load().cursors.open(Sealed{Version: version, Bytes: sealed}, fields(CursorPurpose, bound...))
	return plain, err == nil
}

func (r Row) data(purpose Purpose, more ...string) []byte {
	return fields(purpose, append([]string{string(r.Key), strconv.Itoa(r.Serial)}, more...)...)
}

func fields(purpose Purpose, texts ...string) []byte {
	data := appendField(nil, string(purpose))
	for _, t := range texts {
		data = appendField(data, t)
	}
	return data
}
