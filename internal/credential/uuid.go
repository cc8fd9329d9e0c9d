package credential

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// The layout of style uuid: a version-4 UUID in lower case (RFC 9562 section 5.4) that is id and secret in one (seed Blancco).
// Of its 122 free bits the last 10 are the tag of the others.
const (
	uuidLen     = 36
	uuidTagBits = 10
	// uuidFree is how many characters hold no bit of the tag; the one after them holds two free bits and two of the tag.
	uuidFree = uuidLen - 3
)

// mintUUID draws 112 random bits and their tag. The value is found by its hash: in the database it does not stand.
func mintUUID(tag *tagger, shape Shape, random io.Reader) Minted {
	var raw [16]byte
	fill(random, raw[:])
	raw[6] = raw[6]&0x0f | 0x40 // version 4
	raw[8] = raw[8]&0x3f | 0x80 // variant of RFC 9562
	raw[14] &^= 1<<(uuidTagBits-8) - 1
	raw[15] = 0
	mark := tag.bits(UUID, uuidTagBits, spell(raw))
	raw[14] |= byte(mark >> 8)
	raw[15] = byte(mark)
	return wholeUUID(shape, "", spell(raw))
}

func wholeUUID(_ Shape, publicID, value string) Minted {
	return Minted{PublicID: publicID, Lookup: uuidLookup(value), Secret: NewSecret(value), Value: NewSecret(value)}
}

// parseUUID takes a UUID alone.
func parseUUID(value string) (Presented, bool) {
	if len(value) != uuidLen {
		return Presented{}, false
	}
	for i := range uuidLen {
		c := value[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return Presented{}, false
			}
		default:
			if class[c]&isHex == 0 {
				return Presented{}, false
			}
		}
	}
	if value[14] != '4' || value[19] != '8' && value[19] != '9' && value[19] != 'a' && value[19] != 'b' {
		return Presented{}, false
	}
	return Presented{Style: UUID, lookup: uuidLookup(value), secret: value}, true
}

// parseUUIDPair takes a UUID behind the id of its key, which stands in for a public id.
func parseUUIDPair(publicID, value string) (Presented, bool) {
	p, ok := parseUUID(value)
	p.publicID = publicID
	return p, ok && publicID != ""
}

// uuidLookup is the first half of the value's SHA-256.
func uuidLookup(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:16])
}

// taggedUUID compares the last ten bits with the tag of the others.
func (t *tagger) taggedUUID(value string) bool {
	last := [3]byte{unhex(value[uuidFree]), unhex(value[uuidFree+1]), unhex(value[uuidFree+2])}
	got := uint64(last[0]&3)<<8 | uint64(last[1])<<4 | uint64(last[2])
	cleared := value[:uuidFree] + string(hex16[last[0]&^3]) + "00"
	return t.bits(UUID, uuidTagBits, cleared) == got
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'a' + 10
}

func spell(raw [16]byte) string {
	h := hex.EncodeToString(raw[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
