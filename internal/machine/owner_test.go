package machine_test

import (
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A key reads who it belongs to, and nothing about any other owner.
func TestAKeyReadsItsOwner(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, other := h.Tenant("Tenant", nil), h.Tenant("Other tenant", nil)
	h.Join(tenant, h.Owner, scope.Admin)
	admin := h.As(h.Owner)
	robot := testkit.ServiceAccount(t, admin, tenant, "Robot", api.RoleMember)
	customer := testkit.Must[api.Subject](t)(admin.CreateSubject(t.Context(), string(tenant.ID),
		api.CreateSubjectRequest{ExternalID: "customer-1"}))
	keyOf := func(in ident.TenantID, owner string) principal.Principal {
		return principal.OfKey(&principal.Key{Tenant: in, Owner: principal.Party{ID: ident.PartyID(owner)}})
	}
	for name, c := range map[string]struct {
		who                           principal.Principal
		user, serviceAccount, subject fault.Kind
	}{
		"of a user":                    {keyOf(tenant.ID, string(h.Owner.ID)), "", fault.NotFound, fault.NotFound},
		"of a service account":         {keyOf(tenant.ID, robot.ID), fault.NotFound, "", fault.NotFound},
		"of a subject":                 {keyOf(tenant.ID, customer.ID), fault.NotFound, fault.NotFound, ""},
		"of another tenant's program":  {keyOf(other.ID, robot.ID), fault.NotFound, fault.NotFound, fault.NotFound},
		"of another tenant's customer": {keyOf(other.ID, customer.ID), fault.NotFound, fault.NotFound, fault.NotFound},
		"none, but a session": {
			principal.OfSession(&principal.Session{User: h.Owner}), "", fault.NotFound, fault.NotFound,
		},
		"none": {principal.Principal{}, fault.SessionRequired, fault.NotFound, fault.NotFound},
	} {
		u, err := h.Identity.Owner(t.Context(), c.who)
		if refusal(err) != c.user || err == nil && u.ID != h.Owner.ID {
			t.Errorf("a key %s belongs to the user %q (%v)", name, u.ID, err)
		}
		a, err := h.ServiceAccounts.Owner(t.Context(), c.who)
		if refusal(err) != c.serviceAccount || err == nil && string(a.ID) != robot.ID {
			t.Errorf("a key %s belongs to the service account %q (%v)", name, a.ID, err)
		}
		s, err := h.Subjects.Owner(t.Context(), c.who)
		if refusal(err) != c.subject || err == nil && string(s.ID) != customer.ID {
			t.Errorf("a key %s belongs to the subject %q (%v)", name, s.ID, err)
		}
	}
}

// refusal returns the kind of an error; "" for none.
func refusal(err error) fault.Kind {
	if err == nil {
		return ""
	}
	return fault.KindOf(err)
}
