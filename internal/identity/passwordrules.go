package identity

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/text"
)

// MinPassword is how many code points a password has at least where it is the only factor, and
// MinWithFactor where the person also has a second one (NIST SP 800-63B section 3.1.1.2).
// MaxPassword bounds the work of hashing.
const (
	MinPassword   = 15
	MinWithFactor = 8
	MaxPassword   = 256
)

// leastPassword returns how many code points a password needs of a person with or without a second
// factor.
func leastPassword(hasFactor bool) int {
	if hasFactor {
		return MinWithFactor
	}
	return MinPassword
}

// passwordFaults returns what is wrong with a new password of the person with this address and
// name, which needs at least that many code points. field is its name in the request. A password
// must be long and hard to guess; there are no rules about its characters (NIST SP 800-63B section
// 3.1.1).
func passwordFaults(field string, password credential.Secret, least int, email, name string) []fault.Field {
	code, message := passwordFault(password.Reveal(), least, email, name)
	if code == "" {
		return nil
	}
	return []fault.Field{{Name: field, Code: code, Message: message}}
}

// passwordLength returns how many code points of a password count: one character can become many
// when normalized.
func passwordLength(password credential.Secret) int {
	return min(utf8.RuneCountInString(normalizedPassword(password).Reveal()),
		utf8.RuneCountInString(password.Reveal()))
}

func passwordFault(password string, least int, email, name string) (code, message string) {
	folded := text.Fold(password)
	local, domain, _ := strings.Cut(text.Fold(email), "@")
	normal := utf8.RuneCountInString(normalizedPassword(credential.NewSecret(password)).Reveal())
	switch {
	case passwordLength(credential.NewSecret(password)) < least:
		return "too_short", fmt.Sprintf("Use at least %d characters.", least)
	case normal > MaxPassword:
		return "too_long", fmt.Sprintf("Use at most %d characters.", MaxPassword)
	case isCommon(folded):
		return "common", "Attackers try this password, or the one it repeats or pads, among the first. Use another one."
	case isOwnWords(folded, local, domain, text.Fold(name)):
		return "own_words", "This password consists of your name or e-mail address. Add other words."
	}
	return "", ""
}
