package credential

import (
	"hash/crc32"
	"io"
)

// The layout of style token, in characters.
const (
	tokenIDLen     = 16
	tokenTagLen    = 5
	tokenSecretLen = 48
	checksumLen    = 6
	tokenMin       = 1 + 1 + 1 + 1 + tokenIDLen + 1 + tokenSecretLen // one-letter prefix and label
	tokenMax       = MaxWord + 1 + MaxWord + 1 + tokenIDLen + 1 + tokenSecretLen
)

// mintToken draws a new id and secret of style token.
func (k *Keyring) mintToken(shape Shape, random io.Reader) Minted {
	id := k.tokenID(shape, random)
	return k.tokenSecret(shape, id, random)
}

// tokenID draws the 16 characters of an id: 11 random ones and their tag.
func (k *Keyring) tokenID(shape Shape, random io.Reader) string {
	free := randomBase62(random, tokenIDLen-tokenTagLen)
	tag := k.tags.current().token(shape.Label, free)
	return free + string(tag[:])
}

// tokenSecret draws a new secret for an id.
func (k *Keyring) tokenSecret(shape Shape, id string, random io.Reader) Minted {
	body := shape.Prefix + "_" + shape.Label + "_" + id + "_" + randomBase62(random, tokenSecretLen-checksumLen)
	sum := checksum(body)
	value := body + string(sum[:])
	secret := value[len(value)-tokenSecretLen:]
	return Minted{
		Shape:    shape,
		PublicID: shape.Label + "_" + id,
		Lookup:   id,
		Secret:   NewSecret(secret),
		Value:    NewSecret(value),
		Last4:    secret[len(secret)-4:],
	}
}

// parseToken splits `<prefix>_<label>_<id>_<secret>` from the right, since prefix and label may hold underscores themselves.
func parseToken(value string) (Presented, bool) {
	if len(value) < tokenMin || len(value) > tokenMax {
		return Presented{}, false
	}
	secretAt := len(value) - tokenSecretLen
	idAt := secretAt - 1 - tokenIDLen
	words, id, secret := value[:idAt-1], value[idAt:secretAt-1], value[secretAt:]
	if value[idAt-1] != '_' || value[secretAt-1] != '_' || !allOf(id, isBase62) || !allOf(secret, isBase62) || !wellFormed(words) {
		return Presented{}, false
	}
	sum := checksum(value[:len(value)-checksumLen])
	if string(sum[:]) != secret[tokenSecretLen-checksumLen:] {
		return Presented{}, false
	}
	return Presented{Style: Token, whole: true, words: words, id: id, secret: secret}, true
}

// parseTokenPair takes a public id `<label>_<id>` and a secret. The checksum covers the prefix too, which is not here:
// the digest alone decides.
func parseTokenPair(publicID, secret string) (Presented, bool) {
	labelLen := len(publicID) - tokenIDLen - 1
	if labelLen < 1 || labelLen > MaxWord || len(secret) != tokenSecretLen || publicID[labelLen] != '_' {
		return Presented{}, false
	}
	label, id := publicID[:labelLen], publicID[labelLen+1:]
	if !wellFormed(label) || !allOf(id, isBase62) || !allOf(secret, isBase62) {
		return Presented{}, false
	}
	return Presented{Style: Token, words: label, id: id, secret: secret}, true
}

// wellFormed reports whether the text is lower-case words joined by single underscores.
func wellFormed(text string) bool {
	after := byte('_')
	for i := range len(text) {
		c := text[i]
		if c == '_' && after == '_' || c != '_' && (c < 'a' || c > 'z') {
			return false
		}
		after = c
	}
	return after != '_'
}

// checksum is CRC-32 (IEEE) of the text in base62. The table is walked here because crc32.Update takes bytes, which would allocate.
func checksum(text string) (sum [checksumLen]byte) {
	crc := ^uint32(0)
	for i := range len(text) {
		crc = crc32.IEEETable[byte(crc)^text[i]] ^ crc>>8
	}
	writeBase62(sum[:], uint64(^crc))
	return sum
}
