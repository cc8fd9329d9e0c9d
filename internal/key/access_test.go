package key

import (
	"errors"
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

func TestWhoMaySeeAndChangeAKey(t *testing.T) {
	const own, all = policy.SeeOwn, policy.SeeAll
	for name, c := range map[string]struct {
		role    scope.Role
		to      relation
		members policy.Visibility
		want    access
	}{
		"a stranger":                   {"", unrelated, all, access{}},
		"an owner who left the tenant": {"", isOwner, all, access{}},
		"an admin":                     {scope.Admin, unrelated, own, access{see: true, full: true, change: true}},
		"an auditor":                   {scope.Auditor, unrelated, own, access{see: true, full: true}},
		"an auditor who owns the key": {
			scope.Auditor, isOwner, own,
			access{see: true, full: true, change: true},
		},
		"a member who owns the key": {
			scope.Member, isOwner, own,
			access{see: true, full: true, change: true},
		},
		"a member who is a steward":             {scope.Member, isSteward, own, access{see: true, full: true}},
		"another member":                        {scope.Member, unrelated, own, access{}},
		"another member, where members see all": {scope.Member, unrelated, all, access{see: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := accessTo(c.role, c.to, c.members); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestWhoMayNotChangeAKeyIsToldSoOnlyIfTheyMaySeeIt(t *testing.T) {
	k := Key{Owner: principal.Party{ID: "usr_owner"}}
	for name, c := range map[string]struct {
		by      principal.Authority
		members policy.Visibility
		want    error
	}{
		"the owner":      {personWith("usr_owner", scope.Member), policy.SeeOwn, nil},
		"an admin":       {personWith("usr_other", scope.Admin), policy.SeeOwn, nil},
		"an auditor":     {personWith("usr_other", scope.Auditor), policy.SeeOwn, fault.Forbidden},
		"another member": {personWith("usr_other", scope.Member), policy.SeeOwn, fault.NotFound},
		"another member, where members see all": {
			personWith("usr_other", scope.Member), policy.SeeAll, fault.Forbidden,
		},
		"an owner who left": {personWith("usr_owner", ""), policy.SeeAll, fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			err := authorizeChange(c.by, policy.Settings{Visibility: c.members}, k)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestWhoMayCreateAKey(t *testing.T) {
	const self, another = true, false
	bySelf, byAdmin := []policy.Creator{policy.BySelf}, []policy.Creator{policy.ByAdmin}
	both := []policy.Creator{policy.BySelf, policy.ByAdmin}
	for name, c := range map[string]struct {
		creators []policy.Creator
		role     scope.Role
		self     bool
		owner    scope.Role
		want     error
	}{
		"a member for themselves":                  {both, scope.Member, self, scope.Member, nil},
		"a member for another":                     {both, scope.Member, another, scope.Member, fault.Forbidden},
		"an admin for another":                     {both, scope.Admin, another, scope.Member, nil},
		"an admin for a person without membership": {both, scope.Admin, another, "", fault.ValidationFailed},
		"an auditor for themselves":                {both, scope.Auditor, self, scope.Auditor, fault.Forbidden},
		"a stranger":                               {both, "", self, "", fault.NotFound},
		"only admins: a member":                    {byAdmin, scope.Member, self, scope.Member, fault.Forbidden},
		"only admins: an admin for themselves":     {byAdmin, scope.Admin, self, scope.Admin, nil},
		"only themselves: an admin for another":    {bySelf, scope.Admin, another, scope.Member, fault.Forbidden},
		"only themselves: an admin for themselves": {bySelf, scope.Admin, self, scope.Admin, nil},
	} {
		t.Run(name, func(t *testing.T) {
			by, owner := personWith("usr_a", c.role), personWith("usr_b", c.owner)
			if c.self {
				owner = by
			}
			err := authorizeCreate(policy.Settings{Creators: c.creators}, by, OwnerOf(owner))
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestWhoActsAsTheOwnerOfAKey(t *testing.T) {
	stewards := []ident.UserID{"usr_steward"}
	for name, c := range map[string]struct {
		owner  ident.PartyID
		person ident.UserID
		role   scope.Role
		want   relation
	}{
		"the user who owns it":                  {"usr_a", "usr_a", scope.Member, isOwner},
		"an admin, of a user's key":             {"usr_a", "usr_b", scope.Admin, unrelated},
		"an admin, of a service account's key":  {"sva_a", "usr_b", scope.Admin, isOwner},
		"an admin, of a subject's key":          {"sub_a", "usr_b", scope.Admin, isOwner},
		"a member, of a subject's key":          {"sub_a", "usr_b", scope.Member, unrelated},
		"a steward, of a service account's key": {"sva_a", "usr_steward", scope.Member, isSteward},
		"an auditor, of a service account's key": {
			"sva_a", "usr_b", scope.Auditor, unrelated,
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := Key{Owner: principal.Party{ID: c.owner}, Stewards: stewards}
			if got := relationTo(k, c.person, c.role); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestWhoMayCreateAKeyForAServiceAccountOrASubject(t *testing.T) {
	standard := policy.Settings{Dialect: "problem+json"}
	live := Owner{Party: principal.Party{ID: "sva_a"}, Exists: true, Active: true}
	for name, c := range map[string]struct {
		settings policy.Settings
		role     scope.Role
		change   func(*Owner)
		want     error
	}{
		"an admin, where nobody but members themselves may create keys": {
			policy.Settings{Dialect: "problem+json", Creators: []policy.Creator{policy.BySelf}}, scope.Admin, nil, nil,
		},
		"a member":                     {standard, scope.Member, nil, fault.Forbidden},
		"an auditor":                   {standard, scope.Auditor, nil, fault.Forbidden},
		"a stranger":                   {standard, "", nil, fault.NotFound},
		"where the type is not listed": {policy.Settings{Dialect: "blancco"}, scope.Admin, nil, fault.ValidationFailed},
		"for an owner that does not exist": {
			standard, scope.Admin, func(o *Owner) { o.Exists, o.Active = false, false }, fault.ValidationFailed,
		},
		"for a disabled owner": {standard, scope.Admin, func(o *Owner) { o.Active = false }, fault.Conflict},
		"for a subject":        {standard, scope.Admin, func(o *Owner) { o.ID = "sub_a" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			owner := live
			if c.change != nil {
				c.change(&owner)
			}
			if err := authorizeCreate(c.settings, personWith("usr_a", c.role), owner); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// personWith is what a person with a role in the tenant may do.
func personWith(id ident.UserID, role scope.Role) principal.Authority {
	return principal.Authority{Person: principal.Person{ID: id}, Member: role}
}
