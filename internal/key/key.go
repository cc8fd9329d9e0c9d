// Package key is the life of a key: create, hand over, show, list, edit, refresh, disable, revoke, delete, reveal.
//
// Every operation judges the caller's authority inside the transaction that changes the key, so that rights which are being taken
// away cannot be used once more. A secret is minted before the transaction and shown after it, once; recoverable tenants keep a sealed copy, which its owner can see again.
package key

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Key is an API key without its secret.
type Key struct {
	ID          ident.KeyID
	Tenant      ident.TenantID
	Name        string
	Description string
	Owner       principal.Person
	CreatedBy   principal.Person
	Shape       credential.Shape
	PublicID    string
	Last4       string
	// Serial counts the key's secrets from 1; the current one has this.
	Serial int
	// TagVersion of the current id; 0 where it has no tag, as an unclaimed uuid.
	TagVersion int
	// Previous is the secret of before the last refresh; zero where there is none.
	Previous Previous
	// Scopes and Applications are the key's own; what it may do now is judged at each decision.
	Scopes       scope.Set
	Applications scope.Applications

	CreatedAt, UpdatedAt time.Time
	// SecretSetAt is zero until the secret exists (hand-over by link).
	SecretSetAt time.Time
	// ExpiresAt is the key's own expiry; zero for none.
	ExpiresAt time.Time
	// Slot is the key's place under its owner's cap; 0 for none, and then it authenticates nothing.
	Slot       int64
	LastUsedAt time.Time
	LastUsedIP string
	DisabledAt time.Time
	DisabledBy ident.UserID
	// DisabledByAdmin is set where not the owner disabled the key but an admin or, with no DisabledBy, idleness: then only an admin enables it again.
	DisabledByAdmin bool
	// EnabledAt is when the key was last enabled.
	EnabledAt time.Time
	// ForgottenAt is when the digests went, because the key had been expired for long.
	ForgottenAt   time.Time
	RevokedAt     time.Time
	RevokedReason string
	Delivery      Delivery
	// Lookups under which the key's secrets are found.
	Lookups []string
}

// Delivery is how the owner gets the secret.
type Delivery string

// The deliveries.
const (
	// Direct shows the secret to whoever creates the key.
	Direct Delivery = "direct"
	// ByLink lets the owner mint it.
	ByLink Delivery = "link"
)

// Life gives what decides the key's state under the rules of its account.
func (k Key) Life(rules []policy.Rule) policy.Life {
	return policy.KeyDates{
		RevokedAt: k.RevokedAt, DisabledAt: k.DisabledAt, ExpiresAt: k.ExpiresAt, SecretSetAt: k.SecretSetAt, Slot: k.Slot,
	}.Under(rules)
}

// IdleAt is when the key will be disabled for idleness if it stays unused; zero for never. That it is active still, its Life says.
func (k Key) IdleAt(t policy.Tenant) time.Time {
	return t.Idleness().IdleAt(policy.Idle{LastUsedAt: k.LastUsedAt, SecretSetAt: k.SecretSetAt, EnabledAt: k.EnabledAt})
}

// Previous is a secret that a refresh replaced and that overlaps with the current one.
type Previous struct {
	PublicID string
	Last4    string
	SetAt    time.Time
	// Until ends it, unless a policy that counts from SetAt does before.
	Until time.Time
	// LastUsedAt is when it was last used since it was replaced.
	LastUsedAt time.Time
}

// Secret is what is stored of a key's secret.
type Secret struct {
	Serial     int
	Shape      credential.Shape
	Lookup     string
	PublicID   string
	TagVersion int
	Last4      string
	Digest     credential.Sealed
	// Copy of the secret in recoverable tenants; zero in the others.
	Copy  credential.Sealed
	SetAt time.Time
}

// take makes the secret the key's current one.
func (k *Key) take(s Secret) {
	k.Shape, k.PublicID, k.Last4, k.Serial, k.TagVersion = s.Shape, s.PublicID, s.Last4, s.Serial, s.TagVersion
	k.SecretSetAt, k.Lookups = s.SetAt, []string{s.Lookup}
}

// Issued is a new credential and its key, or a link to one. Both are shown once.
type Issued struct {
	View
	// Credential is the zero value where a link hands the key over.
	Credential credential.Minted
	// Link is the zero value where the credential is shown.
	Link Link
	// Settings of the tenant say how the credential can be sent.
	Settings policy.Settings
}

// Store is what key reads outside of a change.
type Store interface {
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	Key(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (Key, error)
	Keys(ctx context.Context, tenant ident.TenantID, filter Filter, page Page) ([]Key, error)
	// OwnKeys lists the keys of the filter's owner in every tenant where they are a live member.
	OwnKeys(ctx context.Context, filter Filter, page Page) ([]Key, error)
	// HealthSummary counts the tenant's keys that can be used, and of them those with each finding; of one owner where one is given.
	HealthSummary(ctx context.Context, tenant ident.TenantID, owner ident.UserID, bounds HealthBounds) (Summary, error)
	// Claim gives the person's live claim behind a ticket, or fault.NotFound.
	Claim(ctx context.Context, ticket credential.TicketHash, owner ident.UserID, now time.Time) (Claim, error)
	// LateClaims gives some of the keys that still wait for a secret and whose claims ran out unused; none once there are no more.
	LateClaims(ctx context.Context, now time.Time) ([]Ref, error)
	// Policies gives the rules of every account that has any.
	Policies(ctx context.Context) (map[ident.AccountID][]policy.Rule, error)
	// KeysExpiredBy gives some of the keys, neither revoked nor forgotten, whose own expiry was by that time; none once there are no more.
	KeysExpiredBy(ctx context.Context, by time.Time) ([]Ref, error)
	// KeysSetBy gives some of the account's keys, neither revoked nor forgotten, whose secret was set by that time; none once there are no more.
	KeysSetBy(ctx context.Context, account ident.AccountID, by time.Time) ([]Ref, error)
	// PreviousOverBy gives some of the keys whose previous secret was to end by that time; none once there are no more.
	PreviousOverBy(ctx context.Context, by time.Time) ([]Ref, error)
	// ScopesUsed gives which of their scopes decisions asked of the keys, on that day or after it.
	ScopesUsed(ctx context.Context, keys []ident.KeyID, since time.Time) (map[ident.KeyID]scope.Set, error)
	// IdleTenants lists the tenants that disable idle keys.
	IdleTenants(ctx context.Context) ([]ident.TenantID, error)
	// IdleKeys returns the next of a tenant's keys that are neither revoked, forgotten nor disabled and have shown no sign of
	// life after that time: no use, no new secret, no enabling. They are in the order of their secrets' age and then of their
	// ids, and follow the given one; the zero Hold stands before the first. It returns none after the last.
	IdleKeys(ctx context.Context, tenant ident.TenantID, since time.Time, after Hold) ([]Hold, error)
}

// Tx is what key reads and changes in a transaction.
type Tx interface {
	notice.Writer
	// NoticePlanned gives when the notice of the same thing was planned; zero where there is none.
	NoticePlanned(ctx context.Context, n notice.Notice) (time.Time, error)
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// Authority reads what a person may do, and holds it until the transaction ends, so that rights which are being taken away cannot be used once more.
	// A deleted or disabled user has none.
	Authority(ctx context.Context, tenant ident.TenantID, user ident.UserID) (principal.Authority, error)
	// MissingApplications gives the indexes of ids that are no applications of the tenant, and holds the others.
	MissingApplications(ctx context.Context, tenant ident.TenantID, ids []string) ([]int, error)
	// Holds lists the keys that hold a slot.
	Holds(ctx context.Context, tenant ident.TenantID, owner ident.UserID) ([]Hold, error)
	HighestSlot(ctx context.Context, tenant ident.TenantID, owner ident.UserID) (int64, error)
	FreeSlots(ctx context.Context, keys []ident.KeyID) error
	InsertKey(ctx context.Context, k Key, s Secret) error
	InsertClaim(ctx context.Context, c Claim) error
	// UseClaim uses a claim up; fault.NotFound where it is not the person's, was used or has expired. Of many at once one succeeds.
	UseClaim(ctx context.Context, ticket credential.TicketHash, owner ident.UserID, now time.Time) error
	// KeyOwner gives who owns a key, and does not hold it: the owner is locked before the key, and never changes.
	KeyOwner(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (ident.UserID, error)
	// LockKey reads a key and holds it until the transaction ends.
	LockKey(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (Key, error)
	// EditKey writes name, description, scopes, applications and own expiry, and when the key was updated.
	EditKey(ctx context.Context, k Key) error
	// ReplaceSecret makes the secret the current one and writes what a refresh changes of the key. What was current becomes the previous
	// one where k has one, and is deleted where it has not.
	ReplaceSecret(ctx context.Context, k Key, s Secret) error
	// SecretCopy gives the sealed copy of a key's current secret, or fault.NotFound.
	SecretCopy(ctx context.Context, id ident.KeyID) (credential.Sealed, error)
	// EndPrevious deletes the secret of before a refresh.
	EndPrevious(ctx context.Context, id ident.KeyID, at time.Time) error
	// ForgetDigests takes what proves the key's secrets, and its slot.
	ForgetDigests(ctx context.Context, id ident.KeyID, at time.Time) error
	// RevokeKey leaves a tombstone: the digest stays, the sealed copy goes, the slot is freed.
	RevokeKey(ctx context.Context, id ident.KeyID, at time.Time, by ident.UserID, reason string) error
	DeleteKey(ctx context.Context, id ident.KeyID) error
	// SetDisabled writes whether, when and by whom the key was disabled, and when it was enabled and updated.
	SetDisabled(ctx context.Context, k Key) error
}

func target(k Key) audit.Target { return audit.Target{Type: "key", ID: string(k.ID), Name: k.Name} }
