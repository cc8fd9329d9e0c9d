package credential

import (
	"fmt"
	"log/slog"
	"strings"
)

// Presented is a credential that somebody sent and that has the form of one. Nothing about it is proved.
// It holds the secret and must not outlive the request; like [Secret] it does not print.
type Presented struct {
	Style Style

	whole  bool   // came as one value, not as id and secret
	words  string // token: "<prefix>_<label>" of a whole value, "<label>" of a pair
	id     string
	secret string
}

// Parse takes a credential in one piece: the `value` of any style.
func Parse(value string) (Presented, bool) {
	return parseToken(value)
}

// ParsePair takes a public id and a secret, as HTTP Basic carries them.
func ParsePair(publicID, secret string) (Presented, bool) {
	return parseTokenPair(publicID, secret)
}

// Lookup is the text under which the key's row is found. It is a part of the text that was parsed: clone it to keep it.
func (p Presented) Lookup() string { return p.id }

// Fits reports whether the credential carries exactly the words of the shape the key was minted with.
func (p Presented) Fits(shape Shape) bool {
	if p.Style != shape.Style {
		return false
	}
	if !p.whole {
		return p.words == shape.Label
	}
	rest, ok := strings.CutPrefix(p.words, shape.Prefix)
	return ok && len(rest) > 0 && rest[0] == '_' && rest[1:] == shape.Label
}

// encode gives back the text that was parsed, for a whole value. What parses re-encodes to the same bytes.
func (p Presented) encode() string {
	return p.words + "_" + p.id + "_" + p.secret
}

// Format writes "[redacted]" for every verb.
func (Presented) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue gives "[redacted]".
func (Presented) LogValue() slog.Value { return slog.StringValue(redacted) }
