package secondfactor

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"strings"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	// RecoveryCodes is how many recovery codes a person gets.
	RecoveryCodes = 10
	// recoveryBytes is the length of a recovery code: 80 random bits.
	recoveryBytes = 10
	// recoveryText is its length in base32, and recoveryGroup how many of these stand together.
	recoveryText  = 16
	recoveryGroup = 4
)

// RecoveryHash is what is stored of a recovery code: its SHA-256, with the person. The code has 80
// random bits, so that a stolen hash does not help to guess it.
type RecoveryHash [sha256.Size]byte

// newRecoveryCodes returns random codes as they are shown once, and what is stored of them.
func newRecoveryCodes(user ident.UserID, random io.Reader) (
	codes []credential.Secret, hashes []RecoveryHash, err error,
) {
	for range RecoveryCodes {
		var raw [recoveryBytes]byte
		if _, err := io.ReadFull(random, raw[:]); err != nil {
			return nil, nil, err
		}
		text := base32NoPadding.EncodeToString(raw[:])
		codes = append(codes, credential.NewSecret(grouped(text)))
		hashes = append(hashes, hashRecovery(user, text))
	}
	return codes, hashes, nil
}

// grouped writes a code in groups, as people read and type it: ABCD-EFGH-IJKL-MNOP.
func grouped(text string) string {
	var groups []string
	for i := 0; i < len(text); i += recoveryGroup {
		groups = append(groups, text[i:i+recoveryGroup])
	}
	return strings.Join(groups, "-")
}

// hashRecovery returns what is stored of a code.
func hashRecovery(user ident.UserID, text string) (hash RecoveryHash) {
	h := sha256.New()
	for _, part := range []string{"claviger recovery code v1", string(user), text} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash never fails
		_, _ = io.WriteString(h, part)
	}
	h.Sum(hash[:0])
	return hash
}

// A parsedCode is what a person sent: a code of an app, a recovery code, or neither.
type parsedCode struct {
	app, recovery string
}

// parseCode reads what a person typed. Spaces and hyphens do not count, nor does the case of
// letters: apps and people group codes.
func parseCode(code credential.Secret) (p parsedCode) {
	text := code.Reveal()
	if len(text) > maxCode {
		return p
	}
	text = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(text))
	switch {
	case len(text) == Digits && strings.Trim(text, "0123456789") == "":
		p.app = text
	case len(text) == recoveryText && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == "":
		p.recovery = text
	}
	return p
}

// maxCode is how long a code may be with spaces and hyphens, in bytes.
const maxCode = 64

// Reveal returns codes as texts, to be shown once.
func Reveal(codes []credential.Secret) []string {
	texts := make([]string, len(codes))
	for i, code := range codes {
		texts[i] = code.Reveal()
	}
	return texts
}
