package credential

import "io"

// The layout of style pair, in lower-case hexadecimal characters (seed BlazeMeter: f817e22f1526b048799f75da:7641…).
const (
	pairIDLen     = 24
	pairTagLen    = 8
	pairSecretLen = 72
)

// mintPair draws an id of 16 random characters and their tag, and a secret of 72.
func mintPair(tag *tagger, shape Shape, random io.Reader) Minted {
	free := randomHex(random, pairIDLen-pairTagLen)
	return renewPair(shape, free+tag.hex(Pair, free), random)
}

func renewPair(shape Shape, id string, random io.Reader) Minted {
	return wholePair(shape, id, randomHex(random, pairSecretLen))
}

func wholePair(_ Shape, id, secret string) Minted {
	return Minted{PublicID: id, Lookup: id, Secret: NewSecret(secret), Value: NewSecret(id + ":" + secret)}
}

func parseHexPair(id, secret string) (Presented, bool) {
	if len(id) != pairIDLen || len(secret) != pairSecretLen || !allOf(id, isHex) || !allOf(secret, isHex) {
		return Presented{}, false
	}
	free, tag := id[:pairIDLen-pairTagLen], id[pairIDLen-pairTagLen:]
	return Presented{Style: Pair, publicID: id, free: free, tag: tag, lookup: id, secret: secret}, true
}
