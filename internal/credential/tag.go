package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

// tagger computes the truncated HMAC that marks an id as issued by this server, under one version
// of the tag key.
type tagger struct{ macs sync.Pool }

// mac is an HMAC with buffers for its input and output, so that computing a tag allocates nothing.
type mac struct {
	hash.Hash
	in  [192]byte
	out [sha256.Size]byte
}

func newTagger(key []byte) *tagger {
	return &tagger{macs: sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}}
}

// sum returns the first eight bytes of the HMAC over the style and the fields, each preceded by its
// length.
func (t *tagger) sum(style Style, fields ...string) uint64 {
	m := t.macs.Get().(*mac)
	defer t.macs.Put(m)
	m.Reset()
	in := appendField(m.in[:0], string(style))
	for _, f := range fields {
		in = appendField(in, f)
	}
	m.Write(in)
	return binary.BigEndian.Uint64(m.Sum(m.out[:0]))
}

// tags62 is the number of tags of five base62 characters.
const tags62 = 62 * 62 * 62 * 62 * 62

// base62Tag returns a tag of five base62 characters. The bias of the modulo is below 2^-34.
func (t *tagger) base62Tag(style Style, fields ...string) string {
	var tag [tokenTagLen]byte
	writeBase62(tag[:], t.sum(style, fields...)%tags62)
	return string(tag[:])
}

// isBase62Tag reports whether the text is the tag that base62Tag returns. It allocates nothing.
func (t *tagger) isBase62Tag(tag string, style Style, fields ...string) bool {
	var want [tokenTagLen]byte
	writeBase62(want[:], t.sum(style, fields...)%tags62)
	return string(want[:]) == tag
}

// hexTag returns a tag of eight hexadecimal characters.
func (t *tagger) hexTag(style Style, fields ...string) string {
	return fmt.Sprintf("%08x", uint32(t.sum(style, fields...)))
}

// bitsTag returns a tag of n bits.
func (t *tagger) bitsTag(style Style, n int, fields ...string) uint64 {
	return t.sum(style, fields...) & (1<<n - 1)
}

// Tagged reports whether the id of the credential has a valid tag, under any version in the
// keyring. It reads nothing from the database.
func (k *Keyring) Tagged(p Parsed) bool {
	for _, t := range k.keys.Load().tags {
		if t.key.tagged(p) {
			return true
		}
	}
	return false
}

// tagged reports whether the id has a valid tag under this key.
func (t *tagger) tagged(p Parsed) bool {
	switch p.Style {
	case Pair:
		return t.hexTag(Pair, p.random) == p.tag
	case Client:
		return t.isBase62Tag(p.tag, Client, p.words, p.random)
	case UUID:
		return t.taggedUUID(p.secret)
	}
	if p.publicID != "" {
		return t.isBase62Tag(p.tag, Token, p.words, p.random)
	}
	return t.taggedWords(p)
}

// taggedWords tries every split of a token's words into prefix and label, because only the stored
// key knows the right one. Both have at most MaxWordLength characters, so there are at most 12
// splits.
func (t *tagger) taggedWords(p Parsed) bool {
	for at := max(1, len(p.words)-1-MaxWordLength); at <= MaxWordLength && at < len(p.words)-1; at++ {
		if p.words[at] == '_' && t.isBase62Tag(p.tag, Token, p.words[at+1:], p.random) {
			return true
		}
	}
	return false
}

// appendField appends the length of the text and the text, so that two different lists of fields
// never have the same bytes.
func appendField(dst []byte, text string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(text)))
	return append(dst, text...)
}
