package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// tagger computes the truncated HMAC that marks an id as one of ours, under one version of the tag key.
type tagger struct{ macs sync.Pool }

func newTagger(key []byte) *tagger {
	return &tagger{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// sum is the HMAC over the style and the fields, each with its length before it: its first eight bytes.
func (t *tagger) sum(style Style, fields ...string) uint64 {
	mac := t.macs.Get().(hash.Hash)
	defer t.macs.Put(mac)
	mac.Reset()
	var buf [192]byte
	in := appendField(buf[:0], string(style))
	for _, f := range fields {
		in = appendField(in, f)
	}
	mac.Write(in)
	var out [sha256.Size]byte
	return binary.BigEndian.Uint64(mac.Sum(out[:0]))
}

// base62 gives a tag of five base62 characters. The bias of the modulo is below 2^-34.
func (t *tagger) base62(style Style, fields ...string) string {
	var tag [tokenTagLen]byte
	writeBase62(tag[:], t.sum(style, fields...)%(62*62*62*62*62))
	return string(tag[:])
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
		return t.base62(Client, p.words, p.free) == p.tag
	case UUID:
		return t.taggedUUID(p.secret)
	}
	if p.publicID != "" {
		return t.base62(Token, p.words, p.free) == p.tag
	}
	return t.taggedWords(p)
}

// taggedWords tries each way to split a token's words into prefix and label, at most 24: where the split lies only the row can tell.
func (t *tagger) taggedWords(p Presented) bool {
	for rest := p.words; ; {
		_, label, more := strings.Cut(rest, "_")
		if !more {
			return false
		}
		if t.base62(Token, label, p.free) == p.tag {
			return true
		}
		rest = label
	}
}

// appendField appends the text with its length before it, so that no two lists of fields give the same bytes.
func appendField(dst []byte, text string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(text)))
	return append(dst, text...)
}
