package credential

import (
	"fmt"
	"slices"

	"github.com/claviger-dev/claviger/internal/ident"
)

// A management key looks like a key of style token with fixed words:
//
//	clv_mk_7Hq2mZ0aBcDtTtTt_s6R…42 random characters…1a2B3c
//
// Its tag and its digest are made under purposes of their own. So an API key whose tenant once
// chose the same words is never taken for a management key, nor the other way round. New keys of
// tenants cannot have the label (see [ReservedLabel]).
var managementShape = Shape{Style: Token, Prefix: "clv", Label: "mk"}

const managementWords = "clv_mk"

const managementDigestPurpose = "claviger management key secret v1"

// reservedLabels are labels that new keys of tenants cannot have: Claviger's own credentials have
// them.
var reservedLabels = []string{managementShape.Label, "at"}

// ReservedLabel reports whether the label is that of credentials of Claviger itself. A tenant that
// had it before keeps its keys and needs another one for new keys.
func ReservedLabel(label string) bool { return slices.Contains(reservedLabels, label) }

// Reserved reports whether new keys cannot have the shape, because its label is reserved.
func (s Shape) Reserved() bool { return s.Style == Token && ReservedLabel(s.Label) }

// ManagementForm reports whether the credential was sent in one piece and has the words of a
// management key. Whether it is one, [Keyring.ManagementTagged] tells.
func (p Parsed) ManagementForm() bool { return p.Style == Token && p.words == managementWords }

// ParseManagementKey parses a text with the form of a management key.
func ParseManagementKey(value string) (Parsed, bool) {
	p, ok := Parse(value)
	return p, ok && p.ManagementForm()
}

// IssueManagementKey returns a new random management key. ok is false until the upgrade of the
// database is finished, because its server keys do not exist before.
func (k *Keyring) IssueManagementKey() (issued Issued, ok bool) {
	tags := k.keys.Load().managementTags
	if len(tags) == 0 {
		return Issued{}, false
	}
	tag := tags.current(k.now())
	return issueToken(tag.key, managementShape, k.random).withShape(managementShape, tag.Number), true
}

// ManagementTagged reports whether the credential has the form of a management key and a valid tag.
// It reads nothing from the database.
func (k *Keyring) ManagementTagged(p Parsed) bool {
	if !p.ManagementForm() {
		return false
	}
	for _, t := range k.keys.Load().managementTags {
		if t.key.isBase62Tag(p.tag, Token, managementShape.Label, p.random) {
			return true
		}
	}
	return false
}

// ManagementDigestOf returns the digest of a management key's secret.
func ManagementDigestOf(id ident.ManagementKeyID, secret Secret) Digest {
	return digest(managementDigestPurpose, string(id), secret.Reveal())
}

// MatchesManagementKey reports whether the digest is that of the management key's secret. It
// compares in constant time.
func (p Parsed) MatchesManagementKey(id ident.ManagementKeyID, want Digest) bool {
	return p.matches(managementDigestPurpose, string(id), want)
}

// ManagementRow identifies the row of a management key's secret.
func ManagementRow(id ident.ManagementKeyID, serial int) Row {
	return Row{Key: ident.KeyID(id), Serial: serial}
}

// SealManagementDigest encrypts the digest of a management key and binds it to its row.
func (k *Keyring) SealManagementDigest(d Digest, row Row) (Sealed, error) {
	keys := k.keys.Load().managementDigests
	if len(keys.versionKeys) == 0 {
		return Sealed{}, fmt.Errorf("there is no server key for digests of management keys")
	}
	return keys.seal(k.now(), d[:], row.data(ManagementDigestPurpose), k.random), nil
}

// OpenManagementDigest decrypts a digest that SealManagementDigest encrypted. It fails as
// OpenDigest does.
func (k *Keyring) OpenManagementDigest(s Sealed, row Row) (Digest, error) {
	keys := k.keys.Load().managementDigests
	return openDigest(&keys, s, row.data(ManagementDigestPurpose))
}
