package credential

import "io"

// The layout of style pair, in lower-case hexadecimal characters (seed BlazeMeter:
// f817e22f1526b048799f75da:7641…).
const (
	pairIDLen     = 24
	pairTagLen    = 8
	pairSecretLen = 72
)

// issuePair returns an id of 16 random characters and their tag, and a secret of 72 random
// characters.
func issuePair(tag *tagger, shape Shape, random io.Reader) Issued {
	free := randomHex(random, pairIDLen-pairTagLen)
	return reissuePair(shape, free+tag.hexTag(Pair, free), random)
}

func reissuePair(shape Shape, id string, random io.Reader) Issued {
	return assemblePair(shape, id, randomHex(random, pairSecretLen))
}

func assemblePair(_ Shape, id, secret string) Issued {
	return Issued{PublicID: id, Lookup: id, Secret: NewSecret(secret), Value: NewSecret(id + ":" + secret)}
}

func parseHexPair(id, secret string) (Parsed, bool) {
	if len(id) != pairIDLen || len(secret) != pairSecretLen || !allInClass(id, isHex) || !allInClass(secret, isHex) {
		return Parsed{}, false
	}
	free, tag := id[:pairIDLen-pairTagLen], id[pairIDLen-pairTagLen:]
	return Parsed{Style: Pair, publicID: id, random: free, tag: tag, lookup: id, secret: secret}, true
}
