// Package credential issues the secrets of keys, recognises them, and defines what is stored of
// them.
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
// A management key has the same form with the words clv and mk, under server keys of its own; see
// managementkey.go.
//
// The public id is label and id: ak_7Hq2mZ0aBcDtTtTt. The other styles:
//
//	pair    f817e22f1526b048TTTTTTTT:7641…72 hexadecimal characters…
//	        id, of which the last eight characters are the tag, and secret
//	client  oauth2-7Hq2mZ0aBcDeFgHiJTTTTT@microfocus.com:…43 base62 characters…
//	        id with its tag, the tenant's domain, and secret
//	uuid    8574e755-1f80-4af4-b7ae-a8187afb3TTT
//	        id and secret in one; the last ten bits are the tag
//
// Parsing is exact: length and alphabet must match, and nothing is trimmed, folded or cut. So what
// parses encodes to the same bytes again.
//
// This has three properties:
//
//   - A scanner recognises a token by its checksum, offline. The other styles have no checksum (see
//     package scan).
//   - The tag refuses an id that this server never issued, without a read. About one id in 2^30
//     has the right tag by chance, of style uuid one in 2^10.
//   - What is stored of a secret is a [Digest], a SHA-256 that is bound to its key and sealed under
//     a versioned server key ([Keyring.SealDigest]). Guesses cannot be tested on a stolen database.
//
// All server keys are derived from one [Root] secret by HKDF, with a label for each purpose and
// [Version]. Versions begin and end while the server runs; see package serverkey.
package credential
