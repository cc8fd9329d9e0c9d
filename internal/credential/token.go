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
	tokenMax       = MaxWordLength + 1 + MaxWordLength + 1 + tokenIDLen + 1 + tokenSecretLen
)

// issueToken returns an id of 11 random characters and their tag, and a secret of 42 random
// characters and the checksum of everything before it.
func issueToken(tag *tagger, shape Shape, random io.Reader) Issued {
	free := randomBase62(random, tokenIDLen-tokenTagLen)
	return reissueToken(shape, shape.Label+"_"+free+tag.base62Tag(Token, shape.Label, free), random)
}

func reissueToken(shape Shape, publicID string, random io.Reader) Issued {
	free := randomBase62(random, tokenSecretLen-checksumLen)
	sum := checksum(shape.Prefix + "_" + publicID + "_" + free)
	return assembleToken(shape, publicID, free+string(sum[:]))
}

func assembleToken(shape Shape, publicID, secret string) Issued {
	return Issued{
		PublicID: publicID, Lookup: publicID[len(publicID)-tokenIDLen:], Secret: NewSecret(secret),
		Value: NewSecret(shape.Prefix + "_" + publicID + "_" + secret),
	}
}

// parseToken splits `<prefix>_<label>_<id>_<secret>` from the right, because prefix and label may
// have underscores themselves.
func parseToken(value string) (Parsed, bool) {
	if len(value) < tokenMin || len(value) > tokenMax {
		return Parsed{}, false
	}
	secretAt := len(value) - tokenSecretLen
	idAt := secretAt - 1 - tokenIDLen
	words := value[:idAt-1]
	id := value[idAt : secretAt-1]
	secret := value[secretAt:]
	if value[idAt-1] != '_' || value[secretAt-1] != '_' || !allInClass(id, isBase62) || !allInClass(secret, isBase62) ||
		!wellFormed(words) {
		return Parsed{}, false
	}
	sum := checksum(value[:len(value)-checksumLen])
	if string(sum[:]) != secret[tokenSecretLen-checksumLen:] {
		return Parsed{}, false
	}
	p := newTokenParsed(id, secret)
	p.words = words
	return p, true
}

// parseTokenPair parses a public id `<label>_<id>` and a secret. The checksum cannot be checked,
// because it covers the prefix, which is missing: only the digest decides.
func parseTokenPair(publicID, secret string) (Parsed, bool) {
	labelLen := len(publicID) - tokenIDLen - 1
	if labelLen < 1 || labelLen > MaxWordLength || len(secret) != tokenSecretLen || publicID[labelLen] != '_' {
		return Parsed{}, false
	}
	label, id := publicID[:labelLen], publicID[labelLen+1:]
	if !wellFormed(label) || !allInClass(id, isBase62) || !allInClass(secret, isBase62) {
		return Parsed{}, false
	}
	p := newTokenParsed(id, secret)
	p.words, p.publicID = label, publicID
	return p, true
}

func newTokenParsed(id, secret string) Parsed {
	free, tag := id[:tokenIDLen-tokenTagLen], id[tokenIDLen-tokenTagLen:]
	return Parsed{Style: Token, random: free, tag: tag, lookup: id, secret: secret}
}

// wellFormed reports whether the text consists of lower-case words joined by single underscores.
func wellFormed(text string) bool {
	previous := byte('_')
	for i := range len(text) {
		c := text[i]
		if c == '_' && previous == '_' || c != '_' && (c < 'a' || c > 'z') {
			return false
		}
		previous = c
	}
	return previous != '_'
}

// checksum returns the CRC-32 (IEEE) of the text in base62. It does not call crc32.Update, which
// takes a byte slice: the conversion would allocate.
func checksum(text string) (sum [checksumLen]byte) {
	crc := ^uint32(0)
	for i := range len(text) {
		crc = crc32.IEEETable[byte(crc)^text[i]] ^ crc>>8
	}
	writeBase62(sum[:], uint64(^crc))
	return sum
}
