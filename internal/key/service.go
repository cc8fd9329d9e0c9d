package key

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Service is the life of keys.
type Service struct {
	Ledger  audit.Ledger[Tx]
	Store   Store
	Keyring *credential.Keyring
	Now     func() time.Time
	Rand    io.Reader
}

// Create makes a key and gives its credential, once. The key is usable when Create returns (seed Blancco).
func (s *Service) Create(ctx context.Context, who principal.Principal, tenant ident.TenantID, spec Spec) (Issued, error) {
	caller, err := person(who)
	if err != nil {
		return Issued{}, err
	}
	now := s.Now()
	if err := fault.Refuse(spec.Validate(now)...); err != nil {
		return Issued{}, err
	}
	rules, err := s.visible(ctx, who, tenant)
	if err != nil {
		return Issued{}, err
	}
	fresh, minted, secret := s.mint(rules, now)
	var issued Issued
	err = s.Ledger.Write(ctx, func(ctx context.Context, tx Tx) (audit.Event, error) {
		t, err := tx.TenantRules(ctx, tenant)
		if err != nil {
			return audit.Event{}, err
		}
		k, err := s.insert(ctx, tx, t, caller, spec, fresh, secret)
		if err != nil {
			return audit.Event{}, err
		}
		issued = Issued{View: s.view(who, t, k), Credential: minted}
		e := audit.By(who, "key.create", target(k)).In(tenant, rules.Account).OutdatesLookups(secret.Lookup)
		return e.With("owner", k.Owner.Email).With("public_id", k.PublicID), nil
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// mint draws the credential outside the transaction, in the shape the tenant has now.
func (s *Service) mint(t policy.Tenant, now time.Time) (Key, credential.Minted, Secret) {
	id := ident.New[ident.KeyID](now, s.Rand)
	m := s.Keyring.Mint(t.Settings.Shape())
	if m.PublicID == "" { // style uuid has none of its own
		m.PublicID = string(id)
	}
	sealed := s.Keyring.SealDigest(credential.DigestOf(id, m.Secret), credential.Row{Key: id, Serial: 1})
	k := Key{
		ID: id, Tenant: t.ID, Shape: m.Shape, PublicID: m.PublicID, Last4: m.Last4, Delivery: Direct, Lookups: []string{m.Lookup},
		CreatedAt: now, UpdatedAt: now, SecretSetAt: now,
	}
	return k, m, Secret{Serial: 1, Lookup: m.Lookup, PublicID: m.PublicID, Last4: m.Last4, Digest: sealed, SetAt: now}
}

// insert judges and places the key in the transaction; spec and k are copies, since it may run twice.
func (s *Service) insert(ctx context.Context, tx Tx, t policy.Tenant, caller principal.Person, spec Spec, k Key, secret Secret) (Key, error) {
	switch {
	case !t.Open:
		return Key{}, fault.New(fault.Conflict, "The tenant is disabled.")
	case t.Settings.Shape() != k.Shape:
		return Key{}, fault.New(fault.Conflict, "The tenant's key style changed meanwhile. Try again.")
	}
	owner, err := s.owner(ctx, tx, t, caller, spec.Owner)
	if err != nil {
		return Key{}, err
	}
	if err := fault.Refuse(spec.fitTenant(t, owner.Acting(), k.CreatedAt)...); err != nil {
		return Key{}, err
	}
	if err := knownApplications(ctx, tx, t.ID, spec.ApplicationIDs); err != nil {
		return Key{}, err
	}
	if k.Slot, err = place(ctx, tx, t, owner.Person.ID, k.CreatedAt); err != nil {
		return Key{}, err
	}
	k.Name, k.Description = spec.Name, spec.Description
	if spec.ExpiresAt != nil {
		k.ExpiresAt = spec.ExpiresAt.UTC().Truncate(time.Microsecond)
	}
	k.Owner, k.CreatedBy = owner.Person, caller
	k.Scopes = scope.NewSet(spec.Scopes...)
	k.Applications = scope.Applications{All: spec.AllApplications, IDs: distinct(spec.ApplicationIDs)}
	return k, tx.InsertKey(ctx, k, secret)
}

// owner locks the membership of the person who is to own the key, and judges whether the caller may make it for them.
func (s *Service) owner(ctx context.Context, tx Tx, t policy.Tenant, caller principal.Person, want ident.UserID) (principal.Authority, error) {
	self := want == "" || want == caller.ID
	if self {
		want = caller.ID
	}
	if err := tx.LockPeople(ctx, caller.ID, want); err != nil {
		return principal.Authority{}, err
	}
	own, err := tx.Authority(ctx, t.ID, caller.ID)
	if err != nil {
		return principal.Authority{}, err
	}
	role := own.Acting()
	asAdmin := role == scope.Admin && t.Settings.LetsCreate(policy.ByAdmin)
	asSelf := self && role != scope.Auditor && t.Settings.LetsCreate(policy.BySelf)
	switch {
	case role == "":
		return principal.Authority{}, fault.NotFound
	case !asAdmin && !asSelf:
		return principal.Authority{}, fault.New(fault.Forbidden, "Your role or the tenant's settings do not let you create this key.")
	}
	owner, err := tx.LockOwner(ctx, t.ID, want)
	if errors.Is(err, fault.NotFound) {
		return principal.Authority{}, fault.Refuse(fault.Field{Name: "owner_id", Code: "not_a_member", Message: "The owner must be an active member of the tenant."})
	}
	return owner, err
}

func knownApplications(ctx context.Context, tx Tx, tenant ident.TenantID, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	missing, err := tx.MissingApplications(ctx, tenant, ids)
	if err != nil {
		return err
	}
	var faults []fault.Field
	for _, i := range missing {
		faults = append(faults, at("application_ids", i, "unknown", "Use an application of this tenant."))
	}
	return fault.Refuse(faults...)
}

// place takes a slot for the owner, freeing those of lapsed keys. Tenants without a cap take slots too, so that a cap can be set later.
func place(ctx context.Context, tx Tx, t policy.Tenant, owner ident.UserID, now time.Time) (int64, error) {
	if t.Settings.KeysPerUser == 0 {
		highest, err := tx.HighestSlot(ctx, t.ID, owner)
		return highest + 1, err
	}
	held, err := tx.Holds(ctx, t.ID, owner)
	if err != nil {
		return 0, err
	}
	slot, freed, ok := Place(t.Settings.KeysPerUser, held, t.Rules, now)
	if !ok {
		return 0, fault.New(fault.KeyLimitReached, "The owner holds as many keys as this tenant allows. Revoke one first.")
	}
	if len(freed) == 0 {
		return slot, nil
	}
	return slot, tx.FreeSlots(ctx, freed)
}

// View is a key as the caller may see it.
type View struct {
	Key   Key
	Life  policy.Life
	State policy.Status
	// Full is false for another's key shown to a member: then only name, description, owner and dates are theirs to see.
	Full bool
}

// Get gives one key.
func (s *Service) Get(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) (View, error) {
	t, err := s.visible(ctx, who, tenant)
	if err != nil {
		return View{}, err
	}
	k, err := s.Store.Key(ctx, tenant, id)
	if err != nil {
		return View{}, err
	}
	if v := s.view(who, t, k); v.Full || t.Settings.Visibility == policy.SeeAll {
		return v, nil
	}
	return View{}, fault.NotFound
}

// List gives the keys of a tenant that the caller may see, newest first.
func (s *Service) List(ctx context.Context, who principal.Principal, tenant ident.TenantID, filter Filter, page Page) ([]View, error) {
	t, err := s.visible(ctx, who, tenant)
	if err != nil {
		return nil, err
	}
	caller, err := person(who)
	if err != nil {
		return nil, err
	}
	if who.RoleIn(t.ID, t.Account) == scope.Member && t.Settings.Visibility == policy.SeeOwn {
		if filter.Owner != "" && filter.Owner != caller.ID {
			return nil, nil
		}
		filter.Owner = caller.ID
	}
	found, err := s.Store.Keys(ctx, tenant, filter, page)
	views := make([]View, len(found))
	for i, k := range found {
		views[i] = s.view(who, t, k)
	}
	return views, err
}

func (s *Service) view(who principal.Principal, t policy.Tenant, k Key) View {
	caller, _ := who.Session()
	life := k.Life(t.Rules)
	full := k.Owner.ID == caller.User.ID || who.RoleIn(t.ID, t.Account) != scope.Member
	return View{Key: k, Life: life, State: life.State(s.Now()), Full: full}
}

// visible gives the tenant's rules to whoever has a role in it; to anyone else the tenant does not exist.
func (s *Service) visible(ctx context.Context, who principal.Principal, tenant ident.TenantID) (policy.Tenant, error) {
	t, err := s.Store.TenantRules(ctx, tenant)
	if err != nil {
		return policy.Tenant{}, err
	}
	if who.RoleIn(t.ID, t.Account) == "" {
		return policy.Tenant{}, fault.NotFound
	}
	return t, nil
}

// person gives the signed-in person; keys never manage keys.
func person(who principal.Principal) (principal.Person, error) {
	s, ok := who.Session()
	if !ok {
		return principal.Person{}, fault.New(fault.SessionRequired, "Sign in: a key cannot manage keys.")
	}
	return s.User, nil
}

func distinct(ids []string) []string {
	sorted := slices.Sorted(slices.Values(ids))
	return slices.Compact(sorted)
}
