package credential

import (
	"io"
	"strings"
)

// The layout of style client, in base62 characters: `oauth2-<id>@<domain>` and a secret of its own
// (seed LoadRunner: client id and secret key).
const (
	clientPrefix    = "oauth2-"
	clientIDLen     = 22
	clientTagLen    = 5
	clientSecretLen = 43
)

// issueClient returns an id of 17 random characters and their tag, and a secret of 43 random
// characters.
func issueClient(tag *tagger, shape Shape, random io.Reader) Issued {
	free := randomBase62(random, clientIDLen-clientTagLen)
	id := free + tag.base62Tag(Client, shape.Domain, free)
	return reissueClient(shape, clientPrefix+id+"@"+shape.Domain, random)
}

func reissueClient(shape Shape, publicID string, random io.Reader) Issued {
	return assembleClient(shape, publicID, randomBase62(random, clientSecretLen))
}

func assembleClient(_ Shape, publicID, secret string) Issued {
	id := publicID[len(clientPrefix) : len(clientPrefix)+clientIDLen]
	return Issued{PublicID: publicID, Lookup: id, Secret: NewSecret(secret), Value: NewSecret(publicID + ":" + secret)}
}

func parseClient(publicID, secret string) (Parsed, bool) {
	rest, ok := strings.CutPrefix(publicID, clientPrefix)
	if !ok || len(rest) < clientIDLen+1 || rest[clientIDLen] != '@' || len(secret) != clientSecretLen {
		return Parsed{}, false
	}
	id, domain := rest[:clientIDLen], rest[clientIDLen+1:]
	if len(domain) < minDomain || len(domain) > maxDomain || !allInClass(domain, isDomain) || !allInClass(id,
		isBase62) ||
		!allInClass(secret, isBase62) {
		return Parsed{}, false
	}
	free, tag := id[:clientIDLen-clientTagLen], id[clientIDLen-clientTagLen:]
	return Parsed{
		Style: Client, words: domain, publicID: publicID, random: free, tag: tag, lookup: id,
		secret: secret,
	}, true
}
