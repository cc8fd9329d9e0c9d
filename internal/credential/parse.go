package credential

import (
	"fmt"
	"log/slog"
	"strings"
)

// Parsed is a text that was sent and has the form of a credential. Whether it is valid is not
// known. It holds the secret, so it must not outlive the request, and printing it shows
// "[redacted]".
type Parsed struct {
	Style Style

	words    string // "<prefix>_<label>" of a token that was sent in one piece
	publicID string // what was sent with the secret; "" for a token or uuid that was sent in one piece
	random   string // the part of the id that the tag covers
	tag      string
	lookup   string
	secret   string
}

// MaxValue is the length of the longest credential in one piece, in characters. It is one of style
// client. No public id and secret are longer together.
const MaxValue = len(clientPrefix) + clientIDLen + 1 + maxDomain + 1 + clientSecretLen

// Parse parses a credential of any style in one piece, its `value`. The styles cannot be confused:
// only pair and client have a colon, and of the others only uuid has a hyphen at index 8.
func Parse(value string) (Parsed, bool) {
	if len(value) > MaxValue {
		return Parsed{}, false
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

// ParsePair parses a public id and a secret of any style, as HTTP Basic carries them.
func ParsePair(publicID, secret string) (Parsed, bool) {
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

// Lookup returns the text by which the key is found. It may be a part of the parsed text: clone it
// to keep it.
func (p Parsed) Lookup() string { return p.lookup }

// MatchesShape reports whether the credential has exactly the words, or the public id, that the key
// was issued with.
func (p Parsed) MatchesShape(shape Shape, publicID string) bool {
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

// encode returns the text that was parsed, for a credential in one piece.
func (p Parsed) encode() string {
	switch p.Style {
	case Pair, Client:
		return p.publicID + ":" + p.secret
	case UUID:
		return p.secret
	}
	return p.words + "_" + p.random + p.tag + "_" + p.secret
}

// Format writes "[redacted]" for every verb.
func (Parsed) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns "[redacted]".
func (Parsed) LogValue() slog.Value { return slog.StringValue(redacted) }
