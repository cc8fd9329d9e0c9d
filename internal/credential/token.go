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

// mintToken draws an id of 11 random characters and their tag, and a secret of 42 random ones and the checksum of all before it.
func mintToken(tag *tagger, shape Shape, random io.Reader) Minted {
	free := randomBase62(random, tokenIDLen-tokenTagLen)
	return renewToken(shape, shape.Label+"_"+free+tag.base62(Token, shape.Label, free), random)
}

func renewToken(shape Shape, publicID string, random io.Reader) Minted {
	free := randomBase62(random, tokenSecretLen-checksumLen)
	sum := checksum(shape.Prefix + "_" + publicID + "_" + free)
	return wholeToken(shape, publicID, free+string(sum[:]))
}

func wholeToken(shape Shape, publicID, secret string) Minted {
	return Minted{
		PublicID: publicID, Lookup: publicID[len(publicID)-tokenIDLen:], Secret: NewSecret(secret), Value: NewSecret(shape.Prefix + "_" + publicID + "_" + secret),
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
	p := tokenOf(id, secret)
	p.words = words
	return p, true
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
	p := tokenOf(id, secret)
	p.words, p.publicID = label, publicID
	return p, true
}

func tokenOf(id, secret string) Presented {
	free, tag := id[:tokenIDLen-tokenTagLen], id[tokenIDLen-tokenTagLen:]
	return Presented{Style: Token, free: free, tag: tag, lookup: id, secret: secret}
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
