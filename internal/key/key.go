// Package key is the life of a key: create, show, list, revoke, delete.
//
// Every operation judges the caller's authority inside the transaction that changes the key, so that rights which are being taken
// away cannot be used once more. A secret is minted before the transaction and shown after it, once.
package key

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
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
	// DisabledByAdmin is set where not the owner disabled the key: then only an admin enables it again.
	DisabledByAdmin bool
	RevokedAt       time.Time
	RevokedReason   string
	Delivery        Delivery
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
	return policy.Life{RevokedAt: k.RevokedAt, DisabledAt: k.DisabledAt, Expiry: policy.EffectiveExpiry(k.ExpiresAt, k.SecretSetAt, rules)}
}

// Secret is what is stored of a key's secret.
type Secret struct {
	Serial   int
	Lookup   string
	PublicID string
	Last4    string
	Digest   credential.Sealed
	SetAt    time.Time
}

// Issued is a new credential and its key. The credential is shown once.
type Issued struct {
	View
	Credential credential.Minted
}

// Filter narrows a list of keys; the zero value lists all.
type Filter struct {
	Owner ident.UserID
}

// Page asks for a part of a list, newest first.
type Page struct {
	// BeforeTime and BeforeID are the place of the last key seen; zero for the first page.
	BeforeTime time.Time
	BeforeID   ident.KeyID
	Limit      int
}

// Store is what key reads outside of a change.
type Store interface {
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	Key(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (Key, error)
	Keys(ctx context.Context, tenant ident.TenantID, filter Filter, page Page) ([]Key, error)
}

// Tx is what key reads and changes in a transaction.
type Tx interface {
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// LockPeople holds people in the order of their ids. A change that concerns two begins with it: two who make keys for each other would otherwise each hold
	// what the other waits for.
	LockPeople(ctx context.Context, people ...ident.UserID) error
	// Authority reads what a person may do, and holds it until the transaction ends, so that rights which are being taken away cannot be used once more.
	// A deleted or disabled user has none.
	Authority(ctx context.Context, tenant ident.TenantID, user ident.UserID) (principal.Authority, error)
	// LockOwner locks the membership under which keys are owned, so that the cap is counted by one transaction at a time,
	// and gives the owner's authority; fault.NotFound where there is no live membership.
	LockOwner(ctx context.Context, tenant ident.TenantID, user ident.UserID) (principal.Authority, error)
	// MissingApplications gives the indexes of ids that are no applications of the tenant, and holds the others.
	MissingApplications(ctx context.Context, tenant ident.TenantID, ids []string) ([]int, error)
	// Holds lists the keys that hold a slot.
	Holds(ctx context.Context, tenant ident.TenantID, owner ident.UserID) ([]Hold, error)
	HighestSlot(ctx context.Context, tenant ident.TenantID, owner ident.UserID) (int64, error)
	FreeSlots(ctx context.Context, keys []ident.KeyID) error
	InsertKey(ctx context.Context, k Key, s Secret) error
	// LockKey reads a key and holds it until the transaction ends.
	LockKey(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (Key, error)
	// RevokeKey leaves a tombstone: the digest stays, the slot is freed.
	RevokeKey(ctx context.Context, id ident.KeyID, at time.Time, by ident.UserID, reason string) error
	DeleteKey(ctx context.Context, id ident.KeyID) error
	// SetDisabled writes whether, when and by whom the key was disabled, and when it was updated.
	SetDisabled(ctx context.Context, k Key) error
}

func target(k Key) audit.Target { return audit.Target{Type: "key", ID: string(k.ID), Name: k.Name} }
