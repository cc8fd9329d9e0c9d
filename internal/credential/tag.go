package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

// tagger computes the truncated HMAC that marks an id as one of ours, under one version of the tag key.
type tagger struct{ macs sync.Pool }

// mac is an HMAC with room for what goes in and comes out, so that computing a tag allocates nothing.
type mac struct {
	hash.Hash
	in  [192]byte
	out [sha256.Size]byte
}

func newTagger(key []byte) *tagger {
	return &tagger{macs: sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}}
}

// sum is the HMAC over the style and the fields, each with its length before it: its first eight bytes.
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

// tags62 is how many tags of five base62 characters there are.
const tags62 = 62 * 62 * 62 * 62 * 62

// base62 gives a tag of five base62 characters. The bias of the modulo is below 2^-34.
func (t *tagger) base62(style Style, fields ...string) string {
	var tag [tokenTagLen]byte
	writeBase62(tag[:], t.sum(style, fields...)%tags62)
	return string(tag[:])
}

// is62 reports whether the text is the tag of five base62 characters that base62 gives.
func (t *tagger) is62(tag string, style Style, fields ...string) bool {
	var want [tokenTagLen]byte
	writeBase62(want[:], t.sum(style, fields...)%tags62)
	return string(want[:]) == tag
}

// hex gives a tag of eight hexadecimal characters.
func (t *tagger) hex(style Style, fields ...string) string {
	return fmt.Sprintf("%08x", uint32(t.sum(style, fields...)))
}

// bits gives a tag of n bits.
func (t *tagger) bits(style Style, n int, fields ...string) uint64 {
	return t.sum(style, fields...) & (1<<n - 1)
}

// Tagged reports whether the id of the credential carries a tag of ours, under any version that is still kept. It reads nothing.
func (k *Keyring) Tagged(p Presented) bool {
	for _, t := range k.ring.Load().tags {
		if t.key.tagged(p) {
			return true
		}
	}
	return false
}

func (t *tagger) tagged(p Presented) bool {
	switch p.Style {
	case Pair:
		return t.hex(Pair, p.free) == p.tag
	case Client:
		return t.is62(p.tag, Client, p.words, p.free)
	case UUID:
		return t.taggedUUID(p.secret)
	}
	if p.publicID != "" {
		return t.is62(p.tag, Token, p.words, p.free)
	}
	return t.taggedWords(p)
}

// taggedWords tries each way to split a token's words into prefix and label: where the split lies only the row can tell. Both have at most
// MaxWord characters, which leaves 12 ways at most.
func (t *tagger) taggedWords(p Presented) bool {
	for at := max(1, len(p.words)-1-MaxWord); at <= MaxWord && at < len(p.words)-1; at++ {
		if p.words[at] == '_' && t.is62(p.tag, Token, p.words[at+1:], p.free) {
			return true
		}
	}
	return false
}

// appendField appends the text with its length before it, so that no two lists of fields give the same bytes.
func appendField(dst []byte, text string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(text)))
	return append(dst, text...)
}
