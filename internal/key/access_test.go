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
		isOwner bool
		members policy.Visibility
		want    access
	}{
		"a stranger":                   {"", false, all, access{}},
		"an owner who left the tenant": {"", true, all, access{}},
		"an admin":                     {scope.Admin, false, own, access{see: true, full: true, change: true}},
		"an auditor":                   {scope.Auditor, false, own, access{see: true, full: true}},
		"an auditor who owns the key": {
			scope.Auditor, true, own,
			access{see: true, full: true, change: true},
		},
		"a member who owns the key":             {scope.Member, true, own, access{see: true, full: true, change: true}},
		"another member":                        {scope.Member, false, own, access{}},
		"another member, where members see all": {scope.Member, false, all, access{see: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := accessTo(c.role, c.isOwner, c.members); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestWhoMayNotChangeAKeyIsToldSoOnlyIfTheyMaySeeIt(t *testing.T) {
	k := Key{Owner: principal.Person{ID: "usr_owner"}}
	for name, c := range map[string]struct {
		by      principal.Authority
		members policy.Visibility
		want    error
	}{
		"the owner":      {authority("usr_owner", scope.Member), policy.SeeOwn, nil},
		"an admin":       {authority("usr_other", scope.Admin), policy.SeeOwn, nil},
		"an auditor":     {authority("usr_other", scope.Auditor), policy.SeeOwn, fault.Forbidden},
		"another member": {authority("usr_other", scope.Member), policy.SeeOwn, fault.NotFound},
		"another member, where members see all": {
			authority("usr_other", scope.Member), policy.SeeAll, fault.Forbidden,
		},
		"an owner who left": {authority("usr_owner", ""), policy.SeeAll, fault.NotFound},
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
			by, owner := authority("usr_a", c.role), authority("usr_b", c.owner)
			if c.self {
				owner = by
			}
			err := authorizeCreate(policy.Settings{Creators: c.creators}, by, owner)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// authority is what a person with a role in the tenant may do.
func authority(id ident.UserID, role scope.Role) principal.Authority {
	return principal.Authority{Person: principal.Person{ID: id}, Member: role}
}
