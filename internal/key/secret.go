package key

import (
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// Secret is what is stored of a key's secret.
type Secret struct {
	Serial     int
	Shape      credential.Shape
	Lookup     string
	PublicID   string
	TagVersion int
	Last4      string
	Digest     credential.Sealed
	// Copy is the sealed copy of the secret in recoverable tenants; zero in the others.
	Copy  credential.Sealed
	SetAt time.Time
	// SetBy is the party that is shown the secret; "" while the key waits for its owner to claim
	// it.
	SetBy ident.PartyID
}

// Issued is a key with its new credential, or with the link by which its owner claims it. Both are
// shown once.
type Issued struct {
	View
	// Credential is zero for a key that its owner claims by link.
	Credential credential.Issued
	// Link is zero where the credential is shown.
	Link Link
	// Settings are those of the tenant. They say how the credential can be sent.
	Settings policy.Settings
	// EndedPrevious is the secret that a refresh ended although it was still valid beside the one
	// that the refresh replaced; zero where there was none.
	EndedPrevious Previous
}

// setCurrent makes the secret the key's current one.
func (k *Key) setCurrent(s Secret) {
	k.Shape = s.Shape
	k.PublicID = s.PublicID
	k.Last4 = s.Last4
	k.Serial = s.Serial
	k.TagVersion = s.TagVersion
	k.SecretSetAt = s.SetAt
	k.SetBy = s.SetBy
	k.Lookups = []string{s.Lookup}
}

// sealSecret returns a fresh credential with its public id, and what is stored of it for the party
// that is shown it. It reads only the id and the tenant of the key. Whether the copy is stored,
// storedFor decides.
func (s *Service) sealSecret(
	k Key, serial int, m credential.Issued, by ident.PartyID, now time.Time,
) (credential.Issued, Secret) {
	if m.PublicID == "" { // a key of style uuid has no public id of its own
		m.PublicID = string(k.ID)
	}
	row := credential.Row{Key: k.ID, Serial: serial}
	return m, Secret{
		Serial: serial, Shape: m.Shape, Lookup: m.Lookup, PublicID: m.PublicID, TagVersion: m.TagVersion,
		Last4: m.Last4,
		SetAt: now, SetBy: by,
		Digest: s.Keyring.SealDigest(credential.DigestOf(k.ID, m.Secret), row),
		Copy:   s.Keyring.SealCopy(m.Secret, k.Tenant, row),
	}
}

// storedFor returns the secret as a tenant with these settings stores it: only a recoverable tenant
// stores a copy.
func (s Secret) storedFor(settings policy.Settings) Secret {
	if settings.Disclosure != policy.Recoverable {
		s.Copy = credential.Sealed{}
	}
	return s
}

// placeholderSecret stands for the secret of an unclaimed key. It has no digest, so no request can
// match it. In style uuid the public id is the secret; there the id of the key is used for the
// lookup until the key is claimed.
func placeholderSecret(id ident.KeyID, m credential.Issued, now time.Time) Secret {
	s := Secret{Serial: 1, Shape: m.Shape, Lookup: m.Lookup, PublicID: m.PublicID, TagVersion: m.TagVersion, SetAt: now}
	if s.PublicID == "" {
		s.Lookup = string(id)
		s.PublicID = string(id)
		s.TagVersion = 0
	}
	return s
}
