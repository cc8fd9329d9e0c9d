package credential

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// The layout of style uuid: a version-4 UUID in lower case (RFC 9562 section 5.4) that is id and
// secret in one (seed Blancco). Of its 122 free bits the last 10 are the tag of the others.
const (
	uuidLen     = 36
	uuidTagBits = 10
	// uuidFree is how many characters hold no bit of the tag. The next character holds two random
	// bits and two bits of the tag.
	uuidFree = uuidLen - 3
)

// issueUUID returns 112 random bits and their tag. The value is not in the database: the key is
// found by its hash.
func issueUUID(tag *tagger, shape Shape, random io.Reader) Issued {
	var raw [16]byte
	readRandom(random, raw[:])
	raw[6] = raw[6]&0x0f | 0x40 // version 4
	raw[8] = raw[8]&0x3f | 0x80 // variant of RFC 9562
	raw[14] &^= 1<<(uuidTagBits-8) - 1
	raw[15] = 0
	sum := tag.bitsTag(UUID, uuidTagBits, formatUUID(raw))
	raw[14] |= byte(sum >> 8)
	raw[15] = byte(sum)
	return assembleUUID(shape, "", formatUUID(raw))
}

func assembleUUID(_ Shape, publicID, value string) Issued {
	return Issued{PublicID: publicID, Lookup: uuidLookup(value), Secret: NewSecret(value), Value: NewSecret(value)}
}

// parseUUID parses a UUID alone.
func parseUUID(value string) (Parsed, bool) {
	if len(value) != uuidLen {
		return Parsed{}, false
	}
	for i := range uuidLen {
		c := value[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return Parsed{}, false
			}
		default:
			if byteClasses[c]&isHex == 0 {
				return Parsed{}, false
			}
		}
	}
	if value[14] != '4' || value[19] != '8' && value[19] != '9' && value[19] != 'a' && value[19] != 'b' {
		return Parsed{}, false
	}
	return Parsed{Style: UUID, lookup: uuidLookup(value), secret: value}, true
}

// parseUUIDPair parses a UUID with the id of its key, which is used as the public id.
func parseUUIDPair(publicID, value string) (Parsed, bool) {
	p, ok := parseUUID(value)
	p.publicID = publicID
	return p, ok && publicID != ""
}

// uuidLookup returns the first half of the value's SHA-256 in hexadecimal.
func uuidLookup(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:16])
}

// taggedUUID reports whether the last ten bits are the tag of the others.
func (t *tagger) taggedUUID(value string) bool {
	last := [3]byte{unhex(value[uuidFree]), unhex(value[uuidFree+1]), unhex(value[uuidFree+2])}
	got := uint64(last[0]&3)<<8 | uint64(last[1])<<4 | uint64(last[2])
	cleared := value[:uuidFree] + string(hex16[last[0]&^3]) + "00"
	return t.bitsTag(UUID, uuidTagBits, cleared) == got
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'a' + 10
}

// formatUUID returns the text of a UUID.
func formatUUID(raw [16]byte) string {
	h := hex.EncodeToString(raw[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
