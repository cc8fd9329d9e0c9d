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

// class of every byte, so that a check of the alphabet is one load.
const (
	isBase62 = 1 << iota
	isHex
	isDomain
)

var class = func() (table [256]byte) {
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

func allOf(text string, want byte) bool {
	for i := range len(text) {
		if class[text[i]]&want == 0 {
			return false
		}
	}
	return true
}

// randomBase62 draws n characters without bias: a byte above the largest multiple of 62 is thrown away.
// It panics when the source fails, which crypto/rand never does.
func randomBase62(random io.Reader, n int) string {
	const fair = 256 / 62 * 62
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		fill(random, buf[:])
		for _, b := range buf {
			if b < fair && len(out) < n {
				out = append(out, base62[b%62])
			}
		}
	}
	return string(out)
}

func randomHex(random io.Reader, n int) string {
	raw := make([]byte, n/2)
	fill(random, raw)
	return hex.EncodeToString(raw)
}

func fill(random io.Reader, buf []byte) {
	if _, err := io.ReadFull(random, buf); err != nil {
		panic(fmt.Sprintf("credential: source of randomness failed: %v", err))
	}
}

// writeBase62 writes v with the most significant digit first, zero-padded to the length of dst; what does not fit is cut.
func writeBase62(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = base62[v%62]
		v /= 62
	}
}
