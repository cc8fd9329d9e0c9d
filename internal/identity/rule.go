package identity

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/text"
)

// MinPassword is the shortest password where it is the only factor, in code points; MaxPassword bounds the work.
const (
	MinPassword = 15
	MaxPassword = 256
)

// passwordFaults says what is wrong with a new password of the person with this address and name, under the given field. There are no rules of composition: length and
// being hard to guess are what counts (NIST SP 800-63B section 3.1.1).
func passwordFaults(field string, password credential.Secret, email, name string) []fault.Field {
	code, message := passwordFault(password.Reveal(), email, name)
	if code == "" {
		return nil
	}
	return []fault.Field{{Name: field, Code: code, Message: message}}
}

func passwordFault(password, email, name string) (code, message string) {
	folded := text.Fold(password)
	local, domain, _ := strings.Cut(text.Fold(email), "@")
	switch n := utf8.RuneCountInString(password); {
	case n < MinPassword:
		return "too_short", fmt.Sprintf("Use at least %d characters.", MinPassword)
	case n > MaxPassword:
		return "too_long", fmt.Sprintf("Use at most %d characters.", MaxPassword)
	case common(folded):
		return "common", "Use a password that is not among those tried first, nor one of them repeated or padded."
	case ownWords(folded, local, domain, text.Fold(name)):
		return "own_words", "Use more than your own name and e-mail address."
	}
	return "", ""
}
