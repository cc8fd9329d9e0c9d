package credential

import (
	"github.com/claviger-dev/claviger/internal/fault"
)

// Style is what a key looks like.
type Style string

// The styles.
const (
	Token  Style = "token"
	Pair   Style = "pair"
	Client Style = "client"
	UUID   Style = "uuid"
)

// Shape decides how the new keys of a tenant look. A key keeps the shape that it was issued with
// until it is refreshed with a new id.
type Shape struct {
	Style Style
	// Prefix and Label are the two words of style token; empty in the others.
	Prefix, Label string
	// Domain is the text after the @ in style client (`client_domain`); empty in the others.
	Domain string
}

// MaxWordLength is the length of the longest prefix or label, in characters.
const MaxWordLength = 24

// The bounds of a client domain, in characters.
const (
	minDomain = 12
	maxDomain = 64
)

// Faults returns what is wrong with the shape. The fields have the names of a tenant's settings.
func (s Shape) Faults() []fault.Field {
	switch s.Style {
	case Token:
		return append(wordFault("prefix", s.Prefix), wordFault("label", s.Label)...)
	case Client:
		if len(s.Domain) < minDomain || len(s.Domain) > maxDomain || !allInClass(s.Domain, isDomain) {
			return []fault.Field{{
				Name: "client_domain", Code: "form",
				Message: "Use 12 to 64 characters of a-z, 0-9, dot and hyphen.",
			}}
		}
	case Pair, UUID:
	default:
		return []fault.Field{{Name: "style", Code: "unknown", Message: "Use token, pair, client or uuid."}}
	}
	return nil
}

func wordFault(name, text string) []fault.Field {
	if len(text) <= MaxWordLength && wellFormed(text) {
		return nil
	}
	return []fault.Field{{
		Name: name, Code: "form",
		Message: "Use 1 to 24 characters: lower-case letters, in words joined by single underscores.",
	}}
}
