package journal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// narrowed is a tenant of its own in which somebody may do less after the backup.
type narrowed struct {
	*testing.T
	*testkit.Server
	tenant tenancy.Tenant
	id     string
	owner  *client.Client // of the account
	admin  principal.Person
}

// key makes a key of a new member with this role.
func (n *narrowed) key(role scope.Role, scopes ...string) (principal.Person, api.IssuedKey) {
	n.Helper()
	p := n.Member(n.tenant, "Key Owner", role)
	return p, n.Key(n.As(p), n.tenant, scopes...)
}

func (n *narrowed) check(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

func (n *narrowed) settings(p api.SettingsPatch) {
	n.Helper()
	_, err := n.owner.EditTenant(n.Context(), n.id, api.UpdateTenantRequest{Settings: &p})
	n.check(err)
}

func (n *narrowed) catalogue(own ...api.NewScope) {
	n.Helper()
	_, err := n.As(n.admin).ReplaceScopes(n.Context(), n.id, append([]api.NewScope{}, own...))
	n.check(err)
}

func (n *narrowed) edit(k api.IssuedKey, e api.UpdateKeyRequest) {
	n.Helper()
	_, err := n.As(n.admin).EditKey(n.Context(), n.id, k.Key.ID, e)
	n.check(err)
}

// allow restricts a key to networks.
func (n *narrowed) allow(k api.IssuedKey, cidrs ...string) {
	n.Helper()
	n.edit(k, api.UpdateKeyRequest{AllowedCIDRs: api.To(cidrs)})
}

// networks demands the networks that a key is restricted to.
func (n *narrowed) networks(k api.IssuedKey, want ...string) {
	n.Helper()
	got := testkit.Must[api.Key](n.T)(n.As(n.admin).Key(n.Context(), n.id, k.Key.ID))
	if diff := cmp.Diff(want, got.AllowedCIDRs); diff != "" {
		n.Errorf("networks:\n%s", diff)
	}
}

// scopes demands the effective scopes of a key.
func (n *narrowed) scopes(k api.IssuedKey, want ...string) {
	n.Helper()
	w := testkit.Must[api.Whoami](n.T)(n.With(k).Whoami(n.Context()))
	if diff := cmp.Diff(want, w.Scopes); diff != "" {
		n.Errorf("effective scopes:\n%s", diff)
	}
}

// code demands the answer to a request.
func (n *narrowed) code(what string, err error, want api.Code) {
	n.Helper()
	testkit.ExpectCode(n.T, what, err, want)
}

// plan creates a plan for all applications.
func (n *narrowed) plan(name string, scopes ...string) {
	n.Helper()
	_, err := n.As(n.admin).CreatePlan(n.Context(), n.id,
		api.CreatePlanRequest{Name: name, Scopes: scopes, AllApplications: true})
	n.check(err)
}

// subject creates a subject with a key, and returns its id.
func (n *narrowed) subject(plan string, scopes ...string) (id string, k api.IssuedKey) {
	n.Helper()
	k, err := n.As(n.admin).CreateKey(n.Context(), n.id, api.CreateKeyRequest{
		Name: "Customer key", Scopes: scopes, AllApplications: true,
		Owner: &api.KeyOwner{Type: api.PartySubject, ExternalID: "cus_1", Plan: plan},
	})
	n.check(err)
	return k.Key.Owner.ID, k
}

// move assigns another plan to a subject.
func (n *narrowed) move(subject, plan string) {
	n.Helper()
	_, err := n.As(n.admin).EditSubject(n.Context(), n.id, subject, api.UpdateSubjectRequest{Plan: api.To(plan)})
	n.check(err)
}

// reports are scopes of a tenant's own.
var reports = []api.NewScope{{Name: "reports:read"}, {Name: "reports:export"}}

func (n *narrowed) role(p principal.Person, role string) {
	n.Helper()
	_, err := n.As(n.admin).EditMember(n.Context(), n.id, string(p.ID),
		api.UpdateMemberRequest{Role: api.To(api.Role(role))})
	n.check(err)
}
