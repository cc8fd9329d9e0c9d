package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
)

// The parameters of argon2id (RFC 9106; OWASP's first choice for one lane).
const (
	argonMemory  = 46 * 1024 // KiB
	argonTime    = 1
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonKey     = 32 // bytes
)

// maxWait is how long anyone waits for a turn. Behind a flood of sign-ins nobody waits for longer.
const maxWait = 2 * time.Second

// Hasher runs argon2id, a few at a time: each run takes 46 MiB and some 20 ms of a core that verification needs too. Whoever wants to hash waits for a turn and
// does in it whatever else belongs to it, so that a flood of sign-ins reaches the database no faster than it is hashed.
type Hasher struct {
	// queues hold one turn each. An address always waits in the same one, so that attempts on one account do not run side by side.
	queues []chan struct{}
	dummy  string
	gauge  Queue
}

// NewHasher allows so many turns at once.
func NewHasher(atOnce int) *Hasher {
	h := &Hasher{dummy: encode([]byte("a salt of nobody"), make([]byte, argonKey))}
	for range atOnce {
		h.queues = append(h.queues, make(chan struct{}, 1))
	}
	return h
}

// turn is one's place at the Hasher, and the only thing that hashes.
type turn struct{ dummy string }

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
		return do(turn{h.dummy})
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

func (turn) hash(password credential.Secret) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails
	return encode(salt, derive(password, salt))
}

// match reports whether the password is the encoded one. An empty encoding matches nothing and costs the same.
func (t turn) match(password credential.Secret, encoded string) (bool, error) {
	none := encoded == ""
	if none {
		encoded = t.dummy
	}
	salt, want, err := decode(encoded)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(derive(password, salt), want) == 1 && !none, nil
}

func derive(password credential.Secret, salt []byte) []byte {
	text := password.Reveal()
	if len(text) > 4*MaxPassword {
		text = "" // too long to be anyone's password, at the same cost
	}
	return argon2.IDKey([]byte(text), salt, argonTime, argonMemory, argonThreads, argonKey)
}

func encode(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

func decode(encoded string) (salt, key []byte, err error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", argonMemory, argonTime, argonThreads) {
		return nil, nil, fmt.Errorf("stored password is not in the form of this version")
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return nil, nil, fmt.Errorf("salt of a stored password: %w", err)
	}
	if key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return nil, nil, fmt.Errorf("key of a stored password: %w", err)
	}
	return salt, key, nil
}
