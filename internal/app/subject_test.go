package app_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// host is a tenant whose subjects are the customers of its API.
type host struct {
	*testing.T
	*testkit.Server
	tenant   tenancy.Tenant
	id       string
	admin    *client.Client
	verifier *client.Client
}

// newHost returns a tenant with the scopes films:read, films:write and films:delete, of which
// members may hold the first two.
func newHost(t *testing.T, e testkit.Engine) *host {
	t.Helper()
	h := &host{T: t, Server: testkit.Start(t, e)}
	h.tenant = h.Server.Tenant("Films", func(s *policy.Settings) { s.KeysPerUser = 0 })
	h.id = string(h.tenant.ID)
	h.admin = h.As(h.Member(h.tenant, "Films Admin", scope.Admin))
	_, err := h.admin.ReplaceScopes(t.Context(), h.id, []api.NewScope{
		{Name: "films:read"}, {Name: "films:write"}, {Name: "films:delete", Roles: []api.Role{api.RoleAdmin}},
	})
	testkit.NoError(t, err)
	h.verifier = h.With(h.Server.Key(h.admin, h.tenant, "keys:verify"))
	return h
}

func (h *host) plan(name string, scopes ...string) {
	h.Helper()
	_, err := h.admin.CreatePlan(h.Context(), h.id,
		api.CreatePlanRequest{Name: name, Scopes: scopes, AllApplications: true})
	testkit.NoError(h.T, err)
}

func (h *host) subject(externalID, plan string) api.Subject {
	h.Helper()
	return testkit.Must[api.Subject](h.T)(h.admin.CreateSubject(h.Context(), h.id,
		api.CreateSubjectRequest{ExternalID: externalID, Plan: plan}))
}

// key creates a key for the subject with the external id.
func (h *host) key(externalID string, scopes ...string) api.IssuedKey {
	h.Helper()
	return testkit.Must[api.IssuedKey](h.T)(h.admin.CreateKey(h.Context(), h.id, api.CreateKeyRequest{
		Name: "Customer key", Scopes: scopes, AllApplications: true,
		Owner: &api.KeyOwner{Type: api.PartySubject, ExternalID: externalID},
	}))
}

func (h *host) verify(k api.IssuedKey, scopes ...string) api.Decision {
	h.Helper()
	return testkit.Must[api.Decision](h.T)(h.verifier.Verify(h.Context(),
		api.VerifyRequest{Credential: k.Credential.Value, Scopes: scopes}))
}

// allows demands the scopes that verify says a key has.
func (h *host) allows(what string, k api.IssuedKey, want ...string) {
	h.Helper()
	if got := h.verify(k).Scopes; !slices.Equal(got, want) {
		h.Errorf("%s: verify answers the scopes %v, want %v", what, got, want)
	}
	w := testkit.Must[api.Whoami](h.T)(h.With(k).Whoami(h.Context()))
	if !slices.Equal(w.Scopes, want) {
		h.Errorf("%s: whoami answers the scopes %v, want %v", what, w.Scopes, want)
	}
}

func (h *host) code(what string, k api.IssuedKey, want api.Code) {
	h.Helper()
	if got := h.verify(k).Code; got != want {
		h.Errorf("%s: verify answers %s, want %s", what, got, want)
	}
}

func (h *host) refused(what string, err error, want api.Code) {
	h.Helper()
	testkit.ExpectCode(h.T, what, err, want)
}

// The journey that docs/customer-keys.md tells.
func TestASaaSHostGivesItsCustomersKeysThatFollowTheirPlan(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := newHost(t, e)
		ctx := t.Context()
		h.plan("free", "films:read")
		h.plan("pro", "films:read", "films:write")

		k := testkit.Must[api.IssuedKey](t)(h.admin.CreateKey(ctx, h.id, api.CreateKeyRequest{
			Name: "Production", Scopes: []string{"*"}, AllApplications: true,
			Owner: &api.KeyOwner{
				Type: api.PartySubject, ExternalID: "cus_1029", Name: "Grace Hopper Ltd", Plan: "pro",
			},
			Metadata: json.RawMessage(`{"environment":"live"}`),
		}))
		customers := testkit.Must[api.List[api.Subject]](t)(h.admin.Subjects(ctx, h.id,
			client.SubjectFilter{ExternalID: "cus_1029"}, client.Page{}))
		if len(customers.Items) != 1 {
			t.Fatalf("the subject was not created with its key: %+v", customers)
		}
		customer := customers.Items[0]
		testkit.Must[api.Subject](t)(h.admin.EditSubject(ctx, h.id, customer.ID, api.UpdateSubjectRequest{
			Metadata: api.To(json.RawMessage(`{"transport":null,"region":"eu"}`)),
		}))

		d := h.verify(k, "films:write")
		want := api.VerifiedOwner{
			Party: api.Party{
				Type: api.PartySubject, ID: customer.ID, Name: new("Grace Hopper Ltd"), ExternalID: new("cus_1029"),
			},
			Plan: new("pro"), Metadata: json.RawMessage(`{"region":"eu"}`),
		}
		if diff := cmp.Diff(want, d.Owner); diff != "" || string(d.Metadata) != `{"environment":"live"}` {
			t.Errorf("verify answers the owner otherwise, and the metadata %s:\n%s", d.Metadata, diff)
		}
		h.allows("on plan pro", k, "films:read", "films:write")

		move := func(plan string) {
			testkit.Must[api.Subject](t)(h.admin.EditSubject(ctx, h.id, customer.ID,
				api.UpdateSubjectRequest{Plan: api.To(plan)}))
		}
		move("free")
		h.allows("a downgrade counts at once", k, "films:read")
		if got := h.verify(k, "films:write").Code; got != api.InsufficientScope {
			t.Errorf("after the downgrade: %s", got)
		}
		move("pro")
		h.allows("an upgrade counts at once", k, "films:read", "films:write")
		_, err := h.admin.EditPlan(ctx, h.id, "pro", api.UpdatePlanRequest{Scopes: api.To([]string{"films:write"})})
		testkit.NoError(t, err)
		h.allows("an edit of the plan counts at once", k, "films:write")
		testkit.Must[api.Subject](t)(h.admin.EditSubject(ctx, h.id, customer.ID,
			api.UpdateSubjectRequest{Plan: api.Cleared[string]()}))
		h.allows("without a plan", k, "films:read", "films:write")

		fresh := testkit.RefreshKey(t, h.admin, h.tenant, k, api.RefreshKeyRequest{OverlapSeconds: 3600})
		h.code("the old secret during the overlap", k, api.OK)
		h.code("the new secret", fresh, api.OK)

		testkit.Must[api.Subject](t)(h.admin.DisableSubject(ctx, h.id, customer.ID))
		h.code("while the subject is disabled", fresh, api.APIKeyDisabled)
		testkit.Must[api.Subject](t)(h.admin.EnableSubject(ctx, h.id, customer.ID))
		h.code("enabled again", fresh, api.OK)

		testkit.NoError(t, h.admin.DeleteSubject(ctx, h.id, customer.ID))
		h.code("the customer cancelled", fresh, api.APIKeyRevoked)
		again := h.key("cus_1029", "films:read")
		h.code("the key of before", fresh, api.APIKeyRevoked)
		h.code("the key of the new subject", again, api.OK)
		if again.Key.Owner.ID == customer.ID {
			t.Error("the deleted subject was revived")
		}
		h.refused("delete a plan that nobody has", h.admin.DeletePlan(ctx, h.id, "pro"), "")
	})
}

func TestAPlanThatSubjectsHaveIsNotDeleted(t *testing.T) {
	t.Parallel()
	h := newHost(t, testkit.SQLite)
	h.plan("free", "films:read")
	first := h.subject("cus_1", "free")
	h.subject("cus_2", "free")
	err := h.admin.DeletePlan(t.Context(), h.id, "free")
	if p, ok := err.(*api.Problem); !ok || p.Code != api.Conflict || !strings.Contains(p.Detail, "2 subjects have") {
		t.Errorf("two subjects have the plan: %v", err)
	}
	testkit.NoError(t, h.admin.DeleteSubject(t.Context(), h.id, first.ID))
	err = h.admin.DeletePlan(t.Context(), h.id, "free")
	if p, ok := err.(*api.Problem); !ok || p.Code != api.Conflict || !strings.Contains(p.Detail, "1 subject has") {
		t.Errorf("one subject has the plan: %v", err)
	}
}

func TestAPlanRestrictsApplicationsToo(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := newHost(t, e)
		orders, films := h.Application(h.tenant, "Orders"), h.Application(h.tenant, "Films")
		_, err := h.admin.CreatePlan(t.Context(), h.id, api.CreatePlanRequest{
			Name: "one", Scopes: []string{"*"}, ApplicationIDs: []string{string(films.ID), string(orders.ID)},
		})
		testkit.NoError(t, err)
		h.subject("cus_1", "one")
		k := h.key("cus_1", "*")
		d := h.verify(k)
		if d.AllApplications || len(d.ApplicationIDs) != 2 {
			t.Errorf("the key reaches %t %v", d.AllApplications, d.ApplicationIDs)
		}
		testkit.NoError(t, h.admin.DeleteApplication(t.Context(), h.id, string(orders.ID)))
		if d := h.verify(k); d.AllApplications || !slices.Equal(d.ApplicationIDs, []string{string(films.ID)}) {
			t.Errorf("after an application was deleted, the key reaches %t %v", d.AllApplications, d.ApplicationIDs)
		}
	})
}

// Routes for sessions answer session_required to every key; every other route needs a scope of
// Claviger's own, which a subject's key never has.
func TestTheKeyOfASubjectCallsWhoamiAlone(t *testing.T) {
	t.Parallel()
	h := newHost(t, testkit.SQLite)
	k := h.key("cus_1", "*")
	app := h.Application(h.tenant, "Orders")
	_, operations, _ := testkit.ReadOpenAPI(t, h.Server)
	names := strings.NewReplacer("{tenant}", h.id, "{account}", string(h.Account.ID), "{application}", string(app.ID),
		"{key}", k.Key.ID, "{subject}", k.Key.Owner.ID, "{plan}", "free", "{user}", string(h.Owner.ID),
		"{token}", "token", "{name}", "films:read",
		"{session}", string(ident.New[ident.SessionID](h.Clock.Now(), rand.Reader)),
		"{invitation}", string(ident.New[ident.LinkID](h.Clock.Now(), rand.Reader)),
		"{service_account}", string(ident.New[ident.ServiceAccountID](h.Clock.Now(), rand.Reader)),
		"{management_key}", string(ident.New[ident.ManagementKeyID](h.Clock.Now(), rand.Reader)))
	header := http.Header{
		"Authorization": {"Bearer " + k.Credential.Value}, "Content-Type": {"application/json"},
	}
	tried := 0
	for _, op := range operations {
		if needs := needsOf(op); needs == noCredential || needs == oauthClient { // its own tokens are its own
			continue
		}
		tried++
		status, _, text := testkit.Send(t, h.Server, op.Method, names.Replace(op.Path), header, `{}`)
		var p api.Problem
		_ = json.Unmarshal(text, &p)
		switch route := op.Method + " " + op.Path; {
		case route == "GET /api/v1/whoami":
			if status != http.StatusOK || strings.Contains(string(text), k.Key.Owner.ID) {
				t.Errorf("%s: %d %s", route, status, text)
			}
		case status != http.StatusForbidden || p.Code != api.SessionRequired && p.Code != api.InsufficientScope:
			t.Errorf("%s: %d %s", route, status, text)
		}
	}
	if tried < 30 {
		t.Errorf("only %d routes were tried", tried)
	}
}

func TestAKeyOfASubjectNeverHoldsABuiltInScope(t *testing.T) {
	t.Parallel()
	h := newHost(t, testkit.SQLite)
	h.plan("free", "films:read", "films:delete")
	h.subject("cus_1", "free")
	h.subject("cus_2", "")
	for _, c := range []struct{ owner, scope, want string }{
		{"cus_1", "keys:verify", "scopes.0 built_in"},
		{"cus_2", "keys:verify", "scopes.0 built_in"},
		{"cus_1", "films:write", "scopes.0 beyond_plan"},
		{"cus_2", "films:delete", "scopes.0 beyond_plan"},
		{"cus_2", "films:unknown", "scopes.0 unknown"},
	} {
		_, err := h.admin.CreateKey(t.Context(), h.id, api.CreateKeyRequest{
			Name: "Customer key", Scopes: []string{c.scope}, AllApplications: true,
			Owner: &api.KeyOwner{Type: api.PartySubject, ExternalID: c.owner},
		})
		if got := testkit.FieldErrors(t, err); got != c.want {
			t.Errorf("%s for %s: %s, want %s", c.scope, c.owner, got, c.want)
		}
	}
	h.allows("* on a plan", h.key("cus_1", "*"), "films:delete", "films:read")
	h.allows("* without a plan", h.key("cus_2", "*"), "films:read", "films:write")
}

func TestBadSubjectsPlansAndOwnersAreRefusedByField(t *testing.T) {
	t.Parallel()
	h := newHost(t, testkit.SQLite)
	h.plan("free", "films:read")
	known := h.subject("cus_1", "free")
	other := h.Server.Tenant("Other", nil)
	strangersApp := h.Application(other, "Strange")
	ctx := t.Context()
	plan := func(n api.CreatePlanRequest) error { return testkit.ErrorOf(h.admin.CreatePlan(ctx, h.id, n)) }
	subject := func(n api.CreateSubjectRequest) error { return testkit.ErrorOf(h.admin.CreateSubject(ctx, h.id, n)) }
	key := func(o api.KeyOwner) error {
		return testkit.ErrorOf(h.admin.CreateKey(ctx, h.id, api.CreateKeyRequest{
			Name: "Customer key", Scopes: []string{"films:read"}, AllApplications: true, Owner: &o,
		}))
	}
	edit := func(p api.UpdateSubjectRequest) error {
		return testkit.ErrorOf(h.admin.EditSubject(ctx, h.id, known.ID, p))
	}
	reads := []string{"films:read"}
	many := make([]string, 201)
	for i := range many {
		many[i] = fmt.Sprintf("films:s%d", i)
	}
	long := strings.Repeat("x", 201)
	deep := json.RawMessage(`{"a":{"b":{"c":{"d":{}}}}}`)
	for what, c := range map[string]struct {
		err  error
		want string
	}{
		"a plan without a name": {plan(api.CreatePlanRequest{Scopes: reads, AllApplications: true}), "name form"},
		"a plan with capitals": {
			plan(api.CreatePlanRequest{Name: "Free", Scopes: reads, AllApplications: true}), "name form",
		},
		"a plan with a long name": {
			plan(api.CreatePlanRequest{Name: "p" + long[:64], Scopes: reads, AllApplications: true}), "name form",
		},
		"a plan without scopes": {plan(api.CreatePlanRequest{Name: "new", AllApplications: true}), "scopes length"},
		"a plan with 201 scopes": {
			plan(api.CreatePlanRequest{Name: "new", Scopes: many, AllApplications: true}), "scopes length",
		},
		"a plan with a built-in scope": {
			plan(api.CreatePlanRequest{
				Name: "new", Scopes: []string{"films:read", "keys:verify"}, AllApplications: true,
			}),
			"scopes.1 built_in",
		},
		"a plan with an unknown scope": {
			plan(api.CreatePlanRequest{Name: "new", Scopes: []string{"films:none"}, AllApplications: true}),
			"scopes.0 unknown",
		},
		"a plan with * and more": {
			plan(api.CreatePlanRequest{Name: "new", Scopes: []string{"*", "films:read"}, AllApplications: true}),
			"scopes every",
		},
		"a plan without applications": {
			plan(api.CreatePlanRequest{Name: "new", Scopes: reads}), "application_ids required",
		},
		"a plan with both": {
			plan(api.CreatePlanRequest{
				Name: "new", Scopes: reads, AllApplications: true, ApplicationIDs: []string{string(strangersApp.ID)},
			}), "application_ids exclusive",
		},
		"a plan with another tenant's application": {
			plan(api.CreatePlanRequest{Name: "new", Scopes: reads, ApplicationIDs: []string{string(strangersApp.ID)}}),
			"application_ids.0 unknown",
		},
		"a plan twice": {
			plan(api.CreatePlanRequest{Name: "free", Scopes: reads, AllApplications: true}), "code conflict",
		},
		"a subject without an id": {subject(api.CreateSubjectRequest{}), "external_id required"},
		"a subject with a space":  {subject(api.CreateSubjectRequest{ExternalID: "cus 1"}), "external_id character"},
		"a subject with a control character": {
			subject(api.CreateSubjectRequest{ExternalID: "cus\x07"}), "external_id character",
		},
		"a subject with an umlaut": {subject(api.CreateSubjectRequest{ExternalID: "küs"}), "external_id character"},
		"a subject with a long id": {subject(api.CreateSubjectRequest{ExternalID: long}), "external_id too_long"},
		"a subject with a short name": {
			subject(api.CreateSubjectRequest{ExternalID: "cus_9", Name: "x"}), "name too_short",
		},
		"a subject with an unknown plan": {
			subject(api.CreateSubjectRequest{ExternalID: "cus_9", Plan: "gold"}), "plan unknown",
		},
		"a subject with a plan in capitals": {
			subject(api.CreateSubjectRequest{ExternalID: "cus_9", Plan: "Free"}), "plan form",
		},
		"a subject with deep metadata": {
			subject(api.CreateSubjectRequest{ExternalID: "cus_9", Metadata: deep}), "metadata.a.b.c.d too_deep",
		},
		"a subject with a list as metadata": {
			subject(api.CreateSubjectRequest{ExternalID: "cus_9", Metadata: json.RawMessage(`[]`)}), "metadata object",
		},
		"a subject twice":           {subject(api.CreateSubjectRequest{ExternalID: "cus_1"}), "code conflict"},
		"a move to an unknown plan": {edit(api.UpdateSubjectRequest{Plan: api.To("gold")}), "plan unknown"},
		"an edit with deep metadata": {
			edit(api.UpdateSubjectRequest{Metadata: api.To(deep)}), "metadata.a.b.c.d too_deep",
		},
		"an unknown type of owner": {key(api.KeyOwner{Type: "robot", ID: "x"}), "owner.type unknown"},
		"a subject by a wrong id":  {key(api.KeyOwner{Type: api.PartySubject, ID: "cus_1"}), "owner.id form"},
		"an unknown subject by id": {
			key(api.KeyOwner{Type: api.PartySubject, ID: "sub_00000000000000000000"}), "owner.id unknown",
		},
		"a subject by both ids": {
			key(api.KeyOwner{Type: api.PartySubject, ID: known.ID, ExternalID: "cus_1"}), "owner.id exclusive",
		},
		"a user with a plan": {
			key(api.KeyOwner{Type: api.PartyUser, ID: "usr_1", Plan: "free"}), "owner.type subject_only",
		},
		"a new subject with an unknown plan": {
			key(api.KeyOwner{Type: api.PartySubject, ExternalID: "cus_9", Plan: "gold"}), "owner.plan unknown",
		},
		"a new subject with a space": {
			key(api.KeyOwner{Type: api.PartySubject, ExternalID: "cus 9"}), "owner.external_id character",
		},
		"an existing subject with another plan": {
			key(api.KeyOwner{Type: api.PartySubject, ExternalID: "cus_1", Plan: "gold"}), "code conflict",
		},
		"an existing subject with another name": {
			key(api.KeyOwner{Type: api.PartySubject, ExternalID: "cus_1", Name: "Someone"}), "code conflict",
		},
	} {
		if got := testkit.FieldErrors(t, c.err); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	// Nothing was half written.
	subjects := testkit.Must[api.List[api.Subject]](t)(h.admin.Subjects(ctx, h.id, client.SubjectFilter{},
		client.Page{}))
	plans := testkit.Must[api.List[api.Plan]](t)(h.admin.Plans(ctx, h.id, client.Page{}))
	keys := testkit.Must[api.List[api.Key]](t)(h.admin.Keys(ctx, h.id,
		client.KeyFilter{Owner: "external_id:cus_1"}, client.Page{}))
	if len(subjects.Items) != 1 || len(plans.Items) != 1 || len(keys.Items) != 0 {
		t.Errorf("after refusals there are %d subjects, %d plans and %d keys", len(subjects.Items), len(plans.Items),
			len(keys.Items))
	}
	if diff := cmp.Diff(known, subjects.Items[0]); diff != "" {
		t.Errorf("the subject was changed:\n%s", diff)
	}
	h.refused("a key for a disabled subject", func() error {
		testkit.Must[api.Subject](t)(h.admin.DisableSubject(ctx, h.id, known.ID))
		return key(api.KeyOwner{Type: api.PartySubject, ExternalID: "cus_1"})
	}(), api.Conflict)
}

func TestSubjectsAndTheirKeysAreFound(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := newHost(t, e)
		ctx := t.Context()
		h.plan("free", "films:read")
		for i := range 7 {
			plan := ""
			if i%2 == 0 {
				plan = "free"
			}
			h.subject(fmt.Sprintf("cus_%d", i), plan)
		}
		gone := h.subject("gone", "")
		testkit.NoError(t, h.admin.DeleteSubject(ctx, h.id, gone.ID))
		ids := func(f client.SubjectFilter, limit int) (found []string) {
			page := client.Page{Limit: limit}
			for {
				l := testkit.Must[api.List[api.Subject]](t)(h.admin.Subjects(ctx, h.id, f, page))
				for _, s := range l.Items {
					found = append(found, s.ExternalID)
				}
				if l.NextCursor == nil {
					return found
				}
				page.Cursor = *l.NextCursor
			}
		}
		all := []string{"cus_6", "cus_5", "cus_4", "cus_3", "cus_2", "cus_1", "cus_0"}
		for _, limit := range []int{1, 3, 7, 50} {
			if got := ids(client.SubjectFilter{}, limit); !slices.Equal(got, all) {
				t.Errorf("in pages of %d: %v", limit, got)
			}
			got := ids(client.SubjectFilter{Plan: "free"}, limit)
			if !slices.Equal(got, []string{"cus_6", "cus_4", "cus_2", "cus_0"}) {
				t.Errorf("with the plan, in pages of %d: %v", limit, got)
			}
			if got := ids(client.SubjectFilter{Query: "CUS_3"}, limit); !slices.Equal(got, []string{"cus_3"}) {
				t.Errorf("found, in pages of %d: %v", limit, got)
			}
		}
		if got := ids(client.SubjectFilter{ExternalID: "CUS_1"}, 50); len(got) > 0 {
			t.Errorf("external ids are case-sensitive, and this found %v", got)
		}

		soon := h.Clock.Now().Add(24 * time.Hour)
		for i, expires := range []*time.Time{nil, &soon} {
			_, err := h.admin.CreateKey(ctx, h.id, api.CreateKeyRequest{
				Name: fmt.Sprintf("Key %d", i), Scopes: []string{"films:read"}, AllApplications: true,
				ExpiresAt: expires, Owner: &api.KeyOwner{Type: api.PartySubject, ExternalID: "cus_1"},
			})
			testkit.NoError(t, err)
		}
		names := func(f client.KeyFilter) (found []string) {
			for k, err := range h.admin.AllKeys(ctx, h.id, f) {
				testkit.NoError(t, err)
				found = append(found, k.Name)
			}
			return found
		}
		for what, c := range map[string]struct {
			filter client.KeyFilter
			want   []string
		}{
			"by external id":       {client.KeyFilter{Owner: "external_id:cus_1"}, []string{"Key 1", "Key 0"}},
			"by an unknown one":    {client.KeyFilter{Owner: "external_id:nobody"}, nil},
			"expiring soon":        {client.KeyFilter{ExpiresBefore: soon.Add(time.Hour)}, []string{"Key 1"}},
			"expiring before that": {client.KeyFilter{ExpiresBefore: soon}, nil},
			"created by me, of cus_1": {
				client.KeyFilter{CreatedBy: "me", Owner: "external_id:cus_1"}, []string{"Key 1", "Key 0"},
			},
			"created by nobody": {client.KeyFilter{CreatedBy: "operator"}, nil},
			"created after now": {client.KeyFilter{CreatedAfter: h.Clock.Now().Add(time.Hour)}, nil},
		} {
			if got := names(c.filter); !slices.Equal(got, c.want) {
				t.Errorf("keys %s: %v, want %v", what, got, c.want)
			}
		}
		if got := names(client.KeyFilter{CreatedBy: "me"}); len(got) != 3 {
			t.Errorf("keys created by me: %v", got)
		}
	})
}
