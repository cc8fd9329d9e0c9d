package machine

import (
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

// touchInterval is how often the last use of a management key is recorded.
const touchInterval = time.Minute

// Authenticate returns the principal of a management key that a request carried. It reads the key
// anew for each request, so that no key counts longer than it is valid. It refuses an unknown id, a
// wrong secret and a forged tag in the same way and with the same work, apart from the read that a
// forged tag does not cause. Only the holder of the secret learns why a management key is refused.
func (s *ManagementKeys) Authenticate(ctx context.Context, key credential.Parsed,
	from principal.Origin,
) (principal.Principal, error) {
	ctx = admission.WithCaller(ctx, admission.ForAddress(from.IP)) // until the key is known
	k, serial, err := s.recognize(ctx, key)
	if err != nil {
		return principal.Principal{}, err
	}
	t, err := s.Store.TenantRules(ctx, k.Tenant)
	if err != nil {
		return principal.Principal{}, err
	}
	now := s.Now()
	authority := k.Authority()
	if code := authority.Refusal(serial, from.IP, t, now); code != "" {
		return principal.Principal{}, code
	}
	m := authority.ManagementKey
	m.Account, m.Serial = t.Account, serial
	m.Rights = m.Rights.WithinRole(authority.Role)
	m.Expires = k.Expiry(t.Rules).At
	who := principal.OfManagementKey(&m).WithOrigin(from)
	if now.Sub(k.LastUsedAt) >= touchInterval {
		s.touch(ctx, who, k, now)
	}
	return who, nil
}

// Recognize returns the management key whose secret is in a credential, whatever its state. It
// counts no use. An unknown id, a wrong secret and a forged tag are refused with fault.KeyInvalid.
func (s *ManagementKeys) Recognize(ctx context.Context, key credential.Parsed) (ManagementKey, error) {
	k, _, err := s.recognize(ctx, key)
	return k, err
}

// recognize also returns the serial of the secret.
func (s *ManagementKeys) recognize(ctx context.Context, key credential.Parsed) (
	k ManagementKey, serial int, err error,
) {
	if !s.Keyring.ManagementTagged(key) {
		s.Keyring.DummyCompare(key)
		return k, 0, fault.KeyInvalid
	}
	if err := s.Doubt(); err != nil {
		return k, 0, err
	}
	k, secrets, err := s.Store.ManagementKeyByLookup(ctx, key.Lookup())
	if errors.Is(err, fault.NotFound) {
		s.Keyring.DummyCompare(key)
		return k, 0, fault.KeyInvalid
	}
	if err != nil {
		return k, 0, err
	}
	serial, err = s.matching(k, secrets, key)
	if err == nil && serial == 0 {
		err = fault.KeyInvalid
	}
	return k, serial, err
}

// matching returns the serial of the secret that the request carried; 0 if it carried another one.
// It compares at least once, so that an unknown secret takes as long as a wrong one. It returns
// fault.Unavailable if a digest cannot be opened, for example because this node does not have the
// server key yet: to call a good key invalid would be wrong.
func (s *ManagementKeys) matching(k ManagementKey, secrets []ManagementSecret,
	key credential.Parsed,
) (serial int, err error) {
	found, compared := 0, false
	for _, secret := range secrets {
		digest, err := s.Keyring.OpenManagementDigest(secret.Digest, credential.ManagementRow(k.ID, secret.Serial))
		if err != nil {
			return 0, fault.Wrap(fault.Unavailable, err, "A stored management key cannot be read. Try again.")
		}
		compared = true
		if key.MatchesManagementKey(k.ID, digest) {
			found = secret.Serial
		}
	}
	if !compared {
		s.Keyring.DummyCompare(key)
	}
	return found, nil
}

// touch records the use. It gives up after a second: where nothing can be written, programs can
// still read.
func (s *ManagementKeys) touch(ctx context.Context, who principal.Principal, k ManagementKey, now time.Time) {
	ctx, cancel := context.WithTimeout(admission.WithCaller(ctx, admission.ForPrincipal(who)), time.Second)
	defer cancel()
	_ = s.Store.RecordManagementUse(ctx, k.ID, now, who.Origin().IP)
}
