package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strings"
	"sync"
)

// tagger computes the truncated HMAC that marks an id as one of ours, under one version of the tag key.
type tagger struct{ macs sync.Pool }

func newTagger(key []byte) *tagger {
	return &tagger{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// token gives the five base62 characters at the end of a token's id: an HMAC over style, label and the free part, each
// with its length before it, modulo 62^5. The bias of the modulo is below 2^-34.
func (t *tagger) token(label, free string) (tag [tokenTagLen]byte) {
	mac := t.macs.Get().(hash.Hash)
	defer t.macs.Put(mac)
	mac.Reset()
	var buf [128]byte
	in := appendField(buf[:0], string(Token))
	in = appendField(in, label)
	in = appendField(in, free)
	mac.Write(in)
	var sum [sha256.Size]byte
	writeBase62(tag[:], binary.BigEndian.Uint64(mac.Sum(sum[:0]))%(62*62*62*62*62))
	return tag
}

// tagKeys are all versions that ids may carry, the current one last.
type tagKeys []*tagger

func (t tagKeys) current() *tagger { return t[len(t)-1] }

// Tagged reports whether the id of the credential carries a tag of ours, under any version that is still kept. It reads nothing.
func (k *Keyring) Tagged(p Presented) bool {
	for _, t := range k.tags {
		if t.tagged(p) {
			return true
		}
	}
	return false
}

// tagged tries each way to split the words into prefix and label, at most 24: where the split lies only the row can tell.
func (t *tagger) tagged(p Presented) bool {
	free, tag := p.id[:tokenIDLen-tokenTagLen], p.id[tokenIDLen-tokenTagLen:]
	if !p.whole {
		want := t.token(p.words, free)
		return string(want[:]) == tag
	}
	for rest := p.words; ; {
		_, label, more := strings.Cut(rest, "_")
		if !more {
			return false
		}
		if want := t.token(label, free); string(want[:]) == tag {
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
