package audit

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Hash links a record to the previous one.
type Hash [sha256.Size]byte

// ServerChain is the chain of the events that belong to no account.
const ServerChain = "server"

// Chain returns the name of the event's chain.
func (e Event) Chain() string {
	switch {
	case e.Tenant != "":
		return string(e.Tenant)
	case e.Account != "":
		return string(e.Account)
	}
	return ServerChain
}

// Record is an event in its chain.
type Record struct {
	Event
	// Seq numbers the records of a chain from 1.
	Seq      int64
	PrevHash Hash // zero for the first
	Hash     Hash
	// Change is the number of the change. The hash does not cover it; the MACs of the heads do.
	Change int64
}

// Append returns the record that follows the head.
func (h Head) Append(e Event) Record {
	if e.Effects == nil {
		e.Effects = []Effect{}
	}
	r := Record{Event: e, Seq: h.Seq + 1, PrevHash: h.Hash}
	r.Hash = r.sum()
	return r
}

// The encodings that are hashed. The first contains no effects. It is used for records from before
// schema 8; only they have nil effects, not even an empty list.
const (
	encodingV1 = "claviger audit v1"
	encodingV2 = "claviger audit v2"
)

// sumBuffer is the size of what is hashed of most records, in bytes.
const sumBuffer = 1024

// sum hashes every field of the record, each with its length before it. The invalidation is not
// part of the record.
func (r Record) sum() Hash {
	in := make([]byte, 0, sumBuffer)
	add := func(texts ...string) { in = encode(in, texts...) }
	encoding := encodingV2
	if r.Effects == nil {
		encoding = encodingV1
	}
	add(encoding, string(r.PrevHash[:]), r.Chain(), strconv.FormatInt(r.Seq, 10))
	add(string(r.ID), strconv.FormatInt(r.At.UnixMicro(), 10), string(r.Account), string(r.Tenant))
	add(r.Actor.Type, r.Actor.ID, r.Actor.Email, string(r.Action), r.Target.Type, r.Target.ID, r.Target.Name, r.IP,
		r.RequestID)
	if r.Effects != nil {
		add(string(EncodeEffects(r.Effects)))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Details)) {
		add(name, r.Details[name])
	}
	return sha256.Sum256(in)
}

// Follow checks that the record follows the head and is unaltered, and returns the new head.
func (h Head) Follow(r Record) (Head, error) {
	switch {
	case r.Seq != h.Seq+1:
		return h, fmt.Errorf("chain %s: record %d follows %d", r.Chain(), r.Seq, h.Seq)
	case !bytes.Equal(r.PrevHash[:], h.Hash[:]):
		return h, fmt.Errorf("chain %s: record %d does not continue record %d", r.Chain(), r.Seq, h.Seq)
	case r.sum() != r.Hash:
		return h, fmt.Errorf("chain %s: record %d was altered", r.Chain(), r.Seq)
	}
	return Head{Seq: r.Seq, Hash: r.Hash, Change: r.Change}, nil
}
