package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

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

// maxWait is how long a run waits for its turn. Behind a flood of sign-ins nobody waits for longer.
const maxWait = 2 * time.Second

// MinPassword is the shortest password where it is the only factor, in code points; MaxPassword bounds the work.
const (
	MinPassword = 15
	MaxPassword = 256
)

// Hasher runs argon2id, a few at a time: each run takes 46 MiB and some 20 ms of a core that verification needs too.
type Hasher struct {
	running chan struct{}
	dummy   string
	queue   Queue
}

// NewHasher allows so many runs at once.
func NewHasher(atOnce int) *Hasher {
	h := &Hasher{running: make(chan struct{}, atOnce)}
	h.dummy = encode([]byte("a salt of nobody"), make([]byte, argonKey))
	return h
}

// Hash encodes a new password in the PHC string format.
func (h *Hasher) Hash(ctx context.Context, password credential.Secret) (string, error) {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails
	key, err := h.run(ctx, password, salt)
	if err != nil {
		return "", err
	}
	return encode(salt, key), nil
}

// Match reports whether the password is the encoded one. An empty encoding matches nothing and costs the same.
func (h *Hasher) Match(ctx context.Context, password credential.Secret, encoded string) (bool, error) {
	none := encoded == ""
	if none {
		encoded = h.dummy
	}
	salt, want, err := decode(encoded)
	if err != nil {
		return false, err
	}
	got, err := h.run(ctx, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && !none, nil
}

func (h *Hasher) run(ctx context.Context, password credential.Secret, salt []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	h.queue.Waiting.Add(1)
	select {
	case h.running <- struct{}{}:
		h.queue.Waiting.Add(-1)
		h.queue.Running.Add(1)
		defer func() {
			h.queue.Running.Add(-1)
			<-h.running
		}()
	case <-ctx.Done():
		h.queue.Waiting.Add(-1)
		h.queue.GivenUp.Add(1)
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "Too many sign-ins at once. Try again.")
	}
	text := password.Reveal()
	if len(text) > 4*MaxPassword {
		text = "" // too long to be anyone's password, at the same cost
	}
	return argon2.IDKey([]byte(text), salt, argonTime, argonMemory, argonThreads, argonKey), nil
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

func passwordFaults(password credential.Secret) []fault.Field {
	switch n := utf8.RuneCountInString(password.Reveal()); {
	case n < MinPassword:
		return []fault.Field{{Name: "password", Code: "too_short", Message: fmt.Sprintf("Use at least %d characters.", MinPassword)}}
	case n > MaxPassword:
		return []fault.Field{{Name: "password", Code: "too_long", Message: fmt.Sprintf("Use at most %d characters.", MaxPassword)}}
	}
	return nil
}
