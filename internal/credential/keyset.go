package credential

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"slices"
	"time"
)

// Version is one version of the server key of a purpose.
type Version struct {
	Purpose Purpose
	// Number is the number of the version, from 1.
	Number int
	// From is when the version begins to be used for new texts; zero for from the beginning. It
	// opens and recognises texts of other nodes before that. So all nodes know a version before one
	// of them uses it.
	From time.Time
}

// FirstVersions returns the versions of a new server.
func FirstVersions() (first []Version) {
	for _, p := range []Purpose{
		TagPurpose, DigestPurpose, CopyPurpose, CursorPurpose, SessionPurpose, ManagementTagPurpose,
		ManagementDigestPurpose,
	} {
		first = append(first, Version{Purpose: p, Number: 1})
	}
	return first
}

// keySet holds the keys of some versions. It does not change.
type keySet struct {
	versions []Version
	// tags are the tag keys of API keys, tokenTags those of opaque tokens.
	tags, tokenTags          versionKeys[*tagger]
	digests, copies, cursors sealKeys
	// factors encrypt the secrets of second factors, in the versions of DigestPurpose.
	factors sealKeys
	// managementTags and managementDigests are those of management keys. There are none before the
	// upgrade of the database is finished.
	managementTags    versionKeys[*tagger]
	managementDigests sealKeys
	// access are the keys of access tokens, in the versions of SessionPurpose.
	access versionKeys[accessKeys]
}

func newKeySet(root Root, versions []Version) (*keySet, error) {
	r := &keySet{versions: slices.Clone(versions)}
	for _, v := range slices.SortedFunc(slices.Values(versions),
		func(a, b Version) int { return a.Number - b.Number }) {
		key := root.derive(v.Purpose, v.Number)
		switch v.Purpose {
		case TagPurpose:
			r.tags = append(r.tags, versionKey[*tagger]{v, newTagger(key)})
		case SessionPurpose:
			r.tokenTags = append(r.tokenTags, versionKey[*tagger]{v, newTagger(key)})
			r.access = append(r.access, versionKey[accessKeys]{v, newAccessKeys(root, v)})
		case DigestPurpose:
			r.digests.add(v, key)
			r.factors.add(v, root.derive(SecondFactorPurpose, v.Number))
		case CopyPurpose:
			r.copies.add(v, key)
		case CursorPurpose:
			r.cursors.add(v, key)
		case ManagementTagPurpose:
			r.managementTags = append(r.managementTags, versionKey[*tagger]{v, newTagger(key)})
		case ManagementDigestPurpose:
			r.managementDigests.add(v, key)
		default:
			return nil, fmt.Errorf("server key of unknown purpose %q", v.Purpose)
		}
	}
	if min(len(r.tags), len(r.tokenTags), len(r.digests.versionKeys), len(r.copies.versionKeys),
		len(r.cursors.versionKeys)) == 0 {
		return nil, fmt.Errorf("a purpose has no server key among %d versions", len(versions))
	}
	return r, nil
}

// versionKey is the key of one version.
type versionKey[K any] struct {
	Version
	key K
}

// versionKeys are the keys of one purpose, the oldest first.
type versionKeys[K any] []versionKey[K]

// current returns the newest key that has begun.
func (k versionKeys[K]) current(now time.Time) versionKey[K] {
	for i := len(k) - 1; i > 0; i-- {
		if !now.Before(k[i].From) {
			return k[i]
		}
	}
	return k[0]
}

// sealKeys are the versions of one AES-256-GCM key.
type sealKeys struct{ versionKeys[cipher.AEAD] }

func (s *sealKeys) add(v Version, key []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(fmt.Sprintf("credential: AES refused a derived key: %v", err))
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(fmt.Sprintf("credential: GCM refused AES: %v", err))
	}
	s.versionKeys = append(s.versionKeys, versionKey[cipher.AEAD]{v, aead})
}

func (s *sealKeys) seal(now time.Time, plain, data []byte, random io.Reader) Sealed {
	current := s.current(now)
	nonce := make([]byte, current.key.NonceSize(), current.key.NonceSize()+len(plain)+current.key.Overhead())
	readRandom(random, nonce)
	return Sealed{Version: current.Number, Bytes: current.key.Seal(nonce, nonce, plain, data)}
}

func (s *sealKeys) open(sealed Sealed, data []byte) ([]byte, error) {
	i := slices.IndexFunc(s.versionKeys, func(k versionKey[cipher.AEAD]) bool { return k.Number == sealed.Version })
	if i < 0 {
		return nil, fmt.Errorf("server key version %d is not in the keyring", sealed.Version)
	}
	aead := s.versionKeys[i].key
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
