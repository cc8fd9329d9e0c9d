package main

import (
	"fmt"
	"hash/crc32"
	"strings"
)

const (
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	idLength     = 16
	secretLength = 42
	sumLength    = 6
	maxVariants  = sampleKeys * (len(base62) - 1)
)

// checksum is the CRC-32 (IEEE) of s in base62, zero-padded to six digits.
func checksum(s string) string {
	sum := crc32.ChecksumIEEE([]byte(s))
	var out [sumLength]byte
	for i := range out {
		out[sumLength-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// checkToken reports a value that is not <prefix>_<label>_<id>_<secret><checksum>.
func checkToken(value string) error {
	const tail = 1 + idLength + 1 + secretLength + sumLength
	if len(value) <= tail || value[len(value)-tail] != '_' || value[secretAt(value)-1] != '_' {
		return fmt.Errorf("key of %d characters does not look like a token", len(value))
	}
	if body, sum := split(value); checksum(body) != sum {
		return fmt.Errorf("key with another checksum than the CRC-32 of what stands before it")
	}
	return nil
}

func split(value string) (body, sum string) {
	at := len(value) - sumLength
	return value[:at], value[at:]
}

func secretAt(value string) int { return len(value) - sumLength - secretLength }
func idAt(value string) int     { return secretAt(value) - 1 - idLength }

// spoil makes n different junk values of one class from valid ones.
func spoil(values []string, n int, class func(value string, at, by int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = class(values[i%len(values)], i, 1+i/len(values))
	}
	return out
}

// badChecksum changes the last character; the rest is a good key.
func badChecksum(value string, _, by int) string {
	return shift(value, len(value)-1, by)
}

// falseTag changes one character of the id, so that the id is none this
// server made; the checksum is right.
func falseTag(value string, at, by int) string {
	return sealed(shift(value, idAt(value)+at%idLength, by))
}

// wrongSecret changes one character of the secret of a live id; the checksum
// is right.
func wrongSecret(value string, at, by int) string {
	return sealed(shift(value, secretAt(value)+at%secretLength, by))
}

func sealed(value string) string {
	body, _ := split(value)
	return body + checksum(body)
}

// shift replaces the base62 character at i by the one `by` further on, which
// is another one for 1 to 61.
func shift(s string, i, by int) string {
	next := (strings.IndexByte(base62, s[i]) + by) % len(base62)
	return s[:i] + base62[next:next+1] + s[i+1:]
}
