package identity

import (
	"context"
	"errors"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
)

const (
	// maxTurn bounds one turn: a database that does not answer must not block the turns for ever.
	maxTurn = 10 * time.Second
	// maxWait bounds how long a caller waits for a turn.
	maxWait = 5 * time.Second
	// maxWaiting bounds how many callers wait at once, and maxWaitingOfSource how many of them come
	// from one source.
	maxWaiting         = 1000
	maxWaitingOfSource = 32
	// maxWaitingForPerson bounds how many callers have a turn and wait because another turn serves
	// the same person. maxAttemptsAtPerson bounds how many more wait for that without a turn.
	maxWaitingForPerson = 3
	maxAttemptsAtPerson = 128
	// shareOfCores limits hashing to one core in so many.
	shareOfCores = 4
)

// Hasher runs argon2id for a few callers at a time: each run takes 46 MiB and about 20 ms of a
// core, which verification needs too.
//
// A caller waits for a turn, and does everything that belongs to the attempt within it. So a flood
// of sign-ins reaches the database no faster than it is hashed. Sources take turns: a source with
// many requests delays another source by one turn. Only one turn at a time serves a person, so that
// two sign-ins of one person do not refuse each other. A few more callers for the same person may
// hold a turn while they wait for that. The others wait before they ask for a turn. So attempts on
// one person neither take the turns from everybody else nor lock the person out.
//
// Hashing takes a quarter of the cores at most, so that a flood of guesses leaves the rest to
// decisions. There is one turn at a time for every four cores, and at least one. On fewer cores a
// rest follows each turn.
type Hasher struct {
	// attempts admits a few callers for one person to sources, which has the turns; persons lets
	// one of them be served. A caller of attempts and persons is a person, the source a part of it.
	attempts, sources, persons *admission.Gate

	cost Cost
	// rest is how long the rest after a turn is, as a multiple of the time that it hashed.
	rest  float64
	queue Queue
}

// NewHasher returns a Hasher that hashes new passwords at the cost, on a machine with that many
// cores.
func NewHasher(cost Cost, cores int) *Hasher {
	turns := max(1, cores/shareOfCores)
	const ofPerson = 1 + maxWaitingForPerson
	var attempts *admission.Gate
	if turns > ofPerson { // otherwise there are no more turns than one person may have
		attempts = admission.NewGate(admission.Limits{
			Concurrency: maxWaiting + turns, PerCaller: ofPerson,
			Queue: maxWaiting, QueuePerCaller: maxAttemptsAtPerson, Wait: maxWait,
		})
	}
	return &Hasher{
		attempts: attempts,
		sources: admission.NewGate(admission.Limits{
			Concurrency: turns, PerCaller: turns, Queue: maxWaiting, QueuePerCaller: maxWaitingOfSource, Wait: maxWait,
		}),
		persons: admission.NewGate(admission.Limits{
			Concurrency: turns, PerCaller: 1, Queue: turns, QueuePerCaller: maxWaitingForPerson, Wait: maxWait,
		}),
		cost: cost,
		rest: max(0, float64(turns*shareOfCores)/float64(cores)-1),
	}
}

// turn is a caller's turn at the Hasher. Nothing else hashes.
type turn struct {
	cost Cost
	// hashing is the time spent on hashing in this turn.
	hashing time.Duration
}

// measure runs a hash and adds the time that it took.
func (t *turn) measure(hash func()) {
	start := time.Now()
	hash()
	t.hashing += time.Since(start)
}

// inTurn waits for a turn of the source, and runs do within it. It fails with fault.Unavailable
// where the wait is too long. person is the one whom do serves; "" for none in particular.
func (h *Hasher) inTurn(
	ctx context.Context, source admission.Caller, person string, do func(context.Context, *turn) error,
) error {
	h.queue.Waiting.Add(1)
	leave, err := h.enter(ctx, source, person)
	h.queue.Waiting.Add(-1)
	if err != nil {
		h.queue.GivenUp.Add(1)
		return err
	}
	t := &turn{cost: h.cost}
	defer func() {
		h.queue.Running.Add(-1)
		time.AfterFunc(time.Duration(h.rest*float64(t.hashing)), leave)
	}()
	h.queue.Running.Add(1)
	ctx, cancel := context.WithTimeout(ctx, maxTurn)
	defer cancel()
	return do(ctx, t)
}

// enter waits for a turn of the source, then until no other turn serves the person. Both together
// take maxWait at most.
func (h *Hasher) enter(ctx context.Context, source admission.Caller, person string) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxWait, errWaitedTooLong)
	defer cancel()
	var passes [3]admission.Permit
	leave = func() {
		for _, p := range passes {
			p.Release()
		}
	}
	attempt := admission.Caller(person).Part(string(source))
	if person != "" {
		passes[2], err = h.attempts.Acquire(ctx, attempt)
	}
	if err == nil {
		passes[1], err = h.sources.Acquire(ctx, source)
	}
	if err == nil && person != "" {
		passes[0], err = h.persons.Acquire(ctx, attempt)
	}
	if err != nil {
		leave()
		return nil, errBusy(ctx, err)
	}
	return leave, nil
}

var errWaitedTooLong = errors.New("waited too long for a turn at the password hasher")

// errBusy returns fault.Unavailable for a caller who could not wait, waited too long, or left.
func errBusy(ctx context.Context, err error) error {
	if errors.Is(err, fault.Unavailable) || errors.Is(context.Cause(ctx), errWaitedTooLong) {
		return fault.Retry(fault.Unavailable, maxWait,
			"Too many people sign in at the moment. Try again in a few seconds.")
	}
	return fault.Wrap(fault.Unavailable, err, "Too many people sign in at the moment. Try again in a few seconds.")
}

// Hash encodes a new password in the PHC string format, in a turn of the source.
func (h *Hasher) Hash(ctx context.Context, source admission.Caller,
	password credential.Secret,
) (encoded string, err error) {
	err = h.inTurn(ctx, source, "", func(_ context.Context, t *turn) error {
		encoded = t.hash(password)
		return nil
	})
	return encoded, err
}

// hash encodes a new password in its normalized form.
func (t *turn) hash(password credential.Secret) (encoded string) {
	t.measure(func() { encoded = t.cost.hash(normalizedPassword(password)) })
	return encoded
}

// normalizedPassword returns the one form for all ways to type a password: NFKC, as NIST SP 800-63B
// section 3.1.1.2 advises. Keyboards differ in how they compose a letter, in its width, and in
// which of several spaces they send.
func normalizedPassword(password credential.Secret) credential.Secret {
	return credential.NewSecret(norm.NFKC.String(password.Reveal()))
}

// passwordForms returns the forms in which a password is compared: its normalized form and, where
// it differs, as it was typed, since earlier versions hashed passwords as they were typed.
func passwordForms(password credential.Secret) []credential.Secret {
	normal := normalizedPassword(password)
	if normal.Reveal() == password.Reveal() {
		return []credential.Secret{normal}
	}
	return []credential.Secret{normal, password}
}

// comparison is the result of comparing a password with the stored one.
type comparison struct {
	matches bool
	stored  storedHash
	// asTyped is set where the stored hash is of the password as it was typed, not of its
	// normalized form.
	asTyped bool
}

// compare compares a password with an encoded one. An empty encoding matches nothing and costs the
// same time.
func (t *turn) compare(password credential.Secret, encoded string) (c comparison, err error) {
	c.stored = dummyHash(t.cost)
	if encoded != "" {
		c.stored, err = decodeHash(encoded)
		if err != nil {
			return comparison{}, err
		}
	}
	t.measure(func() {
		for i, form := range passwordForms(password) {
			if c.stored.matches(form) && encoded != "" {
				c.matches = true
				c.asTyped = i > 0
				return
			}
		}
	})
	return c, nil
}

// equalize spends the time that a stored hash of a lower cost saved, so that every refusal takes
// equally long.
func (t *turn) equalize(c comparison, password credential.Secret) {
	t.measure(func() {
		for _, form := range passwordForms(password) {
			c.stored.equalize(t.cost, form)
		}
	})
}

// needsRehash reports whether the stored hash has another cost than new hashes, or is not of the
// normalized form of the password.
func (t *turn) needsRehash(c comparison) bool { return c.stored.cost != t.cost || c.asTyped }
