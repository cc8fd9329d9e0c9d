package account_test

import (
	"errors"
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Who may add owners and admins learns by an address only of people who belong to the account.
func TestAnAddressFindsOnlyPeopleOfTheAccount(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", nil)
		member := h.Member(tenant, "Member", scope.Member)
		admin := h.AccountMember("Admin", scope.AccountAdmin)
		_, foreigner := h.OtherAccount("Foreigner")
		stranger := h.Person("Stranger")
		session := func(p principal.Person, role scope.AccountRole) principal.Principal {
			s := principal.Session{User: p}
			if role != "" {
				s.AccountMembers = []principal.AccountMember{{Account: h.Account.ID, Role: role}}
			}
			return principal.OfSession(&s)
		}
		who := session(h.Owner, scope.AccountOwner)
		for name, c := range map[string]struct {
			person principal.Person
			role   scope.AccountRole
			found  bool
		}{
			"a member of a tenant": {member, "", true}, "an admin": {admin, scope.AccountAdmin, true},
			"the owner of another account": {foreigner, "", false}, "a stranger": {stranger, "", false},
		} {
			m, err := h.Accounts.Candidate(t.Context(), who, h.Account.ID, c.person.Email)
			if c.found != (err == nil) || !c.found && !errors.Is(err, fault.NotFound) ||
				c.found && (m.User.ID != c.person.ID || m.Role != c.role) {
				t.Errorf("%s: %+v, %v", name, m, err)
			}
		}
		if _, err := h.Accounts.Candidate(t.Context(), session(member, ""), h.Account.ID, admin.Email); err == nil {
			t.Error("a member finds people of the account")
		}
		m, err := h.Accounts.AccountMember(t.Context(), who, h.Account.ID, member.ID)
		if !errors.Is(err, fault.NotFound) {
			t.Errorf("a person without a role: %+v, %v", m, err)
		}
	})
}
