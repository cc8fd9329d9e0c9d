package credential

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/claviger-dev/claviger/internal/ident"
)

// Digest is what is compared of a secret: SHA-256 over purpose, key id and secret, each with its length before it. The secret
// has 250 random bits, so a fast hash is right; it is still never stored but sealed.
type Digest [sha256.Size]byte

const digestPurpose = "claviger key secret v1"

// DigestOf the secret of a key.
func DigestOf(key ident.KeyID, secret Secret) Digest { return digest(key, secret.Reveal()) }

// Proves reports whether the credential's secret is the one behind the digest, in constant time.
func (p Presented) Proves(key ident.KeyID, want Digest) bool {
	got := digest(key, p.secret)
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

func digest(key ident.KeyID, secret string) Digest {
	var buf [256]byte
	in := appendField(buf[:0], digestPurpose)
	in = appendField(in, string(key))
	in = appendField(in, secret)
	return sha256.Sum256(in)
}
