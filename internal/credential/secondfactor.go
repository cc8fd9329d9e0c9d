package credential

import (
	"fmt"

	"github.com/claviger-dev/claviger/internal/ident"
)

// SecondFactorRow identifies the row of a person's second factor.
func SecondFactorRow(user ident.UserID) Row { return Row{Key: ident.KeyID(user), Serial: 1} }

// SealSecondFactor encrypts the secret of a second factor and binds it to its row. The key has the
// versions of DigestPurpose.
func (k *Keyring) SealSecondFactor(secret []byte, row Row) Sealed {
	return k.keys.Load().factors.seal(k.now(), secret, row.data(SecondFactorPurpose), k.random)
}

// OpenSecondFactor decrypts what SealSecondFactor encrypted. It fails as OpenDigest does.
func (k *Keyring) OpenSecondFactor(s Sealed, row Row) ([]byte, error) {
	secret, err := k.keys.Load().factors.open(s, row.data(SecondFactorPurpose))
	if err != nil {
		return nil, fmt.Errorf("second factor of %s: %w", row.Key, err)
	}
	return secret, nil
}
