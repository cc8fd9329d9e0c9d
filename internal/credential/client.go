package credential

import (
	"io"
	"strings"
)

// The layout of style client, in base62 characters: `oauth2-<id>@<domain>` and a secret of its own (seed LoadRunner: client id and secret key).
const (
	clientPrefix    = "oauth2-"
	clientIDLen     = 22
	clientTagLen    = 5
	clientSecretLen = 43
)

// mintClient draws an id of 17 random characters and their tag, and a secret of 43.
func mintClient(tag *tagger, shape Shape, random io.Reader) Minted {
	free := randomBase62(random, clientIDLen-clientTagLen)
	id := free + tag.base62(Client, shape.Domain, free)
	return renewClient(shape, clientPrefix+id+"@"+shape.Domain, random)
}

func renewClient(shape Shape, publicID string, random io.Reader) Minted {
	return wholeClient(shape, publicID, randomBase62(random, clientSecretLen))
}

func wholeClient(_ Shape, publicID, secret string) Minted {
	id := publicID[len(clientPrefix) : len(clientPrefix)+clientIDLen]
	return Minted{PublicID: publicID, Lookup: id, Secret: NewSecret(secret), Value: NewSecret(publicID + ":" + secret)}
}

func parseClient(publicID, secret string) (Presented, bool) {
	rest, ok := strings.CutPrefix(publicID, clientPrefix)
	if !ok || len(rest) < clientIDLen+1 || rest[clientIDLen] != '@' || len(secret) != clientSecretLen {
		return Presented{}, false
	}
	id, domain := rest[:clientIDLen], rest[clientIDLen+1:]
	if len(domain) < minDomain || len(domain) > maxDomain || !allOf(domain, isDomain) || !allOf(id, isBase62) || !allOf(secret, isBase62) {
		return Presented{}, false
	}
	free, tag := id[:clientIDLen-clientTagLen], id[clientIDLen-clientTagLen:]
	return Presented{Style: Client, words: domain, publicID: publicID, free: free, tag: tag, lookup: id, secret: secret}, true
}
