package key

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// actor is who asks for something: a signed-in person, or a program with a management key.
type actor struct {
	person principal.Person
	// management is nil for a person.
	management *principal.ManagementKey
	// ip is the address that the request came from.
	ip string
}

// actorOf returns who asks. API keys never manage keys.
func actorOf(who principal.Principal) (actor, error) {
	if m, ok := who.ManagementKey(); ok {
		return actor{management: &m, ip: who.Origin().IP}, nil
	}
	person, err := signedInPerson(who)
	return actor{person: person}, err
}

// party returns the actor as others see it.
func (a actor) party() principal.Party {
	if a.management != nil {
		return a.management.Party()
	}
	return a.person.Party()
}

// id returns for whom the actor's requests are admitted.
func (a actor) id() string { return string(a.party().ID) }

// actorRights are what an actor may do, as a transaction reads and locks it.
type actorRights struct {
	// Authority is that of a person; zero for a management key.
	principal.Authority
	// management is nil for a person.
	management *principal.ManagementAuthority
	// serial is that of the management key's secret that was sent, and ip the address that the
	// request came from.
	serial int
	ip     string
}

// party returns who acts.
func (a actorRights) party() principal.Party {
	if a.management != nil {
		return a.management.Party()
	}
	return a.Person.Party()
}

// actsAsOwner reports whether the authority acts as the owner of the key. A management key does for
// all keys for which it may act.
func (a actorRights) actsAsOwner(k Key) bool {
	return a.management != nil || relationTo(k, a.Person.ID, a.EffectiveRole()) == isOwner
}

// refusal returns the reason why the management key may no longer be used; nil for a person.
func (a actorRights) refusal(t policy.Tenant, now time.Time) error {
	if a.management == nil {
		return nil
	}
	if code := a.management.Refusal(a.serial, a.ip, t, now); code != "" {
		return code
	}
	return nil
}

// lockActor reads and locks what the actor and the owner of a key may do: people first, then
// service accounts in the order of their ids, then a subject, and then the management key.
func lockActor(ctx context.Context, tx AuthorityTx, tenant ident.TenantID, by actor,
	owner ident.PartyID,
) (a actorRights, own Owner, err error) {
	if by.management == nil {
		a.Authority, own, err = lockAuthorities(ctx, tx, tenant, by.person.ID, owner)
		return a, own, err
	}
	if user := owner.User(); user != "" {
		person, err := tx.Authority(ctx, tenant, user)
		if err != nil {
			return a, own, err
		}
		own = OwnerOf(person)
	}
	machines := []ident.PartyID{by.management.ServiceAccount.ID}
	if owner.Type() == ident.ServiceAccountParty || owner.Type() == ident.SubjectParty {
		machines = append(machines, owner)
	}
	slices.SortFunc(machines, func(a, b ident.PartyID) int {
		return cmp.Or(cmp.Compare(machineRank(a), machineRank(b)), cmp.Compare(a, b))
	})
	for _, id := range slices.Compact(machines) {
		locked, err := tx.Owner(ctx, tenant, id)
		if err != nil {
			return a, own, err
		}
		if id == owner {
			own = locked
		}
	}
	a, err = lockManagementKey(ctx, tx, by)
	return a, own, err
}

// lockManagementKey reads and locks the management key of an actor.
func lockManagementKey(ctx context.Context, tx AuthorityTx, by actor) (actorRights, error) {
	found, err := machine.LockProgram(ctx, tx, *by.management)
	return actorRights{management: &found, serial: by.management.Serial, ip: by.ip}, err
}

// machineRank orders service accounts before subjects.
func machineRank(id ident.PartyID) int {
	if id.Type() == ident.ServiceAccountParty {
		return 0
	}
	return 1
}

// authorizeOperation checks whether the actor may change a key with the permission.
func (a actorRights) authorizeOperation(t policy.Tenant, k Key, p policy.Permission, now time.Time) error {
	if a.management == nil {
		return authorizeChange(a.Authority, t.Settings, k)
	}
	if err := a.refusal(t, now); err != nil {
		return err
	}
	if p == "" {
		return fault.SessionRequired
	}
	rights := a.management.Rights
	switch owner := k.Owner.Type(); {
	case !slices.Contains(rights.Owners, owner):
		return fault.NotFound
	case !rights.ActsFor(owner, p):
		return errNoPermission(p, owner)
	}
	return nil
}

func errNoPermission(p policy.Permission, owner ident.PartyType) error {
	return fault.New(fault.Forbidden, fmt.Sprintf(
		"This management key has no permission `%s` for keys of owners of type %s.", p, owner))
}

// grant returns what the ceilings of a management key are compared with.
func (k Key) grant() policy.KeyGrant {
	g := policy.KeyGrant{Scopes: k.Scopes, Applications: k.Applications, Addresses: k.Addresses}
	if !k.ExpiresAt.IsZero() {
		g.Lifetime = max(k.ExpiresAt.Sub(k.SecretSetAt), 1)
	}
	return g
}

// requireWithin refuses a key beyond the ceilings of the management key; it refuses nothing to a
// person. A new secret or more rights of such a key would be more than the management key may have.
func (a actorRights) requireWithin(k Key, p policy.Permission) error {
	if a.management == nil || p != policy.MayUpdateKeys && p != policy.MayRefreshKeys && p != policy.MayCreateKeys {
		return nil
	}
	return k.grant().Within(a.management.Rights.Ceilings).Fault()
}

// countCreate counts a new key or a new secret in a management key's hour, or refuses it.
func (a actorRights) countCreate(ctx context.Context, tx AuthorityTx, now time.Time) error {
	if a.management == nil {
		return nil
	}
	return machine.CountCreate(ctx, tx, a.management, now)
}

// authorizeNewKey checks whether the actor may create a key for the owner.
func (a actorRights) authorizeNewKey(t policy.Tenant, owner Owner, delivery Delivery, now time.Time) error {
	if a.management == nil {
		return authorizeCreate(t.Settings, a.Authority, owner)
	}
	if err := a.refusal(t, now); err != nil {
		return err
	}
	kind := owner.Type()
	switch {
	case !a.management.Rights.ActsFor(kind, policy.MayCreateKeys):
		return errNoPermission(policy.MayCreateKeys, kind)
	case delivery == ByLink:
		return fault.New(fault.Forbidden, "A management key delivers no key by link.")
	case !slices.Contains(t.Settings.OwnerTypes(), kind):
		return errTypeNotAllowed(kind)
	}
	return authorizeCreateForMachine(scope.Admin, owner)
}

// limitLifetime sets the expiry of a key that has none to the end of the longest lifetime that the
// management key allows.
func (a actorRights) limitLifetime(s *Spec, t policy.Tenant, now time.Time) {
	if a.management == nil || s.ExpiresAt != nil {
		return
	}
	longest := a.management.Rights.Ceilings.Lifetime()
	if longest == 0 {
		return
	}
	at := now.Add(longest)
	if latest := latestExpiry(t.Rules, now); !latest.IsZero() && latest.Before(at) {
		at = latest
	}
	s.ExpiresAt = &at
}

// sees reports whether the management key reads the keys of this type of owner.
func (a actor) sees(owner ident.PartyType) bool {
	return slices.Contains(a.management.Rights.Owners, owner)
}

// viewFor returns the key as the actor sees it. A management key sees all keys of its types of
// owners in full, but of people only the id.
func (a actor) viewFor(v View) View {
	if a.management == nil {
		return v
	}
	v.Full = true
	if v.Key.Owner.User() != "" {
		v.Key.LastUsedIP = ""
	}
	v.Key.Owner = withoutPerson(v.Key.Owner)
	v.Key.CreatedBy = withoutPerson(v.Key.CreatedBy)
	return v
}

// withoutPerson returns the party with only its id if it is a person.
func withoutPerson(p principal.Party) principal.Party {
	if p.User() != "" {
		return principal.Party{ID: p.ID}
	}
	return p
}

// ownerRequired refuses a new key by a management key without an owner.
var ownerRequired = fault.Field{
	Name: "owner", Code: "required",
	Message: "A management key owns no keys. Name a service account or a subject.",
}

// foundForProgram reports whether a search found the key by something that a management key may
// read: by the e-mail address of a person it may not.
func foundForProgram(query string, k Key) bool {
	return query == "" || k.Owner.User() == "" || text.NewWordQuery(query).Found(k.Name, k.PublicID)
}
