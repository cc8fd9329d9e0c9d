package backup

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// Recipient is what a backup is encrypted to: a passphrase, or age recipients.
type Recipient struct {
	Passphrase string
	// WorkFactor is the binary logarithm of the cost of scrypt, for a passphrase. 0 is age's
	// default; tests use less.
	WorkFactor int
	// Recipients in age's form: age1….
	Recipients []string
}

// Encrypt returns a writer whose text reaches to encrypted. It must be closed.
func Encrypt(to io.Writer, l Recipient) (io.WriteCloser, error) {
	recipients, err := l.ageRecipients()
	if err != nil {
		return nil, err
	}
	return age.Encrypt(to, recipients...)
}

func (l Recipient) ageRecipients() (all []age.Recipient, err error) {
	if len(l.Recipients) == 0 {
		r, err := age.NewScryptRecipient(l.Passphrase)
		if err == nil && l.WorkFactor != 0 {
			r.SetWorkFactor(l.WorkFactor)
		}
		return []age.Recipient{r}, err
	}
	for _, text := range l.Recipients {
		parsed, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil {
			return nil, errors.New("a recipient is not valid: use an age recipient (age1…), as age-keygen prints it")
		}
		all = append(all, parsed...)
	}
	return all, nil
}

// Identity decrypts what was encrypted to a Recipient.
type Identity struct {
	Passphrase string
	// Identities is the text of a file of age-keygen; "" if there is a passphrase.
	Identities string
}

// ErrDecrypt says that a backup was encrypted to something else, or is not encrypted.
var ErrDecrypt = errors.New("the backup cannot be decrypted")

// Decrypt returns the plaintext of what Encrypt wrote. Reading fails for a file that was altered or
// cut off.
func Decrypt(from io.Reader, k Identity) (io.Reader, error) {
	identities, err := k.ageIdentities()
	if err != nil {
		return nil, err
	}
	text, err := age.Decrypt(from, identities...)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return nil, fmt.Errorf("%w: the passphrase or the identity is wrong", ErrDecrypt)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDecrypt, err)
	}
	return text, nil
}

func (k Identity) ageIdentities() ([]age.Identity, error) {
	if k.Identities == "" {
		i, err := age.NewScryptIdentity(k.Passphrase)
		return []age.Identity{i}, err
	}
	all, err := age.ParseIdentities(strings.NewReader(k.Identities))
	if err != nil {
		// age's own message may quote it
		return nil, errors.New("the file contains no age identity: use the file that age-keygen wrote")
	}
	return all, nil
}
