package key_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// managed is a tenant with management keys.
type managed struct {
	*testing.T
	h      *testkit.Server
	tenant tenancy.Tenant
	admin  principal.Person
}

// newManaged creates a tenant in which no policy ends keys.
func newManaged(t *testing.T) *managed {
	h := testkit.Start(t, testkit.SQLite)
	endless := testkit.AutoExpiry(0)
	endless.MaxLifetimeDays = api.Cleared[int]()
	testkit.SetPolicy(t, h, endless)
	tenant := h.Tenant("Main tenant", nil)
	return &managed{t, h, tenant, h.Member(tenant, "Tenant Admin", scope.Admin)}
}

// serviceAccount creates a service account.
func (m *managed) serviceAccount(name string) api.ServiceAccount {
	m.Helper()
	return testkit.ServiceAccount(m, m.h.As(m.admin), m.tenant, name, api.RoleMember)
}

// create lets a person create a management key that lives for so many days.
func (m *managed) create(by principal.Person, of api.ServiceAccount, name string, days int) api.IssuedManagementKey {
	m.Helper()
	return testkit.Must[api.IssuedManagementKey](m)(m.h.As(by).CreateManagementKey(m.Context(), string(m.tenant.ID),
		of.ID, api.CreateManagementKeyRequest{
			Name: name, Permissions: []api.Permission{api.PermissionKeysRead},
			Owners:    []api.PartyType{api.PartyServiceAccount},
			ExpiresAt: new(m.h.Clock.Now().Add(time.Duration(days) * policy.Day)),
		}))
}

// use sends a request with the management key.
func (m *managed) use(k api.IssuedManagementKey) {
	m.Helper()
	testkit.NoError(m, testkit.ErrorOf(m.h.Anyone().WithKey(*k.Value).ManagementSelf(m.Context())))
}

// refresh replaces the secret of a management key.
func (m *managed) refresh(by principal.Person, of api.ServiceAccount, id string, overlap int) {
	m.Helper()
	testkit.Must[api.IssuedManagementKey](m)(m.h.As(by).RefreshManagementKey(m.Context(), string(m.tenant.ID), of.ID,
		id, api.RefreshManagementKeyRequest{OverlapSeconds: overlap}))
}

// list returns the first page of the health of keys, as the person sees it.
func (m *managed) list(as principal.Person) api.KeyHealthList {
	m.Helper()
	return testkit.Must[api.KeyHealthList](m)(m.h.As(as).KeyHealth(m.Context(), string(m.tenant.ID), client.Page{}))
}

// expect fails the test unless these are the findings about management keys, newest first.
func (m *managed) expect(what string, want ...string) {
	m.Helper()
	list := m.list(m.admin).ManagementKeys
	if list == nil {
		m.Fatalf("%s: an admin sees no management keys", what)
	}
	var got []string
	counted := map[api.Finding]int{}
	for _, k := range list.Items {
		line := k.ManagementKey.Name + ":"
		for _, f := range k.Findings {
			line += " " + string(f)
			counted[f]++
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		m.Errorf("%s:\n%s", what, diff)
	}
	var order []key.Finding
	for _, f := range list.Findings {
		order = append(order, key.Finding(f.Finding))
		if f.Keys != counted[f.Finding] || f.Guidance == "" {
			m.Errorf("%s: %+v counts %d management keys", what, f, counted[f.Finding])
		}
	}
	if !slices.Equal(order, key.ManagementFindings()) {
		m.Errorf("%s: counted are %v", what, order)
	}
}

func TestKeyHealthExaminesTheManagementKeysOfATenant(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	m.expect("without any")
	tenant := string(m.tenant.ID)
	builds, more := m.serviceAccount("Builds"), m.serviceAccount("More builds")
	off, gone := m.serviceAccount("Off"), m.serviceAccount("Gone")
	m.use(m.create(m.admin, builds, "old", 200))
	m.create(m.admin, builds, "old and never used", 200)
	m.create(m.admin, builds, "expired", 90)
	m.h.Clock.Move(policy.Day)
	m.use(m.create(m.admin, builds, "nearly old", 200))
	m.h.Clock.Move(89 * policy.Day)
	revoked := m.create(m.admin, builds, "revoked", 30)
	m.use(m.create(m.admin, more, "soon", 14))
	m.use(m.create(m.admin, more, "in time", 15))
	overlapping := m.create(m.admin, more, "overlapping", 90)
	m.use(overlapping)
	m.refresh(m.admin, more, overlapping.ID, 3600)
	m.use(m.create(m.admin, off, "off", 90))
	m.use(m.create(m.admin, gone, "gone", 90))
	c := m.h.As(m.admin)
	testkit.Must[api.ManagementKey](t)(c.RevokeManagementKey(t.Context(), tenant, builds.ID, revoked.ID, ""))
	testkit.Must[api.ServiceAccount](t)(c.DisableServiceAccount(t.Context(), tenant, off.ID))
	testkit.NoError(t, c.DeleteServiceAccount(t.Context(), tenant, gone.ID))
	m.expect("after 90 days", "off: service_account_disabled", "overlapping: overlap_open", "in time:",
		"soon: expires_soon", "nearly old:", "old and never used: never_used older_than_90_days",
		"old: unused_90_days older_than_90_days")
	shown := m.list(m.admin).ManagementKeys.Items[3]
	want := api.ManagementKeySummary{
		ID: shown.ManagementKey.ID, PublicID: shown.ManagementKey.PublicID, Name: "soon",
		ServiceAccount: api.Party{Type: api.PartyServiceAccount, ID: more.ID, Name: new("More builds")},
		CreatedAt:      shown.ManagementKey.CreatedAt,
	}
	if diff := cmp.Diff(want, shown.ManagementKey); diff != "" || !strings.HasPrefix(want.ID, "mgk_") ||
		!strings.HasPrefix(want.PublicID, "mk_") {
		t.Errorf("%+v is shown otherwise:\n%s", shown.ManagementKey, diff)
	}
	if shown.AgeDays != 0 || shown.DaysToExpiry != 13 || shown.LastUsedAt == nil {
		t.Errorf("the one that expires soon: %+v", shown)
	}
	testkit.SetPolicy(t, m.h, testkit.AutoExpiry(90))
	m.h.Clock.Move(76 * policy.Day)
	m.expect("14 days before a policy expires all", "off: expires_soon service_account_disabled",
		"overlapping: expires_soon", "nearly old: expires_soon unused_90_days older_than_90_days",
		"old and never used: expires_soon never_used older_than_90_days",
		"old: expires_soon unused_90_days older_than_90_days")
	m.h.Clock.Move(14 * policy.Day)
	m.expect("when the policy has expired all")
}

// A person who was an admin may have kept the secret of a management key, as of any key (section 8
// of the product's promises).
func TestKeyHealthFindsManagementKeysWhoseSecretAFormerAdminKnows(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	tenant := string(m.tenant.ID)
	left := m.h.Member(m.tenant, "Leaving Admin", scope.Admin)
	demoted := m.h.Member(m.tenant, "Demoted Admin", scope.Admin)
	disabled := m.h.Member(m.tenant, "Disabled Admin", scope.Admin)
	account := m.h.AccountMember("Account Admin", scope.AccountAdmin)
	of := m.serviceAccount("Builds")
	names := []string{"account", "disabled", "demoted", "left", "stays"}
	created := map[string]api.IssuedManagementKey{}
	for i, by := range []principal.Person{m.admin, left, demoted, disabled, account} {
		name := names[len(names)-1-i]
		created[name] = m.create(by, of, name, 90)
		m.use(created[name])
	}
	operator := m.serviceAccount("Of the operator")
	_, err := m.h.ManagementKeys.Create(t.Context(), principal.Operator(), m.tenant.ID,
		ident.ServiceAccountID(operator.ID), machine.ManagementKeySpec{
			Name: "operator", Rights: policy.ManagementRights{
				Permissions: []policy.Permission{policy.MayReadKeys}, Owners: []ident.PartyType{ident.SubjectParty},
			},
		})
	testkit.NoError(t, err)
	m.expect("while all are admins", "operator:", "account:", "disabled:", "demoted:", "left:", "stays:")

	c := m.h.As(m.admin)
	owner := m.h.As(m.h.Owner)
	testkit.NoError(t, c.RemoveMember(t.Context(), tenant, string(left.ID)))
	testkit.Must[api.Member](t)(c.EditMember(t.Context(), tenant, string(demoted.ID),
		api.UpdateMemberRequest{Role: api.To(api.RoleMember)}))
	testkit.Must[api.Member](t)(c.EditMember(t.Context(), tenant, string(disabled.ID),
		api.UpdateMemberRequest{Status: api.To(api.StatusDisabled)}))
	testkit.NoError(t, owner.RemoveAccountMember(t.Context(), string(m.h.Account.ID), string(account.ID)))
	const found = ": shown_to_former_admin"
	m.expect("when they left", "operator:", "account"+found, "disabled"+found, "demoted"+found,
		"left"+found, "stays:")

	m.refresh(m.admin, of, created["account"].ID, 0)
	m.refresh(m.admin, of, created["left"].ID, 3600)
	testkit.Must[api.Member](t)(c.EditMember(t.Context(), tenant, string(demoted.ID),
		api.UpdateMemberRequest{Role: api.To(api.RoleAdmin)}))
	m.expect("after refreshes", "operator:", "account:", "disabled"+found, "demoted:",
		"left"+found+" overlap_open", "stays:")
	m.h.Clock.Move(time.Hour)
	m.expect("after the overlap", "operator:", "account:", "disabled"+found, "demoted:", "left:", "stays:")
}

func TestOnlyAdminsAndAuditorsSeeTheHealthOfManagementKeys(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	of := m.serviceAccount("Builds")
	k := m.create(m.admin, of, "Builds", 90)
	other := m.h.Tenant("Other tenant", nil)
	for _, c := range []struct {
		who  principal.Person
		sees bool
	}{
		{m.admin, true},
		{m.h.Member(m.tenant, "Auditor", scope.Auditor), true},
		{m.h.Owner, true},
		{m.h.Member(m.tenant, "Member", scope.Member), false},
	} {
		list := m.list(c.who)
		if sees := list.ManagementKeys != nil && len(list.ManagementKeys.Items) == 1; sees != c.sees {
			t.Errorf("%s sees %+v", c.who.Name, list.ManagementKeys)
		}
	}
	elsewhere := testkit.Must[api.KeyHealthList](t)(m.h.As(m.h.Owner).KeyHealth(t.Context(), string(other.ID),
		client.Page{}))
	if elsewhere.ManagementKeys == nil || len(elsewhere.ManagementKeys.Items) != 0 {
		t.Errorf("in another tenant: %+v", elsewhere.ManagementKeys)
	}
	status, _, body := testkit.Send(t, m.h, http.MethodGet, "/api/v1/tenants/"+string(m.tenant.ID)+"/key-health",
		http.Header{"Authorization": {"Bearer " + *k.Value}}, "")
	if status != http.StatusOK || strings.Contains(string(body), k.ID) ||
		!strings.Contains(string(body), `"management_keys":null`) {
		t.Errorf("a management key sees %d %s", status, body)
	}
	for range 2 {
		testkit.KeyOfServiceAccount(t, m.h.As(m.admin), m.tenant, of, "applications:read")
	}
	first := testkit.Must[api.KeyHealthList](t)(m.h.As(m.admin).KeyHealth(t.Context(), string(m.tenant.ID),
		client.Page{Limit: 1}))
	second := testkit.Must[api.KeyHealthList](t)(m.h.As(m.admin).KeyHealth(t.Context(), string(m.tenant.ID),
		client.Page{Limit: 1, Cursor: *first.NextCursor}))
	if first.ManagementKeys == nil || second.ManagementKeys != nil {
		t.Errorf("pages show %+v and %+v", first.ManagementKeys, second.ManagementKeys)
	}
}
