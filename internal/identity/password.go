package identity

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
)

// maxWait is how long anyone waits for a turn. Behind a flood of sign-ins nobody waits for longer.
const maxWait = 2 * time.Second

// Hasher runs argon2id, a few at a time: each run takes 46 MiB and some 20 ms of a core that verification needs too. Whoever wants to hash waits for a turn and
// does in it whatever else belongs to it, so that a flood of sign-ins reaches the database no faster than it is hashed.
type Hasher struct {
	// queues hold one turn each. An address always waits in the same one, so that attempts on one account do not run side by side.
	queues []chan struct{}
	cost   Cost
	gauge  Queue
}

// NewHasher allows so many turns at once, and hashes new passwords at the cost.
func NewHasher(cost Cost, atOnce int) *Hasher {
	h := &Hasher{cost: cost}
	for range atOnce {
		h.queues = append(h.queues, make(chan struct{}, 1))
	}
	return h
}

// turn is one's place at the Hasher, and the only thing that hashes.
type turn struct{ cost Cost }

// inTurn waits for a turn in the queue of the address and does what belongs into it; fault.Unavailable where the wait is too long.
func (h *Hasher) inTurn(ctx context.Context, canonical string, do func(turn) error) error {
	queue := h.queues[share(canonical, len(h.queues))]
	waiting, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	h.gauge.Waiting.Add(1)
	select {
	case queue <- struct{}{}:
		h.gauge.Waiting.Add(-1)
		h.gauge.Running.Add(1)
		defer func() {
			h.gauge.Running.Add(-1)
			<-queue
		}()
		return do(turn{h.cost})
	case <-waiting.Done():
		h.gauge.Waiting.Add(-1)
		h.gauge.GivenUp.Add(1)
		return fault.Wrap(fault.Unavailable, waiting.Err(), "Too many sign-ins at once. Try again.")
	}
}

// Hash encodes a new password in the PHC string format, in a turn of its own.
func (h *Hasher) Hash(ctx context.Context, password credential.Secret) (encoded string, err error) {
	err = h.inTurn(ctx, "", func(t turn) error {
		encoded = t.hash(password)
		return nil
	})
	return encoded, err
}

// hash encodes a new password.
func (t turn) hash(password credential.Secret) string { return t.cost.hash(password) }

// comparison is what came of comparing a password with the stored one.
type comparison struct {
	matches bool
	stored  storedHash
}

// compare compares a password with the encoded one. An empty encoding matches nothing and costs the same.
func (t turn) compare(password credential.Secret, encoded string) (c comparison, err error) {
	c.stored = dummyHash(t.cost)
	if encoded != "" {
		if c.stored, err = decodeHash(encoded); err != nil {
			return comparison{}, err
		}
	}
	c.matches = c.stored.matches(password) && encoded != ""
	return c, nil
}

// refuse spends what a hash of a lower cost saved, so that every refusal takes equally long.
func (t turn) refuse(c comparison, password credential.Secret) { c.stored.equalise(t.cost, password) }

// outdated reports whether the stored hash has another cost than new ones.
func (t turn) outdated(c comparison) bool { return c.stored.cost != t.cost }
