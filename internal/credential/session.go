package credential

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
)

// The layout of a session's token: 256 random bits in base64url and a tag of 64 bits in hexadecimal, by which a cookie this server never made is told
// without a read.
const (
	sessionRandom = 32 // bytes
	sessionText   = 43 // characters
	sessionTag    = 16 // characters
)

const sessionStyle Style = "session" // no style of keys: the tag's label alone

// MintSession draws a session's token.
func (k *Keyring) MintSession() Secret {
	var raw [sessionRandom]byte
	fill(k.random, raw[:])
	text := base64.RawURLEncoding.EncodeToString(raw[:])
	return NewSecret(text + k.sessions.current().session(text))
}

// OwnSession reports whether a token carries a tag of ours. It reads nothing.
func (k *Keyring) OwnSession(token string) bool {
	if len(token) != sessionText+sessionTag {
		return false
	}
	text, tag := token[:sessionText], token[sessionText:]
	for _, t := range k.sessions {
		if subtle.ConstantTimeCompare([]byte(t.session(text)), []byte(tag)) == 1 {
			return true
		}
	}
	return false
}

func (t *tagger) session(text string) string { return fmt.Sprintf("%016x", t.sum(sessionStyle, text)) }
