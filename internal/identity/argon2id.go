package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/crypto/argon2"

	"github.com/claviger-dev/claviger/internal/credential"
)

// Cost is what one password hash costs: the parameters of argon2id (RFC 9106 section 3.1).
type Cost struct {
	// Memory in KiB.
	Memory uint32
	// Time is the number of passes over the memory.
	Time uint32
	// Threads is the number of lanes.
	Threads uint8
}

// ProductionCost is OWASP's first choice for one lane: 46 MiB and one pass, about 20 ms of a core.
func ProductionCost() Cost { return Cost{Memory: 46 * 1024, Time: 1, Threads: 1} }

const (
	saltLength = 16 // bytes
	hashLength = 32 // bytes
)

// maxCost bounds what a stored hash can demand of this process: a row that somebody else wrote must
// not exhaust its memory.
var maxCost = Cost{Memory: 1 << 20, Time: 16, Threads: 16}

func (c Cost) valid() bool {
	return c.Memory >= 8*uint32(c.Threads) && c.Memory <= maxCost.Memory &&
		c.Time >= 1 && c.Time <= maxCost.Time && c.Threads >= 1 && c.Threads <= maxCost.Threads
}

// work returns how much memory a hash of this cost fills, in KiB. The running time is proportional
// to it.
func (c Cost) work() uint64 { return uint64(c.Memory) * uint64(c.Time) }

// hash encodes a new password in the PHC string format.
func (c Cost) hash(password credential.Secret) string {
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	return c.encode(salt, c.derive(password, salt))
}

func (c Cost) derive(password credential.Secret, salt []byte) []byte {
	text := password.Reveal()
	if len(text) > 4*MaxPassword {
		text = "" // too long for any password; costs the same time
	}
	return argon2.IDKey([]byte(text), salt, c.Time, c.Memory, c.Threads, hashLength)
}

func (c Cost) encode(salt, hash []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, c.Memory, c.Time, c.Threads, b64.EncodeToString(salt), b64.EncodeToString(hash))
}

// storedHash is a password hash read from the database.
type storedHash struct {
	cost       Cost
	salt, hash []byte
}

// dummyHash returns a hash that matches no password, and takes as long to compare as one of this
// cost.
func dummyHash(c Cost) storedHash {
	return storedHash{cost: c, salt: []byte("a salt of nobody"), hash: make([]byte, hashLength)}
}

func (s storedHash) matches(password credential.Secret) bool {
	return subtle.ConstantTimeCompare(s.cost.derive(password, s.salt), s.hash) == 1
}

// equalize does the work that a hash of the cost needs beyond that of s, which was just computed.
// Otherwise the shorter time of a hash stored at a lower cost would reveal that the address is
// known.
func (s storedHash) equalize(c Cost, password credential.Secret) {
	rest := int64(c.work()) - int64(s.cost.work())
	if rest <= 0 {
		return
	}
	Cost{Memory: max(8, uint32(rest/int64(c.Time))), Time: c.Time, Threads: 1}.derive(password, s.salt)
}

// phc is the PHC string format of argon2id, version 19. Numbers have no leading zero.
var phc = regexp.MustCompile(
	`^\$argon2id\$v=19\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,2})` +
		`\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

// errStoredHash does not contain the hash, since errors are logged.
var errStoredHash = errors.New("a stored password hash is not argon2id in the PHC string format")

// decodeHash reads a hash in the PHC string format, of any cost up to maxCost.
func decodeHash(encoded string) (storedHash, error) {
	parts := phc.FindStringSubmatch(encoded)
	if parts == nil {
		return storedHash{}, errStoredHash
	}
	memory, err1 := strconv.ParseUint(parts[1], 10, 32)
	passes, err2 := strconv.ParseUint(parts[2], 10, 32)
	threads, err3 := strconv.ParseUint(parts[3], 10, 8)
	salt, err4 := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	hash, err5 := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	s := storedHash{
		cost: Cost{Memory: uint32(memory), Time: uint32(passes), Threads: uint8(threads)}, salt: salt,
		hash: hash,
	}
	if errors.Join(err1, err2, err3, err4, err5) != nil || !s.cost.valid() || len(hash) != hashLength {
		return storedHash{}, errStoredHash
	}
	return s, nil
}
