package main

import (
	"fmt"
	"hash/crc32"
	"strings"
)

const (
	base62         = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	idLength       = 16
	secretLength   = 42
	checksumLength = 6
)

// checksum returns the CRC-32 (IEEE) of s in base62, padded with zeros to six digits.
func checksum(s string) string {
	sum := crc32.ChecksumIEEE([]byte(s))
	var out [checksumLength]byte
	for i := range out {
		out[checksumLength-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// checkToken returns an error if value is not <prefix>_<label>_<id>_<secret><checksum>.
func checkToken(value string) error {
	const tail = 1 + idLength + 1 + secretLength + checksumLength
	if len(value) <= tail || value[len(value)-tail] != '_' || value[secretStart(value)-1] != '_' {
		return fmt.Errorf("key of %d characters does not look like a token", len(value))
	}
	if body, sum := splitChecksum(value); checksum(body) != sum {
		return fmt.Errorf("key whose checksum is not the CRC-32 of the characters before it")
	}
	return nil
}

func splitChecksum(value string) (body, sum string) {
	at := len(value) - checksumLength
	return value[:at], value[at:]
}

func secretStart(value string) int { return len(value) - checksumLength - secretLength }
func idStart(value string) int     { return secretStart(value) - 1 - idLength }

// makeInvalid returns n different invalid keys of one kind, made from valid keys.
func makeInvalid(values []string, n int, kind func(value string, at, by int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = kind(values[i%len(values)], i, 1+i/len(values))
	}
	return out
}

// badChecksum changes the last character of a valid key.
func badChecksum(value string, _, by int) string {
	return shift(value, len(value)-1, by)
}

// wrongTag changes one character of the id, so that this server never issued the id. The checksum
// is correct.
func wrongTag(value string, at, by int) string {
	return withChecksum(shift(value, idStart(value)+at%idLength, by))
}

// wrongSecret changes one character of the secret and keeps the existing id. The checksum is
// correct.
func wrongSecret(value string, at, by int) string {
	return withChecksum(shift(value, secretStart(value)+at%secretLength, by))
}

func withChecksum(value string) string {
	body, _ := splitChecksum(value)
	return body + checksum(body)
}

// shift replaces the base62 character at i with the one that comes `by` places later. For 1 to 61,
// that is a different character.
func shift(s string, i, by int) string {
	next := (strings.IndexByte(base62, s[i]) + by) % len(base62)
	return s[:i] + base62[next:next+1] + s[i+1:]
}
