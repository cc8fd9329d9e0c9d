package key

import (
	"context"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

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
// person's effective role in the tenant, by whether the key is theirs, and by the tenant's setting
// for what members see of the keys of others.
func accessTo(role scope.Role, isOwner bool, members policy.Visibility) access {
	if role == "" {
		return access{}
	}
	full := isOwner || role != scope.Member
	return access{see: full || members == policy.SeeAll, full: full, change: isOwner || role == scope.Admin}
}

// authorizeChange returns fault.NotFound for a person who may not see the key, and fault.Forbidden
// for one who may see but not change it.
func authorizeChange(by principal.Authority, settings policy.Settings, k Key) error {
	a := accessTo(by.EffectiveRole(), k.Owner.ID == by.Person.ID, settings.Visibility)
	switch {
	case a.change:
		return nil
	case !a.see:
		return fault.NotFound
	}
	return fault.New(fault.Forbidden,
		"Only the owner of this key or an admin of the tenant may do this. Ask one of them.")
}

// authorizeCreate checks whether one person may create a key for another, or for themselves.
func authorizeCreate(settings policy.Settings, by, owner principal.Authority) error {
	role := by.EffectiveRole()
	asAdmin := role == scope.Admin && settings.AllowsCreator(policy.ByAdmin)
	asSelf := owner.Person.ID == by.Person.ID && role != scope.Auditor && settings.AllowsCreator(policy.BySelf)
	switch {
	case role == "":
		return fault.NotFound
	case !asAdmin && !asSelf:
		return fault.New(fault.Forbidden,
			"Your role or the tenant's `creators` does not let you create this key. Ask an admin of the tenant.")
	case owner.Member == "":
		return fault.Refuse(fault.Field{
			Name: "owner_id", Code: "not_a_member",
			Message: "The owner is not an active member of the tenant. Add or enable the member first.",
		})
	}
	return nil
}

// lockAuthorities reads and locks what the caller and the owner of a key may do. It locks the lower
// id first, so that two people who act for each other do not wait for each other.
func lockAuthorities(ctx context.Context, tx AuthorityTx, tenant ident.TenantID,
	caller, owner ident.UserID,
) (by, own principal.Authority, err error) {
	locked := map[ident.UserID]principal.Authority{}
	for _, id := range []ident.UserID{min(caller, owner), max(caller, owner)} {
		if _, twice := locked[id]; twice {
			break
		}
		locked[id], err = tx.Authority(ctx, tenant, id)
		if err != nil {
			return by, own, err
		}
	}
	return locked[caller], locked[owner], nil
}
