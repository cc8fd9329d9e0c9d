package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

const (
	// signingPeriod is how long a key signs before the next one does.
	signingPeriod = 90 * 24 * time.Hour
	// publishedAhead is how long a key is published before it signs, so that every verifier has
	// read it by then.
	publishedAhead = 24 * time.Hour
	// keptAfter is how long a key is published after its last token has expired.
	keptAfter = time.Hour
	// syncEvery is the shortest time between two reads of the keys for those who ask for the keys.
	syncEvery = time.Second
	rsaBits   = 2048
)

// SigningKey is a key that signs JWTs, as it is stored.
type SigningKey struct {
	// ID is the `kid` of its tokens: the thumbprint of the public key (RFC 7638), with a tag.
	ID        string
	Algorithm policy.TokenAlgorithm
	// Public is the public key in the form of X.509. Private is the private key in PKCS #8,
	// encrypted by the keyring.
	Public, Private     []byte
	CreatedAt, UsedFrom time.Time
}

// signingKey is a key that is ready for use.
type signingKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	usedFrom  time.Time
	private   crypto.PrivateKey
	public    crypto.PublicKey
}

// signingKeys are the keys on record, as they were last read. A token of a known key never waits
// for a lock.
type signingKeys struct {
	known atomic.Pointer[[]*signingKey]
	// reading is held while the keys are read, and guards the fields below.
	reading sync.Mutex
	at      time.Time // by the monotonic clock
	// gone are the ids of keys that were deleted.
	gone map[string]bool
	// creating is held while a key is created.
	creating sync.Mutex
}

// keys returns the keys as they were last read.
func (k *signingKeys) keys() []*signingKey {
	if known := k.known.Load(); known != nil {
		return *known
	}
	return nil
}

// sync reads the keys if they were not read within the last second.
func (s *Service) sync(ctx context.Context) ([]*signingKey, error) {
	s.signing.reading.Lock()
	defer s.signing.reading.Unlock()
	if !s.signing.at.IsZero() && time.Since(s.signing.at) < syncEvery {
		return s.signing.keys(), nil
	}
	return s.readLocked(ctx)
}

// read reads the keys.
func (s *Service) read(ctx context.Context) ([]*signingKey, error) {
	s.signing.reading.Lock()
	defer s.signing.reading.Unlock()
	return s.readLocked(ctx)
}

func (s *Service) readLocked(ctx context.Context) ([]*signingKey, error) {
	stored, err := s.Store.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]*signingKey{}
	for _, k := range s.signing.keys() {
		known[k.id] = k
	}
	keys := make([]*signingKey, 0, len(stored))
	for _, k := range stored {
		if one := known[k.ID]; one != nil {
			keys = append(keys, one)
			continue
		}
		one, err := s.open(k)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "A stored signing key cannot be read.")
		}
		keys = append(keys, one)
	}
	s.signing.known.Store(&keys)
	s.signing.at = time.Now()
	return keys, nil
}

// open returns a stored key, ready for use.
func (s *Service) open(k SigningKey) (*signingKey, error) {
	der, err := s.Keyring.OpenSigningKey(k.Private, k.ID)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", k.ID, err)
	}
	public, err := x509.ParsePKIXPublicKey(k.Public)
	if err != nil {
		return nil, fmt.Errorf("public key %s: %w", k.ID, err)
	}
	return &signingKey{
		id:        k.ID,
		algorithm: jose.SignatureAlgorithm(k.Algorithm),
		usedFrom:  k.UsedFrom,
		private:   private,
		public:    public,
	}, nil
}

// current returns the key that signs by the algorithm now: the newest one that has begun; nil for
// none.
func current(keys []*signingKey, algorithm policy.TokenAlgorithm, now time.Time) (best *signingKey) {
	for _, k := range keys {
		if string(k.algorithm) == string(algorithm) && !now.Before(k.usedFrom) &&
			(best == nil || best.usedFrom.Before(k.usedFrom)) {
			best = k
		}
	}
	return best
}

// signer returns the key that signs by the algorithm, and creates the first one.
func (s *Service) signer(ctx context.Context, algorithm policy.TokenAlgorithm) (*signingKey, error) {
	if k := current(s.signing.keys(), algorithm, s.Now()); k != nil {
		return k, nil
	}
	s.signing.creating.Lock()
	defer s.signing.creating.Unlock()
	keys, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	if k := current(keys, algorithm, s.Now()); k != nil {
		return k, nil
	}
	// The first key signs at once: nobody can have read the keys before it.
	if err := s.create(ctx, algorithm, 0); err != nil {
		return nil, err
	}
	keys, err = s.read(ctx)
	if err != nil {
		return nil, err
	}
	if k := current(keys, algorithm, s.Now()); k != nil {
		return k, nil
	}
	return nil, fault.New(fault.Unavailable, "The signing key is not ready. Try again.")
}

// verifier returns the key with that id; nil if there is none. An id that this server made and does
// not know is one that another node created a moment ago, or one that was deleted.
func (s *Service) verifier(ctx context.Context, id string) (*signingKey, error) {
	if k := withID(s.signing.keys(), id); k != nil || !s.Keyring.SigningKeyIDTagged(id) {
		return k, nil
	}
	s.signing.reading.Lock()
	defer s.signing.reading.Unlock()
	if s.signing.gone[id] {
		return nil, nil
	}
	keys, err := s.readLocked(ctx)
	if err != nil {
		return nil, err
	}
	k := withID(keys, id)
	if k == nil {
		if s.signing.gone == nil {
			s.signing.gone = map[string]bool{}
		}
		s.signing.gone[strings.Clone(id)] = true // there are as many as were ever created
	}
	return k, nil
}

func withID(keys []*signingKey, id string) *signingKey {
	for _, k := range keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

// KeySet returns the public keys as JSON (RFC 7517): those that sign now, those that will, and
// those whose tokens may still be valid.
func (s *Service) KeySet(ctx context.Context) (json.RawMessage, error) {
	keys, err := s.sync(ctx)
	if err != nil {
		return nil, err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: k.public, KeyID: k.id, Algorithm: string(k.algorithm), Use: "sig",
		})
	}
	return json.Marshal(set)
}

var signingTarget = audit.Target{Type: "server"}

// create records a new key of the algorithm, unless another node just did. It signs after the
// delay.
func (s *Service) create(ctx context.Context, algorithm policy.TokenAlgorithm, delay time.Duration) error {
	k, err := s.newSigningKey(algorithm)
	if err != nil {
		return err
	}
	who := principal.System()
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		stored, err := tx.LockSigningKeys(ctx)
		if err != nil {
			return audit.Event{}, err
		}
		k.CreatedAt = s.Now()
		k.UsedFrom = k.CreatedAt.Add(delay)
		e := audit.By(who, audit.ActionSigningKeyCreate, signingTarget).With("kid", k.ID).
			With("algorithm", string(algorithm))
		if newest, found := newestOf(stored, algorithm); found && (delay == 0 || !newest.due(k.CreatedAt)) {
			return e, audit.ErrNothing
		}
		return e, tx.InsertSigningKey(ctx, k)
	})
	return err
}

// due reports whether the next key must be published now.
func (k SigningKey) due(now time.Time) bool {
	return !now.Before(k.UsedFrom.Add(signingPeriod - publishedAhead))
}

func newestOf(keys []SigningKey, algorithm policy.TokenAlgorithm) (newest SigningKey, found bool) {
	for _, k := range keys {
		if k.Algorithm == algorithm && (!found || newest.UsedFrom.Before(k.UsedFrom)) {
			newest, found = k, true
		}
	}
	return newest, found
}

// newSigningKey returns a new random key.
func (s *Service) newSigningKey(algorithm policy.TokenAlgorithm) (k SigningKey, err error) {
	var private crypto.Signer
	switch algorithm {
	case policy.RS256:
		private, err = rsa.GenerateKey(s.Rand, rsaBits)
	case policy.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), s.Rand)
	case policy.EdDSA:
		_, private, err = ed25519.GenerateKey(s.Rand)
	default:
		err = fmt.Errorf("no signing key can have the algorithm %q", algorithm)
	}
	if err != nil {
		return k, err
	}
	thumbprint, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return k, err
	}
	k = SigningKey{
		ID:        s.Keyring.TagSigningKeyID(base64.RawURLEncoding.EncodeToString(thumbprint)),
		Algorithm: algorithm,
	}
	k.Public, err = x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return k, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return k, err
	}
	k.Private = s.Keyring.SealSigningKey(der, k.ID)
	return k, nil
}

// RotateSigningKeys publishes the next key of each algorithm in use when it is time, and deletes
// keys of which no token is valid any more.
func (s *Service) RotateSigningKeys(ctx context.Context) error {
	stored, err := s.Store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, algorithm := range policy.TokenAlgorithms() {
		newest, found := newestOf(stored, algorithm)
		if found && newest.due(s.Now()) {
			if err := s.create(ctx, algorithm, max(publishedAhead, s.PropagationDelay)); err != nil {
				return err
			}
		}
	}
	if len(superseded(stored, s.Horizon())) > 0 {
		if err := s.deleteSuperseded(ctx); err != nil {
			return err
		}
	}
	_, err = s.read(ctx)
	return err
}

// superseded returns the keys that another one replaced so long ago that no token of theirs is
// valid.
func superseded(keys []SigningKey, now time.Time) (old []SigningKey) {
	for _, k := range keys {
		for _, next := range keys {
			if next.Algorithm == k.Algorithm && k.UsedFrom.Before(next.UsedFrom) &&
				now.After(next.UsedFrom.Add(MaxJWTLifetime+keptAfter)) {
				old = append(old, k)
				break
			}
		}
	}
	return old
}

func (s *Service) deleteSuperseded(ctx context.Context) error {
	who := principal.System()
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		e := audit.By(who, audit.ActionSigningKeyDelete, signingTarget)
		stored, err := tx.LockSigningKeys(ctx)
		if err != nil {
			return e, err
		}
		old := superseded(stored, s.Horizon())
		if len(old) == 0 {
			return e, audit.ErrNothing
		}
		for _, k := range old {
			if err := tx.DeleteSigningKey(ctx, k.ID); err != nil {
				return e, err
			}
		}
		return e.With("kid", old[0].ID).With("count", fmt.Sprint(len(old))), nil
	})
}
