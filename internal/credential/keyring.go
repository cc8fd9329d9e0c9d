package credential

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/ident"
)

// Version of one server key of one purpose; 1 is the first.
type Version struct {
	Purpose Purpose
	Number  int
}

// Keyring holds the server keys of every live version. It is immutable and safe for concurrent use.
type Keyring struct {
	tags tagKeys
	// tickets are the tag keys of sign-ins and one-time links.
	tickets tagKeys
	digests sealKeys
	copies  sealKeys
	cursors sealKeys
	random  io.Reader
	dummy   Digest
}

// FirstVersions is what a new server starts with.
func FirstVersions() []Version {
	return []Version{{TagPurpose, 1}, {DigestPurpose, 1}, {CopyPurpose, 1}, {CursorPurpose, 1}, {SessionPurpose, 1}}
}

// NewKeyring derives the keys of the versions; of each purpose the highest is the current one.
func NewKeyring(root Root, versions []Version, random io.Reader) (*Keyring, error) {
	k := &Keyring{random: random, digests: newSealKeys(), copies: newSealKeys(), cursors: newSealKeys()}
	byAge := slices.SortedFunc(slices.Values(versions), func(a, b Version) int { return a.Number - b.Number })
	for _, v := range byAge {
		key := root.derive(v.Purpose, v.Number)
		switch v.Purpose {
		case TagPurpose:
			k.tags = append(k.tags, newTagger(key))
		case DigestPurpose:
			k.digests.add(v.Number, key)
		case CopyPurpose:
			k.copies.add(v.Number, key)
		case CursorPurpose:
			k.cursors.add(v.Number, key)
		case SessionPurpose:
			k.tickets = append(k.tickets, newTagger(key))
		default:
			return nil, fmt.Errorf("server key of unknown purpose %q", v.Purpose)
		}
	}
	if len(k.tags) == 0 || k.digests.newest == 0 || k.copies.newest == 0 || k.cursors.newest == 0 || len(k.tickets) == 0 {
		return nil, fmt.Errorf("a purpose has no server key among %d versions", len(versions))
	}
	fill(random, k.dummy[:])
	return k, nil
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
}

// Mint draws a new credential of the shape, which must be free of faults.
func (k *Keyring) Mint(shape Shape) Minted {
	mint := k.mintToken
	switch shape.Style {
	case Pair:
		mint = k.mintPair
	case Client:
		mint = k.mintClient
	case UUID:
		mint = k.mintUUID
	}
	return mint(shape, k.random).of(shape)
}

// Renew draws a new secret for an id that Mint made in the shape. A uuid is id and secret in one, so all of it is new.
func (k *Keyring) Renew(shape Shape, publicID string) Minted {
	renew := renewToken
	switch shape.Style {
	case Pair:
		renew = renewPair
	case Client:
		renew = renewClient
	case UUID:
		return k.Mint(shape)
	}
	return renew(shape, publicID, k.random).of(shape)
}

// Whole puts a credential of the shape together again from its public id and its secret.
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
	return whole(shape, publicID, secret.Reveal()).of(shape)
}

func (m Minted) of(shape Shape) Minted {
	m.Shape = shape
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

// SealDigest encrypts the digest under the current server key, bound to its row.
func (k *Keyring) SealDigest(d Digest, row Row) Sealed {
	return k.digests.seal(d[:], row.data(DigestPurpose), k.random)
}

// OpenDigest decrypts what SealDigest made. It fails for another row, a changed text, and a version that is not kept.
func (k *Keyring) OpenDigest(s Sealed, row Row) (Digest, error) {
	var d Digest
	plain, err := k.digests.open(s, row.data(DigestPurpose))
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
	return k.copies.seal([]byte(secret.Reveal()), row.data(CopyPurpose, string(tenant)), k.random)
}

// OpenCopy decrypts what SealCopy made. It fails for another row or tenant, a changed text, and a version that is not kept.
func (k *Keyring) OpenCopy(s Sealed, tenant ident.TenantID, row Row) (Secret, error) {
	plain, err := k.copies.open(s, row.data(CopyPurpose, string(tenant)))
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(string(plain)), nil
}

// SealCursor makes a cursor that only OpenCursor with the same binding opens: it can be neither read nor forged nor moved to another list.
func (k *Keyring) SealCursor(plain []byte, bound ...string) string {
	sealed := k.cursors.seal(plain, fields(CursorPurpose, bound...), k.random)
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
	plain, err = k.cursors.open(Sealed{Version: version, Bytes: sealed}, fields(CursorPurpose, bound...))
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

// sealKeys are the versions of one AES-256-GCM key.
type sealKeys struct {
	aeads  map[int]cipher.AEAD
	newest int
}

func newSealKeys() sealKeys { return sealKeys{aeads: map[int]cipher.AEAD{}} }

func (s *sealKeys) add(version int, key []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(fmt.Sprintf("credential: AES refused a derived key: %v", err))
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(fmt.Sprintf("credential: GCM refused AES: %v", err))
	}
	s.aeads[version] = aead
	s.newest = max(s.newest, version)
}

func (s *sealKeys) seal(plain, data []byte, random io.Reader) Sealed {
	aead := s.aeads[s.newest]
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	fill(random, nonce)
	return Sealed{Version: s.newest, Bytes: aead.Seal(nonce, nonce, plain, data)}
}

func (s *sealKeys) open(sealed Sealed, data []byte) ([]byte, error) {
	aead, ok := s.aeads[sealed.Version]
	if !ok {
		return nil, fmt.Errorf("server key version %d is not kept", sealed.Version)
	}
	if len(sealed.Bytes) < aead.NonceSize() {
		return nil, fmt.Errorf("sealed text of %d bytes is cut short", len(sealed.Bytes))
	}
	nonce, text := sealed.Bytes[:aead.NonceSize()], sealed.Bytes[aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, text, data)
	if err != nil {
		return nil, fmt.Errorf("sealed text does not open under version %d", sealed.Version)
	}
	return plain, nil
}
