package identity

import (
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
)

const (
	// maxTurn bounds what is done in a turn: a database that does not answer must not hold the turns for ever.
	maxTurn = 10 * time.Second
	// maxWait bounds how long anyone waits for a turn.
	maxWait = 5 * time.Second
	// maxWaiting bounds how many wait at once, and maxWaitingOfSource how many of them come from one source.
	maxWaiting         = 1000
	maxWaitingOfSource = 32
	// maxWaitingForPerson bounds how many hold a turn while another serves the same person.
	maxWaitingForPerson = 3
	// shareOfCores is the part of the machine's cores that hashing may take: one in so many.
	shareOfCores = 4
)

// Hasher runs argon2id, a few at a time: each run takes 46 MiB and some 20 ms of a core that verification
// needs too. A caller waits for a turn and does in it whatever else belongs to it, so that a flood of sign-ins
// reaches the database no faster than it is hashed. Sources take turns, so that a source with many requests
// delays another by one turn. No person is served twice at a time, so that two sign-ins of one person do not
// refuse each other.
//
// Hashing takes a quarter of the cores at most, so that a flood of guesses leaves the others to decisions:
// there is one turn at a time for every four cores, at least one, and on fewer cores a turn is followed by a
// rest.
type Hasher struct {
	sources, persons *admission.Gate

	cost Cost
	// rest is how long a turn rests for the time it hashed.
	rest  float64
	gauge Queue
}

// NewHasher hashes new passwords at the cost, on a machine of so many cores.
func NewHasher(cost Cost, cores int) *Hasher {
	turns := max(1, cores/shareOfCores)
	return &Hasher{
		sources: admission.NewGate(admission.Limits{
			Slots: turns, PerCaller: turns, Queue: maxWaiting, QueuePerCaller: maxWaitingOfSource, Wait: maxWait,
		}),
		// Of those who have a turn, a few wait for a person who is being served; more would keep turns from others.
		persons: admission.NewGate(admission.Limits{
			Slots: turns, PerCaller: 1, Queue: turns, QueuePerCaller: maxWaitingForPerson, Wait: maxWait,
		}),
		cost: cost,
		rest: max(0, float64(turns*shareOfCores)/float64(cores)-1),
	}
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
func (h *Hasher) inTurn(
	ctx context.Context, source admission.Caller, person string, do func(context.Context, *turn) error,
) error {
	h.gauge.Waiting.Add(1)
	leave, err := h.enter(ctx, source, person)
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

// enter waits for the source's turn, then until the person is not being served.
func (h *Hasher) enter(ctx context.Context, source admission.Caller, person string) (leave func(), err error) {
	turn, err := h.sources.Enter(ctx, source)
	if err != nil {
		return nil, errBusy(err)
	}
	var served admission.Pass
	if person != "" {
		if served, err = h.persons.Enter(ctx, admission.Caller(person)); err != nil {
			turn.Leave()
			return nil, errBusy(err)
		}
	}
	return func() {
		served.Leave()
		turn.Leave()
	}, nil
}

// errBusy refuses a caller who cannot wait, has waited in vain, or has left.
func errBusy(err error) error {
	if errors.Is(err, fault.Unavailable) {
		return fault.Retry(fault.Unavailable, maxWait, "Too many sign-ins at once. Try again.")
	}
	return fault.Wrap(fault.Unavailable, err, "Too many sign-ins at once. Try again.")
}

// Hash encodes a new password in the PHC string format, in a turn of the source.
func (h *Hasher) Hash(ctx context.Context, source admission.Caller, password credential.Secret) (encoded string, err error) {
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
