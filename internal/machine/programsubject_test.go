package machine_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// backEnd is a management key that may create and change subjects without a plan and with the plan
// free.
func backEnd() api.CreateManagementKeyRequest {
	n := wide()
	n.Name = "Back end"
	n.Permissions = append(n.Permissions[:len(n.Permissions):len(n.Permissions)],
		api.PermissionSubjectsRead, api.PermissionSubjectsWrite)
	n.Ceilings.Plans = []*string{nil, new("free")}
	return n
}

// newBackEnd returns a program in a tenant that has the plans free and gold.
func newBackEnd(t *testing.T, h *testkit.Server, name string, n api.CreateManagementKeyRequest) *program {
	t.Helper()
	p := newProgram(t, h, name, n)
	tenant := string(p.tenant.ID)
	testkit.Must[api.List[api.Scope]](t)(p.admin.ReplaceScopes(t.Context(), tenant,
		[]api.NewScope{{Name: "films:read"}, {Name: "films:write"}}))
	for _, plan := range []string{"free", "gold"} {
		testkit.Must[api.Plan](t)(p.admin.CreatePlan(t.Context(), tenant,
			api.CreatePlanRequest{Name: plan, Scopes: []string{"*"}, AllApplications: true}))
	}
	return p
}

// subject returns a subject that an admin created.
func (p *program) subject(t *testing.T, externalID, plan string) api.Subject {
	t.Helper()
	return testkit.Must[api.Subject](t)(p.admin.CreateSubject(t.Context(), string(p.tenant.ID),
		api.CreateSubjectRequest{ExternalID: externalID, Plan: plan}))
}

func (p *program) edit(t *testing.T, id string, e api.UpdateSubjectRequest) error {
	t.Helper()
	_, err := p.client.EditSubject(t.Context(), string(p.tenant.ID), id, e)
	return err
}

// subjectKey is a request for a key of the subject with the external id.
func subjectKey(externalID, plan string) api.CreateKeyRequest {
	return api.CreateKeyRequest{
		Name: "Customer key", Scopes: []string{"films:read"}, AllApplications: true,
		Owner: &api.KeyOwner{Type: api.PartySubject, ExternalID: externalID, Plan: plan},
	}
}

func TestAProgramManagesSubjects(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newBackEnd(t, h, "Shop", backEnd())
	ctx, tenant := t.Context(), string(p.tenant.ID)
	s, err := p.client.CreateSubject(ctx, tenant, api.CreateSubjectRequest{ExternalID: "cus_1", Plan: "free"})
	testkit.ExpectCode(t, "create", err, "")
	testkit.ExpectCode(t, "edit", p.edit(t, s.ID, api.UpdateSubjectRequest{Name: api.To("Ada Ltd")}), "")
	testkit.ExpectCode(t, "without a plan", p.edit(t, s.ID,
		api.UpdateSubjectRequest{Plan: api.Optional[string]{Set: true, Null: true}}), "")
	shown, err := p.client.Subject(ctx, tenant, s.ID)
	if err != nil || *shown.Name != "Ada Ltd" || shown.Plan != nil {
		t.Errorf("the subject is %+v, %v", shown, err)
	}
	list, err := p.client.Subjects(ctx, tenant, client.SubjectFilter{Query: "ada"}, client.Page{})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("a search finds %d subjects, %v", len(list.Items), err)
	}
	plans, err := p.client.Plans(ctx, tenant, client.Page{})
	if err != nil || len(plans.Items) != 2 {
		t.Errorf("the program reads %d plans, %v", len(plans.Items), err)
	}
	_, err = p.client.Plan(ctx, tenant, "gold")
	testkit.ExpectCode(t, "a plan", err, "")
	_, err = p.client.DisableSubject(ctx, tenant, s.ID)
	testkit.ExpectCode(t, "disable", err, "")
	_, err = p.client.EnableSubject(ctx, tenant, s.ID)
	testkit.ExpectCode(t, "enable", err, "")
	k, err := p.create(ctx, subjectKey("cus_1", ""))
	testkit.ExpectCode(t, "a key", err, "")
	testkit.ExpectCode(t, "delete", p.client.DeleteSubject(ctx, tenant, s.ID), "")
	if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyRevoked {
		t.Errorf("the key of the deleted subject is %s", got)
	}
	events, err := p.admin.TenantEvents(ctx, tenant, client.EventFilter{Action: "subject.delete"}, client.Page{})
	if err != nil || len(events.Items) != 1 || events.Items[0].Actor.Type != "management_key" ||
		events.Items[0].Actor.ID == nil || *events.Items[0].Actor.ID != p.key.ID ||
		events.Items[0].Details["service_account"] != p.account.ID {
		t.Errorf("the audit trail says %+v, %v", events.Items, err)
	}
}

func TestAProgramCreatesASubjectWithItsFirstKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newBackEnd(t, h, "Shop", backEnd())
	_, err := p.create(t.Context(), subjectKey("cus_1", "gold"))
	testkit.ExpectCode(t, "with a plan beyond the ceiling", err, api.Forbidden)
	_, err = p.create(t.Context(), subjectKey("cus_1", "silver"))
	testkit.ExpectCode(t, "with a plan that does not exist", err, api.Forbidden)
	k, err := p.create(t.Context(), subjectKey("cus_1", "free"))
	testkit.ExpectCode(t, "with the plan free", err, "")
	if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
		t.Errorf("the key is %s", got)
	}

	only := backEnd()
	only.Permissions = []api.Permission{api.PermissionKeysCreate}
	p.issue(t, only)
	_, err = p.create(t.Context(), subjectKey("cus_2", "free"))
	testkit.ExpectCode(t, "without subjects:write", err, api.Forbidden)
	_, err = p.create(t.Context(), subjectKey("cus_1", "free"))
	testkit.ExpectCode(t, "for a subject that exists", err, "")
	_, err = p.create(t.Context(), subjectKey("cus_1", "gold"))
	testkit.ExpectCode(t, "with another plan than it has", err, api.Conflict)
}

// A subject whose plan, before or after, is beyond the ceiling is not changed.
func TestAProgramChangesOnlySubjectsWhosePlansItAssigns(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newBackEnd(t, h, "Shop", backEnd())
	ctx, tenant := t.Context(), string(p.tenant.ID)
	free, gold := p.subject(t, "free-1", "free"), p.subject(t, "gold-1", "gold")
	_, err := p.client.CreateSubject(ctx, tenant, api.CreateSubjectRequest{ExternalID: "x", Plan: "gold"})
	testkit.ExpectCode(t, "create on gold", err, api.Forbidden)
	for what, err := range map[string]error{
		"to gold":            p.edit(t, free.ID, api.UpdateSubjectRequest{Plan: api.To("gold")}),
		"to an unknown plan": p.edit(t, free.ID, api.UpdateSubjectRequest{Plan: api.To("silver")}),
		"from gold":          p.edit(t, gold.ID, api.UpdateSubjectRequest{Plan: api.To("free")}),
		"rename on gold":     p.edit(t, gold.ID, api.UpdateSubjectRequest{Name: api.To("Mine")}),
		"delete on gold":     p.client.DeleteSubject(ctx, tenant, gold.ID),
		"disable on gold": func() error {
			_, err := p.client.DisableSubject(ctx, tenant, gold.ID)
			return err
		}(),
	} {
		testkit.ExpectCode(t, what, err, api.Forbidden)
	}
	shown, err := p.client.Subject(ctx, tenant, gold.ID)
	if err != nil || *shown.Plan != "gold" || shown.Status != api.StatusActive {
		t.Errorf("the subject on gold is %+v, %v", shown, err)
	}
	none := backEnd()
	none.Ceilings.Plans = nil
	p.issue(t, none)
	testkit.ExpectCode(t, "without plans in the ceiling",
		p.edit(t, free.ID, api.UpdateSubjectRequest{Name: api.To("Mine")}), api.Forbidden)
}

func TestAProgramEnablesOnlySubjectsThatAProgramDisabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newBackEnd(t, h, "Shop", backEnd())
	ctx, tenant := t.Context(), string(p.tenant.ID)
	s := p.subject(t, "cus_1", "free")
	enable := func() error { _, err := p.client.EnableSubject(ctx, tenant, s.ID); return err }
	disable := func(c *client.Client) {
		t.Helper()
		_, err := c.DisableSubject(ctx, tenant, s.ID)
		testkit.ExpectCode(t, "disable", err, "")
	}
	disable(p.client)
	disable(p.admin)
	disable(p.client)
	testkit.ExpectCode(t, "enable what an admin disabled", enable(), api.Forbidden)
	_, err := p.admin.EnableSubject(ctx, tenant, s.ID)
	testkit.ExpectCode(t, "enable by an admin", err, "")
	disable(p.client)
	testkit.ExpectCode(t, "enable what a program disabled", enable(), "")
}

func TestAProgramWithoutRightsToSubjectsIsRefused(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newBackEnd(t, h, "Shop", backEnd())
	ctx, tenant := t.Context(), string(p.tenant.ID)
	s := p.subject(t, "cus_1", "free")
	reader := backEnd()
	reader.Permissions = []api.Permission{api.PermissionSubjectsRead}
	p.issue(t, reader)
	_, err := p.client.Subject(ctx, tenant, s.ID)
	testkit.ExpectCode(t, "read", err, "")
	testkit.ExpectCode(t, "edit with subjects:read",
		p.edit(t, s.ID, api.UpdateSubjectRequest{Name: api.To("Mine")}), api.Forbidden)
	_, err = p.client.CreatePlan(ctx, tenant,
		api.CreatePlanRequest{Name: "mine", Scopes: []string{"*"}, AllApplications: true})
	testkit.ExpectCode(t, "create a plan", err, api.SessionRequired)

	others := backEnd()
	others.Owners = []api.PartyType{api.PartyServiceAccount}
	p.issue(t, others)
	_, err = p.client.Subject(ctx, tenant, s.ID)
	testkit.ExpectCode(t, "read without the owner type", err, api.Forbidden)
	_, err = p.client.Plans(ctx, tenant, client.Page{})
	testkit.ExpectCode(t, "plans without the owner type", err, api.Forbidden)
	testkit.ExpectCode(t, "edit without the owner type",
		p.edit(t, s.ID, api.UpdateSubjectRequest{Name: api.To("Mine")}), api.Forbidden)
	_, err = p.client.CreateSubject(ctx, tenant, api.CreateSubjectRequest{ExternalID: "cus_2"})
	testkit.ExpectCode(t, "create without the owner type", err, api.Forbidden)
}

// New subjects and new keys count together.
func TestNewSubjectsCountInTheHourOfAManagementKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	n := backEnd()
	n.Ceilings.CreatesPerHour = 4
	p := newBackEnd(t, h, "Shop", n)
	ctx, tenant := t.Context(), string(p.tenant.ID)
	create := func(externalID string) error {
		_, err := p.client.CreateSubject(ctx, tenant, api.CreateSubjectRequest{ExternalID: externalID})
		return err
	}
	testkit.ExpectCode(t, "a subject", create("cus_1"), "")
	testkit.ExpectCode(t, "taken", create("cus_1"), api.Conflict) // does not count
	_, err := p.create(ctx, subjectKey("cus_2", ""))              // counts twice
	testkit.ExpectCode(t, "a subject with a key", err, "")
	testkit.ExpectCode(t, "the fourth", create("cus_3"), "")
	testkit.ExpectCode(t, "the fifth", create("cus_4"), api.RateLimited)
	_, err = p.create(ctx, subjectKey("cus_4", ""))
	testkit.ExpectCode(t, "the fifth, with a key", err, api.RateLimited)
	h.Clock.Move(time.Hour)
	testkit.ExpectCode(t, "an hour later", create("cus_4"), "")
}

// What counts is what the management key is in the transaction, not when its request arrived.
func TestAChangeOfASubjectReadsTheManagementKeyInItsTransaction(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, c := range map[string]struct {
		do   func(*program) error
		code api.Code
	}{
		"revoked": {func(p *program) error {
			_, err := p.admin.RevokeManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, p.key.ID, "")
			return err
		}, api.APIKeyRevoked},
		"deleted": {func(p *program) error {
			return p.admin.DeleteManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, p.key.ID)
		}, api.APIKeyInvalid},
		"narrowed": {func(p *program) error {
			_, err := p.admin.EditManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, p.key.ID,
				api.UpdateManagementKeyRequest{Permissions: api.To([]api.Permission{api.PermissionSubjectsRead})})
			return err
		}, api.Forbidden},
		"of a disabled service account": {func(p *program) error {
			_, err := p.admin.DisableServiceAccount(t.Context(), string(p.tenant.ID), p.account.ID)
			return err
		}, api.APIKeyDisabled},
		"of a deleted service account": {func(p *program) error {
			return p.admin.DeleteServiceAccount(t.Context(), string(p.tenant.ID), p.account.ID)
		}, api.APIKeyRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			p := newBackEnd(t, h, "Shop "+name, backEnd())
			s := p.subject(t, "cus_1", "free")
			who := principalOf(t, h, *p.key.Value)
			testkit.ExpectCode(t, "do", c.do(p), "")
			_, err := h.Subjects.Disable(t.Context(), who, p.tenant.ID, ident.SubjectID(s.ID))
			expectKind(t, "disable", err, c.code)
			_, err = h.Subjects.Create(t.Context(), who, p.tenant.ID, machine.NewSubject{ExternalID: "cus_2"})
			expectKind(t, "create", err, c.code)
		})
	}
}

// principalOf returns the principal of a management key, as a request that arrives now.
func principalOf(t *testing.T, h *testkit.Server, value string) principal.Principal {
	t.Helper()
	parsed, _ := credential.ParseManagementKey(value)
	return testkit.Must[principal.Principal](t)(h.ManagementKeys.Authenticate(t.Context(), parsed,
		principal.Origin{IP: "127.0.0.1"}))
}

// expectKind fails the test unless the error of a service has this code.
func expectKind(t *testing.T, what string, err error, want api.Code) {
	t.Helper()
	if got := fault.KindOf(err); got != fault.Kind(want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

func TestAManagementKeyOfAnotherTenantFindsNoSubjects(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p, other := newBackEnd(t, h, "Shop", backEnd()), newBackEnd(t, h, "Other", backEnd())
	s := other.subject(t, "cus_1", "free")
	for _, c := range []struct{ method, path, body string }{
		{http.MethodGet, "/subjects", ""},
		{http.MethodPost, "/subjects", `{"external_id":"cus_2"}`},
		{http.MethodGet, "/subjects/" + s.ID, ""},
		{http.MethodPatch, "/subjects/" + s.ID, `{"name":"Mine"}`},
		{http.MethodDelete, "/subjects/" + s.ID, ""},
		{http.MethodGet, "/plans", ""},
		{http.MethodGet, "/plans/free", ""},
	} {
		status, _, body := testkit.Send(t, h, c.method, "/api/v1/tenants/"+string(other.tenant.ID)+c.path, http.Header{
			"Authorization": {"Bearer " + *p.key.Value}, "Content-Type": {"application/json"},
		}, c.body)
		if status != http.StatusNotFound || !strings.Contains(string(body), `"not_found"`) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
	who := principalOf(t, h, *p.key.Value)
	_, err := h.Subjects.Disable(t.Context(), who, other.tenant.ID, ident.SubjectID(s.ID))
	expectKind(t, "disable", err, api.NotFound)
	_, err = h.Subjects.Disable(t.Context(), who, p.tenant.ID, ident.SubjectID(s.ID))
	expectKind(t, "disable in the program's tenant", err, api.NotFound)
}
