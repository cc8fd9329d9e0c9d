package key

import (
	"cmp"
	"context"
	"slices"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// relation is how a person stands to a key.
type relation int

const (
	unrelated relation = iota
	// isSteward is a steward of the service account that owns the key.
	isSteward
	// isOwner is a person who owns the key, or acts as its owner: an admin of the tenant does for
	// the keys of service accounts and subjects.
	isOwner
)

// relationTo returns how a person with the role in the tenant stands to the key.
func relationTo(k Key, person ident.UserID, role scope.Role) relation {
	switch {
	case k.Owner.Is(person), k.Owner.Type() != ident.UserParty && role == scope.Admin:
		return isOwner
	case slices.Contains(k.Stewards, person):
		return isSteward
	}
	return unrelated
}

// access is what a person may do with a key.
type access struct {
	// see: the key exists for them. Without it they are told that it is not found.
	see bool
	// full: they see all of it. Without it they see its name, description, owner and dates.
	full bool
	// change: they may edit, disable, enable, revoke and delete it. Some operations ask for more.
	change bool
}

// accessTo is the one rule for who may see, see in full, or change a key. It decides by the
// person's effective role in the tenant, by how they stand to the key, and by the tenant's setting
// for what members see of the keys of others.
func accessTo(role scope.Role, to relation, members policy.Visibility) access {
	if role == "" {
		return access{}
	}
	full := to != unrelated || role != scope.Member
	return access{
		see: full || members == policy.SeeAll, full: full,
		change: to == isOwner || role == scope.Admin,
	}
}

// authorizeChange returns fault.NotFound for a person who may not see the key, and fault.Forbidden
// for one who may see but not change it.
func authorizeChange(by principal.Authority, settings policy.Settings, k Key) error {
	a := accessTo(by.EffectiveRole(), relationTo(k, by.Person.ID, by.EffectiveRole()), settings.Visibility)
	switch {
	case a.change:
		return nil
	case !a.see:
		return fault.NotFound
	}
	return fault.New(fault.Forbidden,
		"Only the owner of this key or an admin of the tenant may do this. Ask one of them.")
}

// Owner is the owner of keys as a transaction reads it: what it may do now. The transaction locks
// the rows that it comes from.
type Owner struct {
	principal.Party
	// Exists is false for an owner that the tenant does not have, or that was deleted.
	Exists bool
	// Active is set for a user with an active membership, and for a service account or a subject
	// that is not disabled.
	Active bool
	Rights policy.OwnerRights
	// Account is the role of a user in the tenant's account; "" for none.
	Account scope.AccountRole
}

// OwnerOf returns a person as an owner of keys.
func OwnerOf(a principal.Authority) Owner {
	return Owner{
		Party: a.Person.Party(), Exists: a.Person.ID != "", Active: a.Member != "",
		Rights: policy.OwnerRights{Role: a.EffectiveRole()}, Account: a.Account,
	}
}

// errTypeNotAllowed refuses a new key for a type of owner that the tenant does not allow.
func errTypeNotAllowed(t ident.PartyType) error {
	return fault.Refuse(fault.Field{
		Name: "owner", Code: "type_not_allowed",
		Message: "The tenant allows no keys for owners of type " + string(t) + " (`owners`). " +
			"An owner or admin of the account can change that.",
	})
}

var errNoCreator = fault.New(fault.Forbidden,
	"Your role or the tenant's `creators` does not let you create this key. Ask an admin of the tenant.")

// authorizeCreate checks whether a person may create a key for an owner, who may be themselves.
func authorizeCreate(settings policy.Settings, by principal.Authority, owner Owner) error {
	role := by.EffectiveRole()
	if role == "" {
		return fault.NotFound
	}
	if !slices.Contains(settings.OwnerTypes(), owner.Type()) {
		return errTypeNotAllowed(owner.Type())
	}
	if owner.Type() != ident.UserParty {
		return authorizeCreateForMachine(role, owner)
	}
	asAdmin := role == scope.Admin && settings.AllowsCreator(policy.ByAdmin)
	asSelf := owner.Is(by.Person.ID) && role != scope.Auditor && settings.AllowsCreator(policy.BySelf)
	switch {
	case !asAdmin && !asSelf:
		return errNoCreator
	case !owner.Active:
		return fault.Refuse(fault.Field{
			Name: "owner_id", Code: "not_a_member",
			Message: "The owner is not an active member of the tenant. Add or enable the member first.",
		})
	}
	return nil
}

// MayCreateOwn returns why a signed-in person may not create a key of their own in a tenant; nil if
// they may. The transaction that creates the key checks it again.
func MayCreateOwn(who principal.Principal, t ident.TenantID, account ident.AccountID, settings policy.Settings) error {
	s, _ := who.Session()
	by := principal.Authority{Person: s.User, Account: who.AccountRole(account)}
	for _, m := range s.Memberships {
		if m.Tenant == t {
			by.Member = m.Role
		}
	}
	return authorizeCreate(settings, by, OwnerOf(by))
}

// MayCreateFor returns why a person with the role in a tenant may not create keys for other owners
// of the type; nil if they may. The transaction that creates a key checks it again.
func MayCreateFor(role scope.Role, settings policy.Settings, owner ident.PartyType) error {
	switch {
	case !slices.Contains(settings.OwnerTypes(), owner):
		return errTypeNotAllowed(owner)
	case owner != ident.UserParty:
		return checkActsForMachines(role)
	case role != scope.Admin || !settings.AllowsCreator(policy.ByAdmin):
		return errNoCreator
	}
	return nil
}

// authorizeCreateForMachine checks whether a person with the role may create a key for a service
// account or a subject. Whatever `creators` says, admins of the tenant may.
func authorizeCreateForMachine(role scope.Role, owner Owner) error {
	if err := checkActsForMachines(role); err != nil {
		return err
	}
	switch {
	case !owner.Exists:
		return fault.Refuse(fault.Field{
			Name: "owner.id", Code: "unknown",
			Message: "The tenant has no such service account or subject. Create it first.",
		})
	case !owner.Active:
		return fault.New(fault.Conflict, "The owner of the key is disabled. Enable it first.")
	}
	return nil
}

// lockAuthorities reads and locks what the caller and the owner of a key may do. Of two people it
// locks the lower id first, so that two people who act for each other do not wait for each other.
// Other owners are locked after people.
func lockAuthorities(ctx context.Context, tx AuthorityTx, tenant ident.TenantID,
	caller ident.UserID, owner ident.PartyID,
) (by principal.Authority, own Owner, err error) {
	if owner.Type() != ident.UserParty {
		by, err = tx.Authority(ctx, tenant, caller)
		if err != nil {
			return by, own, err
		}
		own, err = tx.Owner(ctx, tenant, owner)
		return by, own, err
	}
	locked := map[ident.UserID]principal.Authority{}
	people := []ident.UserID{caller, owner.User()}
	slices.SortFunc(people, cmp.Compare[ident.UserID])
	for _, id := range slices.Compact(people) {
		locked[id], err = tx.Authority(ctx, tenant, id)
		if err != nil {
			return by, own, err
		}
	}
	return locked[caller], OwnerOf(locked[owner.User()]), nil
}
