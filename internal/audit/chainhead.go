package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Head is the end of a chain. The zero value is the head of an empty chain.
type Head struct {
	Seq  int64
	Hash Hash
	// Change is the number of the last record's change.
	Change int64
	// Unproven is the first record that was appended to a head without a valid signature; 0 for
	// none. Records before it may have been altered.
	Unproven int64
	// MAC authenticates all fields above and the name of the chain. The zero value means none, as
	// in versions before schema 11.
	MAC MAC
}

// SameRecord reports whether both heads end at the same record.
func (h Head) SameRecord(as Head) bool {
	return h.Seq == as.Seq && h.Hash == as.Hash && h.Change == as.Change
}

// MAC is a message authentication code under a version of the audit key.
type MAC struct {
	Version int
	Sum     [sha256.Size]byte
}

// keyVersion is the version of the audit key that signs heads.
const keyVersion = 1

// Key authenticates the heads of chains with HMAC-SHA-256 under a key derived from the root secret.
// Someone who can write to the database but does not know the root secret cannot sign a head, and
// the hash in a head covers every record before it.
type Key struct{ versions map[int][]byte }

// NewKey returns a key. derive returns its versions.
func NewKey(derive func(version int) []byte) *Key {
	return &Key{map[int][]byte{keyVersion: derive(keyVersion)}}
}

// NextHead returns the signed head after the record of a change. If the previous head has no valid
// signature, the new head says so permanently in Unproven: earlier records may have been altered.
// Refusing the change instead would prevent the revocation of keys.
func (k *Key) NextHead(before Head, r Record) Head {
	next := Head{Seq: r.Seq, Hash: r.Hash, Change: r.Change, Unproven: before.Unproven}
	if !k.Signed(r.Chain(), before) && next.Unproven == 0 {
		next.Unproven = r.Seq
	}
	return k.Sign(r.Chain(), next)
}

// Sign returns the head with its MAC under the current version.
func (k *Key) Sign(chain string, h Head) Head {
	h.MAC = MAC{Version: keyVersion, Sum: k.sum(keyVersion, chain, h)}
	return h
}

// Signed reports whether the MAC of the head is valid. An empty chain needs none.
func (k *Key) Signed(chain string, h Head) bool {
	if h == (Head{}) {
		return true
	}
	if k == nil {
		return false
	}
	if _, known := k.versions[h.MAC.Version]; !known {
		return false
	}
	sum := k.sum(h.MAC.Version, chain, h)
	return subtle.ConstantTimeCompare(sum[:], h.MAC.Sum[:]) == 1
}

func (k *Key) sum(version int, chain string, h Head) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, k.versions[version])
	mac.Write(encode(nil, "claviger audit head v1", chain, strconv.FormatInt(h.Seq, 10), string(h.Hash[:]),
		strconv.FormatInt(h.Change, 10), strconv.FormatInt(h.Unproven, 10)))
	mac.Sum(sum[:0])
	return sum
}

// encode appends texts, each with its length before it.
func encode(in []byte, texts ...string) []byte {
	for _, t := range texts {
		in = binary.BigEndian.AppendUint32(in, uint32(len(t)))
		in = append(in, t...)
	}
	return in
}

// State is the state of the whole trail after a change, in a form that is stored outside of the
// database. A later verification tells whether the trail still began with it.
type State struct {
	Change int64
	// Sum is the SHA-256 over the names, numbers and hashes of the heads of all chains at that
	// change.
	Sum [sha256.Size]byte
}

// StateOf returns the state with these heads after a change.
func StateOf(change int64, heads map[string]Head) State {
	in := encode(nil, "claviger audit state v1", strconv.FormatInt(change, 10))
	for _, chain := range slices.Sorted(maps.Keys(heads)) {
		if h := heads[chain]; h.Seq > 0 {
			in = encode(in, chain, strconv.FormatInt(h.Seq, 10), string(h.Hash[:]))
		}
	}
	return State{Change: change, Sum: sha256.Sum256(in)}
}

// String returns the state as `<change>:<43 characters of unpadded base64url>`.
func (s State) String() string {
	return strconv.FormatInt(s.Change, 10) + ":" + base64.RawURLEncoding.EncodeToString(s.Sum[:])
}

// ParseState parses the result of String.
func ParseState(text string) (s State, err error) {
	number, sum, _ := strings.Cut(text, ":")
	s.Change, err = strconv.ParseInt(number, 10, 64)
	raw, wrong := base64.RawURLEncoding.Strict().DecodeString(sum)
	copy(s.Sum[:], raw)
	if err != nil || wrong != nil || s.Change < 0 || len(raw) != len(s.Sum) || s.String() != text {
		return State{},
			errors.New("a head is a number, a colon and 43 characters, as `claviger audit verify` prints it")
	}
	return s, nil
}

// mismatch returns the damage of a trail that does not begin with the state.
func (s State) mismatch() error {
	return &Damage{What: fmt.Sprintf("the records up to change %d are not those of the head that was given", s.Change)}
}
