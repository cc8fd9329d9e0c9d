package key

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// States says which states of keys are read.
type States struct {
	// Uses is set if the last uses are read, too.
	Uses bool
	// Disabled is set if keys that are not disabled themselves may be left out, or be without their
	// state.
	Disabled bool
}

// Store is what [Service] reads outside of a transaction.
type Store interface {
	TenantReader
	ListStore
	HealthStore
	ClaimStore
	audit.TrailStore
	Key(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (Key, error)
	// KeyByNumber returns the tenant's key with the number, or fault.NotFound.
	KeyByNumber(ctx context.Context, tenant ident.TenantID, number int64) (Key, error)
}

// TenantReader reads the settings of a tenant and the rules of its account.
type TenantReader interface {
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
}

// ListStore reads parts of lists of keys. A search compares a bounded number of keys. If it stops
// at that bound with fewer keys than the page asks for, stopped is the position of the last key
// that it compared.
type ListStore interface {
	// Keys lists keys of a tenant. It fails with ErrNotYet if it cannot sort them yet.
	Keys(ctx context.Context, tenant ident.TenantID, filter Filter,
		page Page) (keys []Key, stopped *Position, err error)
	// Held returns what the owners hold in a tenant. Keys whose secrets were set by expiredSetBy
	// have expired by a rule of the account.
	Held(ctx context.Context, tenant ident.TenantID, owners []ident.PartyID,
		expiredSetBy, now time.Time) (map[ident.PartyID]Holding, error)
	// CountGroup counts the keys of a tenant in a group, up to most. expiredSetBy is as in Held. It
	// fails with ErrNotYet if the group is one by scope, and the tenants of rights are not written.
	CountGroup(ctx context.Context, tenant ident.TenantID, g Group, expiredSetBy, now time.Time, most int) (int, error)
	// KeyStates returns what the status of the keys of a tenant depends on, up to most, in an order
	// from a position on. Other fields are not set. It fails with ErrNotYet if it cannot sort them
	// yet.
	KeyStates(ctx context.Context, tenant ident.TenantID, order Order, after Position,
		most int, which States) (states []Key, stopped *Position, err error)
	// TheseKeys returns keys of a tenant in the order of the ids, without those that do not exist.
	TheseKeys(ctx context.Context, tenant ident.TenantID, keys []ident.KeyID) ([]Key, error)
	// KeysOfID returns up to most keys of a tenant whose ids begin so, the newest first.
	KeysOfID(ctx context.Context, tenant ident.TenantID, beginning string, most int) ([]Key, error)
	// SubjectID returns the id of a tenant's subject; "" where no subject has the external id.
	SubjectID(ctx context.Context, tenant ident.TenantID, externalID string) (ident.SubjectID, error)
	// StewardedBy returns the service accounts of the tenant that the person is steward of.
	StewardedBy(ctx context.Context, tenant ident.TenantID, person ident.UserID) ([]ident.PartyID, error)
	// OwnKeys lists the keys of the filter's owner in every tenant where the owner is a live
	// member.
	OwnKeys(ctx context.Context, filter Filter, page Page) (keys []Key, stopped *Position, err error)
}

// HealthStore reads what the findings about keys and management keys need.
type HealthStore interface {
	// HealthSummary counts the tenant's usable keys, and those of them with each finding. With an
	// owner, it counts the keys of that owner only.
	HealthSummary(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, bounds HealthBounds) (Summary, error)
	// ScopesUsed returns which of their scopes requests with the keys needed, on the day of since
	// or later.
	ScopesUsed(ctx context.Context, keys []ident.KeyID, since time.Time) (map[ident.KeyID]scope.Set, error)
	// LiveManagementKeys lists the management keys of a tenant's service accounts that are neither
	// revoked nor expired by their own date, newest first.
	LiveManagementKeys(ctx context.Context, tenant ident.TenantID, now time.Time) ([]machine.ManagementKey, error)
	// AdminsAmong returns those of the people who are admins of the tenant, also as owners or
	// admins of its account.
	AdminsAmong(ctx context.Context, tenant ident.TenantID, people []ident.UserID) ([]ident.UserID, error)
}

// ClaimStore reads the links by which owners claim keys.
type ClaimStore interface {
	// Claim returns the claim with this token that the owner can use now, or fault.NotFound.
	Claim(ctx context.Context, token credential.TokenHash, owner ident.UserID, now time.Time) (Claim, error)
	// CheckClaim returns nil if somebody can use a claim with this token now, for a key that still
	// waits for its secret; fault.NotFound otherwise.
	CheckClaim(ctx context.Context, token credential.TokenHash, now time.Time) error
}

// SweepStore is what [Sweeper] reads outside of a transaction. A method that returns some of the
// keys returns at least one while there is any.
type SweepStore interface {
	TenantReader
	// Policies returns the rules of every account that has any.
	Policies(ctx context.Context) (map[ident.AccountID][]policy.Rule, error)
	// KeysUnclaimedBy returns some of the keys that have no secret and whose claims expired unused
	// by that time.
	KeysUnclaimedBy(ctx context.Context, by time.Time) ([]Ref, error)
	// KeysExpiredBy returns some of the keys, neither revoked nor forgotten, whose own expiry was
	// by that time.
	KeysExpiredBy(ctx context.Context, by time.Time) ([]Ref, error)
	// KeysSetBy returns some of the account's keys, neither revoked nor forgotten, whose secret was
	// set by that time.
	KeysSetBy(ctx context.Context, account ident.AccountID, by time.Time) ([]Ref, error)
	// KeysWithPreviousEndedBy returns some of the keys whose previous secret was to end by that
	// time.
	KeysWithPreviousEndedBy(ctx context.Context, by time.Time) ([]Ref, error)
	// IdleTenants lists the tenants that disable idle keys.
	IdleTenants(ctx context.Context) ([]ident.TenantID, error)
	// IdleKeys examines the next policy.TraversalPageSize of a tenant's keys after a position, in
	// the order of their secrets' age and then of their ids. It returns those that are not revoked,
	// not forgotten and not disabled and that have had no use, no new secret and no enabling since
	// that time. last is the position of the last key that it examined; nil at the end of the
	// tenant.
	IdleKeys(ctx context.Context, tenant ident.TenantID, since time.Time,
		after Position) (idle []SlotHolder, last *Position, err error)
}

// CreateTx is the transaction that creates a key.
type CreateTx interface {
	AuthorityTx
	ApplicationTx
	SlotTx
	UpgradeTx
	machine.NewSubjectTx
	notice.LinkWriter
	// NextKeyNumber returns the number of the next key. Other creations wait from then on.
	NextKeyNumber(ctx context.Context) (int64, error)
	// InsertKey stores a new key and its first secret.
	InsertKey(ctx context.Context, k Key, s Secret) error
	NewClaimTx
}

// NewClaimTx stores claims.
type NewClaimTx interface {
	// InsertClaim stores the link by which the owner claims a key.
	InsertClaim(ctx context.Context, c Claim) error
}

// ChangeTx is the transaction that changes one key for a person.
type ChangeTx interface {
	AuthorityTx
	ApplicationTx
	SlotTx
	SecretTx
	ClaimTx
	EndTx
	LockTx
	UpgradeTx
	notice.LinkWriter
	// KeyOwner returns the owner of a key without locking the key: the owner is locked before the
	// key, and the owner of a key never changes.
	KeyOwner(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (ident.PartyID, error)
	// EditKey stores the name, description, scopes, applications, addresses, metadata, own expiry
	// and time of update.
	EditKey(ctx context.Context, k Key) error
}

// SweepTx is the transaction that changes one key because of its age.
type SweepTx interface {
	TenantReader
	EndTx
	LockTx
	notice.Writer
	// NoticePlanned returns when a notice about the same thing was planned; zero where there is
	// none.
	NoticePlanned(ctx context.Context, n notice.Notice) (time.Time, error)
	// ForgetDigests deletes the digests of the key's secrets and frees its slot.
	ForgetDigests(ctx context.Context, id ident.KeyID, at time.Time) error
}

// AuthorityTx reads what people may do.
type AuthorityTx interface {
	TenantReader
	machine.ProgramTx
	// Authority returns what a person may do in a tenant and locks it until the transaction ends.
	// It is zero for a disabled or deleted user.
	Authority(ctx context.Context, tenant ident.TenantID, user ident.UserID) (principal.Authority, error)
	// Owner returns a service account or a subject and locks it until the transaction ends.
	Owner(ctx context.Context, tenant ident.TenantID, id ident.PartyID) (Owner, error)
}

// UpgradeTx knows whether every node understands what it reads.
type UpgradeTx interface {
	// RequireUpgrade returns fault.Conflict until no node of the version before can use the
	// database.
	RequireUpgrade(ctx context.Context) error
}

// ApplicationTx checks ids of applications.
type ApplicationTx interface {
	// MissingApplications returns the indexes of the ids that are not applications of the tenant.
	// It locks the applications it found.
	MissingApplications(ctx context.Context, tenant ident.TenantID, ids []string) ([]int, error)
}

// SlotTx reads and frees the slots of an owner, who is locked.
type SlotTx interface {
	// SlotHolders lists the owner's keys that hold a slot.
	SlotHolders(ctx context.Context, tenant ident.TenantID, owner ident.PartyID) ([]SlotHolder, error)
	// HighestSlot returns the highest slot that is held; 0 for none.
	HighestSlot(ctx context.Context, tenant ident.TenantID, owner ident.PartyID) (int64, error)
	// CountSlotHolders counts the owner's keys that hold a slot, up to limit.
	CountSlotHolders(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, limit int) (int, error)
	// FreeExpiredSlots frees the slots of the owner's keys whose own expiry was by expiredBy or
	// whose secret was set by setBy.
	FreeExpiredSlots(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, expiredBy, setBy time.Time) error
	FreeSlots(ctx context.Context, keys []ident.KeyID) error
}

// SecretTx replaces a key's secret and reads the copy of it.
type SecretTx interface {
	// ReplaceSecret stores a new current secret, and the fields of the key that a refresh changes.
	// The secret before it is kept as the previous one if k.Previous is set, and deleted if not.
	ReplaceSecret(ctx context.Context, k Key, s Secret) error
	// SecretCopy returns the sealed copy of a key's current secret, or fault.NotFound.
	SecretCopy(ctx context.Context, id ident.KeyID) (credential.Sealed, error)
}

// ClaimTx uses up a claim, or replaces it.
type ClaimTx interface {
	NewClaimTx
	// DeleteClaims deletes the unused claims of a key.
	DeleteClaims(ctx context.Context, id ident.KeyID) error
	// UseClaim marks a claim as used. It returns fault.NotFound if the claim is not the owner's, is
	// used or has expired. Of several concurrent calls one succeeds.
	UseClaim(ctx context.Context, token credential.TokenHash, owner ident.UserID, now time.Time) error
	// ProveEmail records that the user reads mail to their address.
	ProveEmail(ctx context.Context, user ident.UserID, now time.Time) error
}

// LockTx reads a key for a change.
type LockTx interface {
	// LockKey returns a key and locks it until the transaction ends.
	LockKey(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (Key, error)
}

// EndTx ends a key or a secret of it.
type EndTx interface {
	// SetDisabled stores whether, when and by whom the key was disabled, when it was enabled, and
	// the time of update.
	SetDisabled(ctx context.Context, k Key) error
	// RevokeKey leaves a tombstone: it keeps the digest, deletes the sealed copy and frees the
	// slot.
	RevokeKey(ctx context.Context, id ident.KeyID, at time.Time, by ident.PartyID, reason string) error
	DeleteKey(ctx context.Context, id ident.KeyID) error
	// EndPrevious deletes the secret before the last refresh.
	EndPrevious(ctx context.Context, id ident.KeyID, at time.Time) error
}
