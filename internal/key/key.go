// Package key issues API keys, changes them and ends them.
//
// The contract: a change is checked against the caller's rights inside the transaction that makes
// it, so a right that is taken away at the same moment cannot be used once more. A secret is issued
// before the transaction and shown once, after it. Tenants whose settings say "recoverable" also
// keep a sealed copy, which the owner of the key can see again.
//
// The steps in the life of a key, and their files:
//
//	create       create.go, spec.go, slot.go        Service.Create
//	view         view.go, list.go, health.go,       Get, ByNumber, List, ListOwn, Health,
//	             managementhealth.go                HealthSummary, ManagementHealth
//	change       change.go, edit.go, disable.go,    Edit, Disable, Enable, Revoke, Delete
//	             revoke.go
//	secret       secret.go, refresh.go,             Refresh, EndPrevious, Reveal, Claim,
//	             previous.go, reveal.go, claim.go   CheckClaim
//	notify       notify.go                          notices about each of these
//	maintenance  sweep.go, forget.go, idle.go,      Sweeper.ForgetExpired, DisableIdle,
//	             unclaimed.go                       DeleteUnclaimed
//
// Where each rule is decided:
//
//	status of a key                policy.Life.Status, from the dates of [Key.Life]; for a request
//	                               with the key, policy.KeyStatus
//	slot under the owner's cap     [AllocateSlot] (slot.go)
//	owner of a key                 [Spec].Owner, checked by authorizeCreate (access.go); the owner
//	                               of a key never changes
//	who may see, see in full or    accessTo (access.go)
//	change a key
//	who may see a secret           the caller of Create, Refresh or Claim, once; after that, the
//	                               caller of Reveal (reveal.go)
//	form of a field                fields.go, for new and for edited keys
//
// The package knows neither SQL nor HTTP. Each step states what it needs of a transaction in a
// small interface; [CreateTx], [ChangeTx] and [SweepTx] combine them (store.go).
package key

import (
	"cmp"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Key is an API key without its secret.
type Key struct {
	ID ident.KeyID
	// Number is a stable number beside the id; 0 for a key that a node of the version before
	// created, until the upgrade of the database is finished.
	Number      int64
	Tenant      ident.TenantID
	Name        string
	Description string
	// Owner is a user, a service account or a subject.
	Owner principal.Party
	// OwnerDeletedAt is when the owner was deleted; zero for an owner who was not, and for users,
	// whose keys are revoked with them.
	OwnerDeletedAt time.Time
	// OwnerDisabled is set while the owner, or their membership in the tenant, is disabled or gone.
	OwnerDisabled bool
	// Stewards are the people who look after the service account that owns the key.
	Stewards  []ident.UserID
	CreatedBy principal.Party
	Shape     credential.Shape
	PublicID  string
	Last4     string
	// Serial counts the key's secrets, from 1. It is the serial of the current one.
	Serial int
	// TagVersion is the version of the tag in the current public id. It is 0 where the id has no
	// tag, as that of an unclaimed key of style uuid.
	TagVersion int
	// SetBy is the party that set the current secret and has seen it. It is "" while there is no
	// secret, and for a secret that was set before this was recorded.
	SetBy ident.PartyID
	// Previous is the secret before the last refresh. It is zero where there is none.
	Previous Previous
	// Scopes and Applications are the key's own. Each request decides anew what they allow.
	Scopes       scope.Set
	Applications scope.Applications
	// Addresses are those from which the key may be used.
	Addresses policy.Addresses
	// Metadata is what programs noted about the key. It changes nothing that the key may do.
	Metadata metadata.Metadata

	CreatedAt, UpdatedAt time.Time
	// SecretSetAt is zero while the key waits for its owner to claim it.
	SecretSetAt time.Time
	// ExpiresAt is the key's own expiry; zero for none.
	ExpiresAt time.Time
	// Slot is the key's slot under its owner's cap. It is 0 once the slot was freed; such a key
	// authenticates nothing.
	Slot       int64
	LastUsedAt time.Time
	LastUsedIP string
	DisabledAt time.Time
	DisabledBy ident.PartyID
	// DisabledByAdmin is set if an admin disabled the key, or if Claviger disabled it because it
	// was idle (DisabledBy is then ""). Only an admin can enable such a key.
	DisabledByAdmin bool
	// EnabledAt is when the key was last enabled.
	EnabledAt time.Time
	// ForgottenAt is when the digests were deleted, long after the key expired.
	ForgottenAt   time.Time
	RevokedAt     time.Time
	RevokedReason string
	Delivery      Delivery
	// Open is the link by which the owner of a key without a secret can claim it; zero otherwise.
	Open OpenClaim
	// Lookups are the values by which a request finds the key's secrets.
	Lookups []string
	// Position is where the key stands in a list that is not sorted by creation, newest first.
	Position Position
}

// OpenClaim is what is shown of the link by which the owner of a key can claim it.
type OpenClaim struct {
	// MailedAt is when the link was given to the mail server; zero where it was shown to an admin.
	MailedAt  time.Time
	ExpiresAt time.Time
}

// Delivery is how the owner gets the first secret.
type Delivery string

// The deliveries.
const (
	// Direct shows the secret to the person who creates the key.
	Direct Delivery = "direct"
	// ByLink creates the key without a secret. Its owner claims it by a link, and sees the secret
	// then.
	ByLink Delivery = "link"
)

// OwnerSetSecret reports whether the owner set the current secret. For a secret that was set before
// its setter was recorded, it reports whether the owner created the key.
func (k Key) OwnerSetSecret() bool { return k.setByOwner(k.SetBy) }

// OwnerSetPrevious reports the same of the secret before the last refresh.
func (k Key) OwnerSetPrevious() bool { return k.setByOwner(k.Previous.SetBy) }

func (k Key) setByOwner(setBy ident.PartyID) bool {
	return cmp.Or(setBy, k.CreatedBy.ID) == k.Owner.ID
}

// revoked reports whether the key was revoked, or its owner deleted.
func (k Key) revoked() bool { return !k.RevokedAt.IsZero() || !k.OwnerDeletedAt.IsZero() }

// Life returns the facts that decide the key's status, under the rules of its account. The status
// of the owner is not part of it.
func (k Key) Life(rules []policy.Rule) policy.Life {
	revoked := k.RevokedAt
	if revoked.IsZero() {
		revoked = k.OwnerDeletedAt
	}
	return policy.KeyDates{
		RevokedAt: revoked, DisabledAt: k.DisabledAt, ExpiresAt: k.ExpiresAt, SecretSetAt: k.SecretSetAt,
		Slot: k.Slot,
	}.Under(rules)
}

// IdleAt returns when the key will be disabled for idleness if nobody uses it until then; zero for
// never. It does not look at the key's status.
func (k Key) IdleAt(t policy.Tenant) time.Time {
	return t.IdleRule().IdleAt(policy.Activity{
		LastUsedAt: k.LastUsedAt, SecretSetAt: k.SecretSetAt, EnabledAt: k.EnabledAt,
	})
}

// unclaimed reports whether the key waits for its owner to claim it.
func (k Key) unclaimed() bool { return k.SecretSetAt.IsZero() && !k.revoked() }

// target names the key to the audit trail.
func target(k Key) audit.Target { return audit.Target{Type: "key", ID: string(k.ID), Name: k.Name} }
