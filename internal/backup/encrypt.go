package backup

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// Lock is what a backup is encrypted to: a passphrase, or else recipients.
type Lock struct {
	Passphrase string
	// Recipients as age writes them: age1….
	Recipients []string
}

// Encrypt gives a writer whose text reaches to encrypted. It must be closed.
func Encrypt(to io.Writer, l Lock) (io.WriteCloser, error) {
	recipients, err := l.recipients()
	if err != nil {
		return nil, err
	}
	return age.Encrypt(to, recipients...)
}

func (l Lock) recipients() (all []age.Recipient, err error) {
	if len(l.Recipients) == 0 {
		r, err := age.NewScryptRecipient(l.Passphrase)
		return []age.Recipient{r}, err
	}
	for _, text := range l.Recipients {
		parsed, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil {
			return nil, errors.New("a recipient is none of age: use age1…, as age-keygen prints it")
		}
		all = append(all, parsed...)
	}
	return all, nil
}

// Key opens what a Lock closed.
type Key struct {
	Passphrase string
	// Identities are the text of a file of age-keygen; "" where there is a passphrase.
	Identities string
}

// ErrNotOpened says that a backup was encrypted to something else, or is not encrypted.
var ErrNotOpened = errors.New("the backup cannot be decrypted")

// Decrypt gives the text of what Encrypt wrote. A file that was altered or cut short fails where it is read.
func Decrypt(from io.Reader, k Key) (io.Reader, error) {
	identities, err := k.identities()
	if err != nil {
		return nil, err
	}
	text, err := age.Decrypt(from, identities...)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return nil, fmt.Errorf("%w: the passphrase or the identity is another one", ErrNotOpened)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotOpened, err)
	}
	return text, nil
}

func (k Key) identities() ([]age.Identity, error) {
	if k.Identities == "" {
		i, err := age.NewScryptIdentity(k.Passphrase)
		return []age.Identity{i}, err
	}
	all, err := age.ParseIdentities(strings.NewReader(k.Identities))
	if err != nil {
		return nil, errors.New("the file of identities is none of age: use what age-keygen made") // age's own message may quote it
	}
	return all, nil
}
