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

	words    string // "<prefix>_<label>" of a token that came as one value
	publicID string // whatever came beside the secret; "" for a token or uuid that came as one value
	free     string // the part of the id that the tag covers
	tag      string
	lookup   string
	secret   string
}

// MaxValue is the length of the longest credential in one piece, in characters: one of style client. As a pair none is longer.
const MaxValue = len(clientPrefix) + clientIDLen + 1 + maxDomain + 1 + clientSecretLen

// Parse takes a credential in one piece: the `value` of any style. The styles cannot be mistaken for each other: only pair and client have a colon,
// only uuid has hyphens in four places and no colon.
func Parse(value string) (Presented, bool) {
	if len(value) > MaxValue {
		return Presented{}, false
	}
	if len(value) == uuidLen && value[8] == '-' {
		return parseUUID(value)
	}
	if id, secret, ok := strings.Cut(value, ":"); ok {
		if strings.HasPrefix(id, clientPrefix) {
			return parseClient(id, secret)
		}
		return parseHexPair(id, secret)
	}
	return parseToken(value)
}

// ParsePair takes a public id and a secret, as HTTP Basic carries them, of any style.
func ParsePair(publicID, secret string) (Presented, bool) {
	switch {
	case strings.HasPrefix(publicID, clientPrefix):
		return parseClient(publicID, secret)
	case len(secret) == uuidLen:
		return parseUUIDPair(publicID, secret)
	case len(publicID) == pairIDLen && len(secret) == pairSecretLen:
		return parseHexPair(publicID, secret)
	}
	return parseTokenPair(publicID, secret)
}

// Lookup is the text under which the key's row is found. It may be a part of the text that was parsed: clone it to keep it.
func (p Presented) Lookup() string { return p.lookup }

// Fits reports whether the credential came with exactly the words or the public id that the key was minted with.
func (p Presented) Fits(shape Shape, publicID string) bool {
	if p.Style != shape.Style {
		return false
	}
	if p.publicID != "" {
		return p.publicID == publicID
	}
	if p.Style == UUID {
		return true // the value has no words
	}
	rest, ok := strings.CutPrefix(p.words, shape.Prefix)
	return ok && len(rest) > 0 && rest[0] == '_' && rest[1:] == shape.Label
}

// encode gives back the text that was parsed, for a whole value. What parses re-encodes to the same bytes.
func (p Presented) encode() string {
	switch p.Style {
	case Pair, Client:
		return p.publicID + ":" + p.secret
	case UUID:
		return p.secret
	}
	return p.words + "_" + p.free + p.tag + "_" + p.secret
}

// Format writes "[redacted]" for every verb.
func (Presented) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue gives "[redacted]".
func (Presented) LogValue() slog.Value { return slog.StringValue(redacted) }
