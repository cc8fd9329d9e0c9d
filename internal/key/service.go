package key

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
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
	// Horizon is the time that work which cannot be undone goes by; it is never ahead of Now.
	Horizon func() time.Time
	Rand    io.Reader
	// KeepExpired is how long the holder of an expired key is told that it expired, at least policy.Grace.
	KeepExpired time.Duration
	// Scans admits what reads all keys of a tenant; nil admits everyone.
	Scans *admission.Gate
}

// Create makes a key and gives its credential, once. The key is usable when Create returns (seed Blancco).
func (s *Service) Create(ctx context.Context, who principal.Principal, tenant ident.TenantID, spec Spec) (Issued, error) {
	caller, err := person(who)
	if err != nil {
		return Issued{}, err
	}
	now := s.Now()
	if err := fault.Refuse(append(spec.Validate(now), spec.linkFaults(caller.ID)...)...); err != nil {
		return Issued{}, err
	}
	rules, err := s.visible(ctx, who, tenant)
	if err != nil {
		return Issued{}, err
	}
	fresh := s.draft(rules, spec.Delivery, now)
	var issued Issued
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		by, owner, err := authorities(ctx, tx, tenant, caller.ID, cmp.Or(spec.Owner, caller.ID))
		if err != nil {
			return audit.Event{}, err
		}
		t, err := tx.TenantRules(ctx, tenant) // once the locks are had, as in open
		if err != nil {
			return audit.Event{}, err
		}
		k, err := s.insert(ctx, tx, t, by, owner, spec, fresh)
		if err == nil {
			err = tellCreated(ctx, tx, k, t.Rules)
		}
		if err != nil {
			return audit.Event{}, err
		}
		issued = Issued{View: s.view(who, t, k), Credential: fresh.minted, Link: fresh.link, Settings: t.Settings}
		e := audit.By(who, audit.ActionKeyCreate, target(k)).In(tenant, rules.Account).OutdatesLookups(k.Lookups...)
		return e.With("owner", k.Owner.Email).With("public_id", k.PublicID).With("delivery", string(k.Delivery)), nil
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// seal gives a fresh credential its public id, and what is stored of it; under says whether the copy is.
func (s *Service) seal(tenant ident.TenantID, id ident.KeyID, serial int, m credential.Minted, now time.Time) (credential.Minted, Secret) {
	if m.PublicID == "" { // style uuid has none of its own
		m.PublicID = string(id)
	}
	row := credential.Row{Key: id, Serial: serial}
	return m, Secret{
		Serial: serial, Shape: m.Shape, Lookup: m.Lookup, PublicID: m.PublicID, TagVersion: m.TagVersion, Last4: m.Last4, SetAt: now,
		Digest: s.Keyring.SealDigest(credential.DigestOf(id, m.Secret), row), Copy: s.Keyring.SealCopy(m.Secret, tenant, row),
	}
}

var (
	errTenantDisabled = fault.New(fault.Conflict, "The tenant is disabled.")
	errOtherShape     = fault.New(fault.Conflict, "The tenant's key style changed meanwhile. Try again.")
)

// insert judges and places the key in the transaction, in which the memberships of the creator and of the owner are locked, so that the owner's keys are
// counted by one transaction at a time; spec and fresh are copies, since it may run twice.
func (s *Service) insert(ctx context.Context, tx Tx, t policy.Tenant, by, owner principal.Authority, spec Spec, fresh draft) (k Key, err error) {
	k = fresh.key
	switch {
	case !t.Open:
		return Key{}, errTenantDisabled
	case t.Settings.Shape() != k.Shape:
		return Key{}, errOtherShape
	}
	if err := mayCreate(t.Settings, by, owner); err != nil {
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
	k.ExpiresAt = stored(spec.ExpiresAt)
	k.Owner, k.CreatedBy = owner.Person, by.Person
	k.Scopes = scope.NewSet(spec.Scopes...)
	k.Applications = scope.Applications{All: spec.AllApplications, IDs: distinct(spec.ApplicationIDs)}
	if err := tx.InsertKey(ctx, k, fresh.secret.under(t.Settings)); err != nil || k.Delivery != ByLink {
		return k, err
	}
	fresh.claim.Owner, fresh.claim.CreatedBy = k.Owner.ID, by.Person.ID
	return k, tx.InsertClaim(ctx, fresh.claim)
}

// mayCreate judges whether the caller may make a key for the owner.
func mayCreate(settings policy.Settings, by, owner principal.Authority) error {
	role := by.Acting()
	asAdmin := role == scope.Admin && settings.LetsCreate(policy.ByAdmin)
	asSelf := owner.Person.ID == by.Person.ID && role != scope.Auditor && settings.LetsCreate(policy.BySelf)
	switch {
	case role == "":
		return fault.NotFound
	case !asAdmin && !asSelf:
		return fault.New(fault.Forbidden, "Your role or the tenant's settings do not let you create this key.")
	case owner.Member == "":
		return fault.Refuse(fault.Field{Name: "owner_id", Code: "not_a_member", Message: "The owner must be an active member of the tenant."})
	}
	return nil
}

// authorities reads what the caller and the owner of a key may do, and holds it. The lower id is locked first, so that two people who act for each other
// do not wait for each other.
func authorities(ctx context.Context, tx Tx, tenant ident.TenantID, caller, owner ident.UserID) (by, own principal.Authority, err error) {
	held := map[ident.UserID]principal.Authority{}
	for _, id := range []ident.UserID{min(caller, owner), max(caller, owner)} {
		if _, twice := held[id]; twice {
			break
		}
		if held[id], err = tx.Authority(ctx, tenant, id); err != nil {
			return by, own, err
		}
	}
	return held[caller], held[owner], nil
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
	// Previous is the secret of before a refresh while it counts, its Until the moment it really ends; zero otherwise.
	Previous Previous
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

func (s *Service) view(who principal.Principal, t policy.Tenant, k Key) View {
	caller, _ := who.Session()
	life, now := k.Life(t.Rules), s.Now()
	full := k.Owner.ID == caller.User.ID || who.RoleIn(t.ID, t.Account) != scope.Member
	return View{Key: k, Life: life, State: life.State(now), Previous: k.overlap(life, t.Rules, now), Full: full}
}

// overlap gives the previous secret while it counts.
func (k Key) overlap(life policy.Life, rules []policy.Rule, now time.Time) Previous {
	p := k.Previous
	if p.Until.IsZero() || !life.RevokedAt.IsZero() {
		return Previous{}
	}
	end := policy.EffectiveExpiry(earlier(p.Until, life.Expiry.At), p.SetAt, rules)
	if end.Passed(now) {
		return Previous{}
	}
	p.Until = end.At
	return p
}

// earlier of a time and another that may be zero for none.
func earlier(at, other time.Time) time.Time {
	if !other.IsZero() && other.Before(at) {
		return other
	}
	return at
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
