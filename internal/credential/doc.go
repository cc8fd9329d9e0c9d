// Package credential makes and recognises the secrets Claviger issues, and keeps what is stored of them.
//
// A credential of style token looks like this on the wire:
//
//	clv_ak_7Hq2mZ0aBcDtTtTt_s6R…42 random characters…1a2B3c
//	│   │  │          │     │                        └ checksum: CRC-32 of all before it
//	│   │  │          │     └ secret: 42 random base62 characters and the checksum
//	│   │  │          └ tag: truncated HMAC of the rest of the id under a tag key
//	│   │  └ 11 random base62 characters; with the tag they are the id
//	│   └ label ┐ both chosen by the tenant
//	└ prefix    ┘
//
// The public id is label and id: ak_7Hq2mZ0aBcDtTtTt. The other styles:
//
//	pair    f817e22f1526b048TTTTTTTT:7641…72 hexadecimal characters    id, of which the last eight are the tag, and secret
//	client  oauth2-7Hq2mZ0aBcDeFgHiJTTTTT@microfocus.com:…43 base62…     id with its tag, the tenant's domain, secret
//	uuid    8574e755-1f80-4af4-b7ae-a8187afb3909                       id and secret in one; the last ten bits are the tag
//
// Parsing is exact: exact length and alphabet, nothing is trimmed,
// folded or cut, so what parses re-encodes to the same bytes.
//
// Three properties follow. A scanner can tell a key from a look-alike by the checksum, offline. An id this server
// never made is refused by the tag, without a read. And what is stored of the secret is a [Digest], a SHA-256 bound to the
// key it belongs to, itself [Keyring.SealDigest]-ed under a versioned server key: a stolen database cannot be tested offline.
//
// All keys come from one [Root] secret by HKDF, with a label for each purpose and a [Version]. Versions come and go while the server runs; see package serverkey.
package credential
