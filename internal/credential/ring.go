package credential

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"slices"
	"time"
)

// Version of one server key of one purpose.
type Version struct {
	Purpose Purpose
	// Number of the version; 1 is the first.
	Number int
	// From is when it begins to be used for what is new; zero for ever since. It opens and recognises what others made under it before that: so all nodes know a
	// version before one of them uses it.
	From time.Time
}

// FirstVersions is what a new server starts with.
func FirstVersions() (first []Version) {
	for _, p := range []Purpose{TagPurpose, DigestPurpose, CopyPurpose, CursorPurpose, SessionPurpose} {
		first = append(first, Version{Purpose: p, Number: 1})
	}
	return first
}

// ring is the keys of some versions. It is immutable.
type ring struct {
	versions []Version
	// tickets are the tag keys of sign-ins and one-time links.
	tags, tickets            kept[*tagger]
	digests, copies, cursors sealKeys
}

func newRing(root Root, versions []Version) (*ring, error) {
	r := &ring{versions: slices.Clone(versions)}
	for _, v := range slices.SortedFunc(slices.Values(versions), func(a, b Version) int { return a.Number - b.Number }) {
		key := root.derive(v.Purpose, v.Number)
		switch v.Purpose {
		case TagPurpose:
			r.tags = append(r.tags, keptKey[*tagger]{v, newTagger(key)})
		case SessionPurpose:
			r.tickets = append(r.tickets, keptKey[*tagger]{v, newTagger(key)})
		case DigestPurpose:
			r.digests.add(v, key)
		case CopyPurpose:
			r.copies.add(v, key)
		case CursorPurpose:
			r.cursors.add(v, key)
		default:
			return nil, fmt.Errorf("server key of unknown purpose %q", v.Purpose)
		}
	}
	if min(len(r.tags), len(r.tickets), len(r.digests.kept), len(r.copies.kept), len(r.cursors.kept)) == 0 {
		return nil, fmt.Errorf("a purpose has no server key among %d versions", len(versions))
	}
	return r, nil
}

// keptKey is the key of one version.
type keptKey[K any] struct {
	Version
	key K
}

// kept are the keys of one purpose, the oldest first.
type kept[K any] []keptKey[K]

// current is the newest that has begun.
func (k kept[K]) current(now time.Time) keptKey[K] {
	for i := len(k) - 1; i > 0; i-- {
		if !now.Before(k[i].From) {
			return k[i]
		}
	}
	return k[0]
}

// sealKeys are the versions of one AES-256-GCM key.
type sealKeys struct{ kept[cipher.AEAD] }

func (s *sealKeys) add(v Version, key []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(fmt.Sprintf("credential: AES refused a derived key: %v", err))
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(fmt.Sprintf("credential: GCM refused AES: %v", err))
	}
	s.kept = append(s.kept, keptKey[cipher.AEAD]{v, aead})
}

func (s *sealKeys) seal(now time.Time, plain, data []byte, random io.Reader) Sealed {
	current := s.current(now)
	nonce := make([]byte, current.key.NonceSize(), current.key.NonceSize()+len(plain)+current.key.Overhead())
	fill(random, nonce)
	return Sealed{Version: current.Number, Bytes: current.key.Seal(nonce, nonce, plain, data)}
}

func (s *sealKeys) open(sealed Sealed, data []byte) ([]byte, error) {
	i := slices.IndexFunc(s.kept, func(k keptKey[cipher.AEAD]) bool { return k.Number == sealed.Version })
	if i < 0 {
		return nil, fmt.Errorf("server key version %d is not kept", sealed.Version)
	}
	aead := s.kept[i].key
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
