package key

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Create creates a key and returns its credential, once, or the link by which its owner claims it.
// A key with a credential works as soon as Create returns (seed Blancco).
func (s *Service) Create(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	spec Spec,
) (Issued, error) {
	caller, err := actorOf(who)
	if err != nil {
		return Issued{}, err
	}
	now := s.Now()
	faults := append(spec.Validate(now), spec.deliveryFaults(caller.person.ID)...)
	if caller.management != nil && spec.Owner == "" && spec.Subject == nil {
		faults = append(faults, ownerRequired)
	}
	if err := fault.Refuse(faults...); err != nil {
		return Issued{}, err
	}
	rules, err := s.visibleTenant(ctx, who, tenant)
	if err != nil {
		return Issued{}, err
	}
	fresh := s.draft(rules, caller.party().ID, spec.Delivery, now)
	fresh.subject = ident.New[ident.SubjectID](now, s.Rand)
	var issued Issued
	err = s.Creates.Write(ctx, who, func(ctx context.Context, tx CreateTx) (audit.Event, error) {
		by, owner, newSubject, err := lockOwner(ctx, tx, tenant, caller, spec, fresh)
		if err != nil {
			return audit.Event{}, err
		}
		t, err := tx.TenantRules(ctx, tenant) // after the locks, as in lock
		if err != nil {
			return audit.Event{}, err
		}
		k, err := s.insert(ctx, tx, t, by, owner, spec, fresh)
		if err == nil {
			err = notifyCreated(ctx, tx, k, t.Rules, fresh.claim)
		}
		if err != nil {
			return audit.Event{}, err
		}
		v := caller.viewFor(s.view(by.Person.ID, by.EffectiveRole(), t, k))
		issued = Issued{View: v, Credential: fresh.issued, Link: fresh.link, Settings: t.Settings}
		e := audit.By(who, audit.ActionKeyCreate, target(k)).In(tenant, rules.Account).InvalidatesLookups(k.Lookups...)
		if newSubject {
			e = e.With("new_subject", string(owner.ID))
		}
		return e.With("owner", k.Owner.Label()).With("public_id", k.PublicID).With("delivery", string(k.Delivery)), nil
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// draft is a new key before the transaction that checks and stores it.
type draft struct {
	key    Key
	secret Secret
	issued credential.Issued
	// subject is the id of the owner, if that is a new subject.
	subject ident.SubjectID
	// claim and link are set for a key that its owner claims by link.
	claim Claim
	link  Link
}

// draft issues a credential in the tenant's present shape, for the person who creates the key. For
// a key that its owner claims by link, only the public id of that credential is kept.
func (s *Service) draft(t policy.Tenant, by ident.PartyID, delivery Delivery, now time.Time) draft {
	id := ident.New[ident.KeyID](now, s.Rand)
	d := draft{key: Key{ID: id, Tenant: t.ID, Delivery: delivery, CreatedAt: now, UpdatedAt: now}}
	issued := s.Keyring.Issue(t.Settings.Shape())
	if delivery == ByLink {
		d.secret = placeholderSecret(id, issued, now)
		d.key.setCurrent(d.secret)
		d.key.SecretSetAt = time.Time{}
		d.claim, d.link = s.newClaim(t.ID, id, now)
		return d
	}
	d.issued, d.secret = s.sealSecret(d.key, 1, issued, by, now)
	d.key.setCurrent(d.secret)
	return d
}

// insert checks and stores a new key. The memberships of the creator and of the owner are locked,
// so that one transaction at a time counts the owner's keys. spec and fresh are copies, since a
// transaction may run twice.
func (s *Service) insert(ctx context.Context, tx CreateTx, t policy.Tenant, by actorRights, owner Owner, spec Spec,
	fresh draft,
) (k Key, err error) {
	k = fresh.key
	switch {
	case !t.Active:
		return Key{}, errTenantDisabled
	case t.Settings.Shape() != k.Shape:
		return Key{}, errStyleChanged
	case k.Shape.Reserved():
		return Key{}, errLabelReserved
	}
	if err := by.authorizeNewKey(t, owner, spec.Delivery, s.Now()); err != nil {
		return Key{}, err
	}
	by.limitLifetime(&spec, t, k.CreatedAt)
	if err := fault.Refuse(spec.linkRequiredFaults(by.Authority, owner)...); err != nil {
		return Key{}, err
	}
	if err := fault.Refuse(spec.validateInTenant(t, owner.Rights, k.CreatedAt)...); err != nil {
		return Key{}, err
	}
	if err := checkApplications(ctx, tx, t.ID, spec.ApplicationIDs); err != nil {
		return Key{}, err
	}
	if spec.requiresUpgrade() {
		if err := tx.RequireUpgrade(ctx); err != nil {
			return Key{}, err
		}
	}
	k.Slot, err = allocateSlot(ctx, tx, t, by.Person.ID, owner.ID, k.CreatedAt)
	if err != nil {
		return Key{}, err
	}
	k.Name, k.Description = spec.Name, spec.Description
	k.ExpiresAt = storedTime(spec.ExpiresAt)
	k.Owner, k.CreatedBy = owner.Party, by.party()
	k.Scopes = scope.NewSet(spec.Scopes...)
	k.Applications = scope.Applications{All: spec.AllApplications, IDs: sortedUnique(spec.ApplicationIDs)}
	k.Addresses, k.Metadata = spec.addresses, spec.metadata
	if err := by.requireWithin(k, policy.MayCreateKeys); err != nil {
		return Key{}, err
	}
	if err := by.countCreate(ctx, tx, s.Now()); err != nil {
		return Key{}, err
	}
	k.Number, err = tx.NextKeyNumber(ctx)
	if err != nil {
		return Key{}, err
	}
	if err := tx.InsertKey(ctx, k, fresh.secret.storedFor(t.Settings)); err != nil || k.Delivery != ByLink {
		return k, err
	}
	k.Open = OpenClaim{MailedAt: fresh.claim.MailedAt, ExpiresAt: fresh.claim.ExpiresAt}
	fresh.claim.Owner, fresh.claim.CreatedBy = k.Owner.User(), by.Person.ID
	return k, tx.InsertClaim(ctx, fresh.claim)
}
