package identity

import (
	"fmt"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
)

// MinPassword is the shortest password where it is the only factor, in code points; MaxPassword bounds the work.
const (
	MinPassword = 15
	MaxPassword = 256
)

// passwordFaults says what is wrong with a new password of the person with this address and name, under the given field.
func passwordFaults(field string, password credential.Secret, email, name string) []fault.Field {
	switch n := utf8.RuneCountInString(password.Reveal()); {
	case n < MinPassword:
		return []fault.Field{{Name: field, Code: "too_short", Message: fmt.Sprintf("Use at least %d characters.", MinPassword)}}
	case n > MaxPassword:
		return []fault.Field{{Name: field, Code: "too_long", Message: fmt.Sprintf("Use at most %d characters.", MaxPassword)}}
	}
	return nil
}
