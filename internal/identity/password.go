package identity

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
)

// maxTurn bounds what is done in a turn: a database that does not answer must not hold the turns for ever.
const maxTurn = 10 * time.Second

// shareOfCores is the part of the machine's cores that hashing may take: one in so many.
const shareOfCores = 4

// Hasher runs argon2id, a few at a time: each run takes 46 MiB and some 20 ms of a core that verification needs too. Whoever wants to hash waits for a turn and
// does in it whatever else belongs to it, so that a flood of sign-ins reaches the database no faster than it is hashed. Turns are given fairly (see fairQueue).
//
// Hashing takes a quarter of the cores at most, so that a flood of guesses leaves the others to decisions: there are as many turns at once as that is
// cores, at least one, and on a machine of fewer than four cores a turn is followed by a rest.
type Hasher struct {
	queue *fairQueue
	cost  Cost
	// rest is how long a turn rests for the time it hashed.
	rest  float64
	gauge Queue
}

// NewHasher hashes new passwords at the cost, on a machine of so many cores.
func NewHasher(cost Cost, cores int) *Hasher {
	turns := max(1, cores/shareOfCores)
	rest := float64(turns*shareOfCores)/float64(cores) - 1
	return &Hasher{queue: newFairQueue(turns), cost: cost, rest: max(0, rest)}
}

// turn is one's place at the Hasher, and the only thing that hashes.
type turn struct {
	cost Cost
	// hashing is how long it has hashed.
	hashing time.Duration
}

// measure runs a hash and adds how long it took.
func (t *turn) measure(hash func()) {
	start := time.Now()
	hash()
	t.hashing += time.Since(start)
}

// inTurn waits for a turn of the source that asks for the person, and does what belongs into it;
// fault.Unavailable where the wait is too long. A person of "" is none in particular.
func (h *Hasher) inTurn(ctx context.Context, source, person string, do func(context.Context, *turn) error) error {
	h.gauge.Waiting.Add(1)
	leave, err := h.queue.enter(ctx, source, person)
	h.gauge.Waiting.Add(-1)
	if err != nil {
		h.gauge.GivenUp.Add(1)
		return err
	}
	t := &turn{cost: h.cost}
	defer func() {
		h.gauge.Running.Add(-1)
		time.AfterFunc(time.Duration(h.rest*float64(t.hashing)), leave)
	}()
	h.gauge.Running.Add(1)
	ctx, cancel := context.WithTimeout(ctx, maxTurn)
	defer cancel()
	return do(ctx, t)
}

// Hash encodes a new password in the PHC string format, in a turn of the source.
func (h *Hasher) Hash(ctx context.Context, source string, password credential.Secret) (encoded string, err error) {
	err = h.inTurn(ctx, source, "", func(_ context.Context, t *turn) error {
		encoded = t.hash(password)
		return nil
	})
	return encoded, err
}

// hash encodes a new password.
func (t *turn) hash(password credential.Secret) (encoded string) {
	t.measure(func() { encoded = t.cost.hash(password) })
	return encoded
}

// comparison is what came of comparing a password with the stored one.
type comparison struct {
	matches bool
	stored  storedHash
}

// compare compares a password with the encoded one. An empty encoding matches nothing and costs the same.
func (t *turn) compare(password credential.Secret, encoded string) (c comparison, err error) {
	c.stored = dummyHash(t.cost)
	if encoded != "" {
		if c.stored, err = decodeHash(encoded); err != nil {
			return comparison{}, err
		}
	}
	t.measure(func() { c.matches = c.stored.matches(password) && encoded != "" })
	return c, nil
}

// refuse spends what a hash of a lower cost saved, so that every refusal takes equally long.
func (t *turn) refuse(c comparison, password credential.Secret) {
	t.measure(func() { c.stored.equalise(t.cost, password) })
}

// outdated reports whether the stored hash has another cost than new ones.
func (t *turn) outdated(c comparison) bool { return c.stored.cost != t.cost }
