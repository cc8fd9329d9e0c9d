package credential

import (
	"encoding/hex"
	"fmt"
	"io"
)

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	hex16  = "0123456789abcdef"
)

// The alphabets that a byte can belong to.
const (
	isBase62 = 1 << iota
	isHex
	isDomain
)

// byteClasses has the alphabets of every byte, so that a check is one look-up.
var byteClasses = func() (table [256]byte) {
	for _, c := range []byte(base62) {
		table[c] |= isBase62
	}
	for _, c := range []byte(hex16) {
		table[c] |= isHex
	}
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyz0123456789.-") {
		table[c] |= isDomain
	}
	return table
}()

// allInClass reports whether all bytes of the text belong to the alphabet.
func allInClass(text string, want byte) bool {
	for i := range len(text) {
		if byteClasses[text[i]]&want == 0 {
			return false
		}
	}
	return true
}

// randomBase62 returns n random characters without bias: it discards bytes from the largest
// multiple of 62 up. It panics if the source of randomness fails, which crypto/rand never does.
func randomBase62(random io.Reader, n int) string {
	const fair = 256 / 62 * 62
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		readRandom(random, buf[:])
		for _, b := range buf {
			if b < fair && len(out) < n {
				out = append(out, base62[b%62])
			}
		}
	}
	return string(out)
}

// randomHex returns n random hexadecimal characters; n must be even.
func randomHex(random io.Reader, n int) string {
	raw := make([]byte, n/2)
	readRandom(random, raw)
	return hex.EncodeToString(raw)
}

// readRandom fills the buffer with random bytes. It panics if the source fails.
func readRandom(random io.Reader, buf []byte) {
	if _, err := io.ReadFull(random, buf); err != nil {
		panic(fmt.Sprintf("credential: source of randomness failed: %v", err))
	}
}

// writeBase62 writes v into dst with the most significant digit first, padded with zeros. It drops
// digits that do not fit.
func writeBase62(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = base62[v%62]
		v /= 62
	}
}
