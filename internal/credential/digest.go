package credential

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/claviger-dev/claviger/internal/ident"
)

// Digest is what a secret is compared with: SHA-256 over purpose, key id and secret, each preceded
// by its length. A fast hash is enough, because the secret has at least 112 random bits. The digest
// is stored only sealed.
type Digest [sha256.Size]byte

const digestPurpose = "claviger key secret v1"

// DigestOf returns the digest of a key's secret.
func DigestOf(key ident.KeyID, secret Secret) Digest {
	return digest(digestPurpose, string(key), secret.Reveal())
}

// Matches reports whether the digest is that of the credential's secret. It compares in constant
// time.
func (p Parsed) Matches(key ident.KeyID, want Digest) bool {
	return p.matches(digestPurpose, string(key), want)
}

func (p Parsed) matches(purpose, id string, want Digest) bool {
	got := digest(purpose, id, p.secret)
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

func digest(purpose, id, secret string) Digest {
	var buf [256]byte
	in := appendField(buf[:0], purpose)
	in = appendField(in, id)
	in = appendField(in, secret)
	return sha256.Sum256(in)
}
