package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const unknownApplication = "app_00000000000000000000"

// restricted makes a key that reaches the applications and no others.
func restricted(t *testing.T, c *client.Client, tenant tenancy.Tenant, scopes []string, apps ...ident.ApplicationID) api.IssuedKey {
	t.Helper()
	n := api.NewKey{Name: "Restricted key", Scopes: scopes}
	for _, id := range apps {
		n.ApplicationIDs = append(n.ApplicationIDs, string(id))
	}
	return must[api.IssuedKey](t)(c.CreateKey(t.Context(), string(tenant.ID), n))
}

func unlimited(s *policy.Settings) { s.KeysPerUser = 0 }

func TestAnApplicationIsMadeChangedAndDeletedByPersonAndKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", unlimited)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	for i, c := range []*client.Client{admin, h.With(h.Key(admin, tenant, "*"))} {
		made := must[api.Application](t)(c.CreateApplication(t.Context(), string(tenant.ID), api.NewApplication{Name: " Orders API ", Description: "For\norders "}))
		if made.Name != "Orders API" || made.Description != "For\norders" || made.Status != "active" || made.Number != int64(i+1) {
			t.Errorf("made %+v", made)
		}
		changed := must[api.Application](t)(c.EditApplication(t.Context(), string(tenant.ID), made.ID, api.ApplicationPatch{Description: api.Cleared[string]()}))
		if changed.Name != made.Name || changed.Description != "" || !changed.UpdatedAt.After(made.UpdatedAt) {
			t.Errorf("changed %+v", changed)
		}
		again := must[api.Application](t)(c.EditApplication(t.Context(), string(tenant.ID), made.ID, api.ApplicationPatch{Name: api.To("Orders API")}))
		if diff := cmp.Diff(changed, again); diff != "" {
			t.Errorf("nothing to change: %s", diff)
		}
		if shown := must[api.Application](t)(c.Application(t.Context(), string(tenant.ID), made.ID)); !cmp.Equal(shown, again) {
			t.Errorf("shown %+v", shown)
		}
		expect(t, "delete", c.DeleteApplication(t.Context(), string(tenant.ID), made.ID), "")
		expect(t, "delete again", c.DeleteApplication(t.Context(), string(tenant.ID), made.ID), api.NotFound)
		_, err := c.Application(t.Context(), string(tenant.ID), made.ID)
		expect(t, "show what is deleted", err, api.NotFound)
	}
}

func TestWhoMayDoWhatToAnApplication(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, elsewhere := h.Tenant("Main tenant", unlimited), h.Tenant("Elsewhere", nil)
	mine, other, foreign := h.Application(tenant, "Orders API"), h.Application(tenant, "Reports API"), h.Application(elsewhere, "Foreign API")
	person := h.Member(tenant, "Tenant Admin", scope.Admin)
	admin := h.As(person)
	all := []string{"applications:create", "applications:delete", "applications:read", "applications:update"}
	forbidden, beyond := api.Forbidden, api.ApplicationForbidden
	// What is answered to: listing, creating; then reading and changing mine, other, one of another tenant, one that is not there.
	for _, c := range []struct {
		name         string
		who          *client.Client
		list, create api.Code
		read, change [4]api.Code
	}{
		{"an admin", admin, "", "", [4]api.Code{"", "", api.NotFound, api.NotFound}, [4]api.Code{"", "", api.NotFound, api.NotFound}},
		{
			"a member", h.As(h.Member(tenant, "The Member", scope.Member)), "", forbidden,
			[4]api.Code{"", "", api.NotFound, api.NotFound},
			[4]api.Code{forbidden, forbidden, forbidden, forbidden},
		},
		{
			"another tenant's admin", h.As(h.Member(elsewhere, "Other Admin", scope.Admin)), api.NotFound, api.NotFound,
			[4]api.Code{api.NotFound, api.NotFound, api.NotFound, api.NotFound},
			[4]api.Code{api.NotFound, api.NotFound, api.NotFound, api.NotFound},
		},
		{"a key to all", h.With(h.Key(admin, tenant, all...)), "", "", [4]api.Code{"", "", api.NotFound, api.NotFound}, [4]api.Code{"", "", api.NotFound, api.NotFound}},
		{"a restricted key", h.With(restricted(t, admin, tenant, all, mine.ID)), "", beyond, [4]api.Code{"", beyond, beyond, beyond}, [4]api.Code{"", beyond, beyond, beyond}},
		{
			"a key that reads", h.With(h.Key(admin, tenant, "applications:read")), "", api.InsufficientScope,
			[4]api.Code{"", "", api.NotFound, api.NotFound},
			[4]api.Code{api.InsufficientScope, api.InsufficientScope, api.InsufficientScope, api.InsufficientScope},
		},
		{
			"a key without scopes of applications", h.With(h.Key(admin, tenant, "tenants:read")), api.InsufficientScope, api.InsufficientScope,
			[4]api.Code{api.InsufficientScope, api.InsufficientScope, api.InsufficientScope, api.InsufficientScope},
			[4]api.Code{api.InsufficientScope, api.InsufficientScope, api.InsufficientScope, api.InsufficientScope},
		},
	} {
		_, err := c.who.Applications(t.Context(), string(tenant.ID), client.Page{})
		expect(t, c.name+" lists", err, c.list)
		made, err := c.who.CreateApplication(t.Context(), string(tenant.ID), api.NewApplication{Name: "Another API"})
		expect(t, c.name+" creates", err, c.create)
		if err == nil {
			expect(t, c.name+" deletes", c.who.DeleteApplication(t.Context(), string(tenant.ID), made.ID), "")
		}
		for i, id := range []string{string(mine.ID), string(other.ID), string(foreign.ID), unknownApplication} {
			_, err := c.who.Application(t.Context(), string(tenant.ID), id)
			expect(t, c.name+" reads "+id, err, c.read[i])
			_, err = c.who.EditApplication(t.Context(), string(tenant.ID), id, api.ApplicationPatch{Description: api.To("By " + c.name)})
			expect(t, c.name+" changes "+id, err, c.change[i])
			if c.change[i] != "" {
				expect(t, c.name+" deletes "+id, c.who.DeleteApplication(t.Context(), string(tenant.ID), id), c.change[i])
			}
		}
	}
}

func TestADisabledApplicationIsForbiddenToEveryKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", unlimited)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	app := h.Application(tenant, "Orders API")
	scopes := []string{"applications:delete", "applications:read", "applications:update"}
	keys := map[string]api.IssuedKey{"a key to all": h.Key(admin, tenant, scopes...), "a restricted key": restricted(t, admin, tenant, scopes, app.ID)}
	verifier := h.Verifier()
	judged := func(when string, want api.Code) {
		t.Helper()
		for name, k := range keys {
			_, err := h.With(k).Application(t.Context(), string(tenant.ID), string(app.ID))
			expect(t, when+", "+name, err, want)
			d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: *k.Credential.Value, ApplicationID: string(app.ID)})
			if err != nil || d.Active != (want == "") || want != "" && d.Code != want {
				t.Errorf("%s, verify of %s: %+v, %v", when, name, d, err)
			}
		}
	}
	set := func(c *client.Client, status string) error {
		changed, err := c.EditApplication(t.Context(), string(tenant.ID), string(app.ID), api.ApplicationPatch{Status: api.To(status)})
		if err == nil && changed.Status != status {
			t.Errorf("%+v, want %s", changed, status)
		}
		return err
	}
	judged("live", "")
	expect(t, "a key disables it", set(h.With(keys["a restricted key"]), "disabled"), "")
	judged("disabled", api.ApplicationForbidden)
	for name, k := range keys {
		expect(t, name+" enables it", set(h.With(k), "active"), api.ApplicationForbidden)
		expect(t, name+" deletes it", h.With(k).DeleteApplication(t.Context(), string(tenant.ID), string(app.ID)), api.ApplicationForbidden)
	}
	must[api.Application](t)(admin.Application(t.Context(), string(tenant.ID), string(app.ID)))
	expect(t, "an admin enables it", set(admin, "active"), "")
	judged("live again", "")
}

// A key restricted to an application that is deleted reaches what is left of its list: none, never all.
func TestADeletedApplicationIsTakenFromTheKeysRestrictedToIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", unlimited)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	one, two, three := h.Application(tenant, "API one"), h.Application(tenant, "API two"), h.Application(tenant, "API three")
	scopes := []string{"applications:create", "applications:delete", "applications:read"}
	k := restricted(t, admin, tenant, scopes, one.ID, two.ID)
	key := h.With(k)
	reaches := func(want ...ident.ApplicationID) {
		t.Helper()
		var ids []string
		for _, id := range want {
			ids = append(ids, string(id))
		}
		slices.Sort(ids)
		me := must[api.Whoami](t)(key.Whoami(t.Context()))
		if *me.AllApplications || !slices.Equal(ids, slices.Sorted(slices.Values(me.ApplicationIDs))) {
			t.Errorf("it reaches %v (all: %t), want %v", me.ApplicationIDs, *me.AllApplications, ids)
		}
		shown := must[api.Key](t)(admin.Key(t.Context(), string(tenant.ID), k.Key.ID))
		if shown.AllApplications || !slices.Equal(ids, slices.Sorted(slices.Values(shown.ApplicationIDs))) {
			t.Errorf("it shows %v (all: %t), want %v", shown.ApplicationIDs, shown.AllApplications, ids)
		}
		list := must[api.List[api.Application]](t)(key.Applications(t.Context(), string(tenant.ID), client.Page{}))
		if len(list.Items) != len(want) {
			t.Errorf("it lists %d applications, want %d", len(list.Items), len(want))
		}
	}
	reaches(one.ID, two.ID)
	expect(t, "an admin deletes one", admin.DeleteApplication(t.Context(), string(tenant.ID), string(one.ID)), "")
	reaches(two.ID)
	expect(t, "the key deletes its last", key.DeleteApplication(t.Context(), string(tenant.ID), string(two.ID)), "")
	reaches()
	for _, id := range []string{string(one.ID), string(two.ID), string(three.ID), unknownApplication} {
		_, err := key.Application(t.Context(), string(tenant.ID), id)
		expect(t, "read "+id, err, api.ApplicationForbidden)
	}
	_, err := key.CreateApplication(t.Context(), string(tenant.ID), api.NewApplication{Name: "Another API"})
	expect(t, "create", err, api.ApplicationForbidden)
}

// While an application is being deleted a key restricted to it is made without, refused, or cut afterwards: never an internal error, never a key to all.
func TestAKeyMadeWhileItsApplicationIsDeletedReachesNone(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", unlimited)
	admin, other := h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), h.As(h.Member(tenant, "Other Admin", scope.Admin))
	for range 12 {
		app := string(h.Application(tenant, "Orders API").ID)
		acts := []func() error{func() error { return admin.DeleteApplication(t.Context(), string(tenant.ID), app) }}
		made := make(chan api.IssuedKey, 6)
		for range cap(made) {
			acts = append(acts, func() error {
				k, err := other.CreateKey(t.Context(), string(tenant.ID), api.NewKey{Name: "Raced key", Scopes: []string{"applications:read"}, ApplicationIDs: []string{app}})
				if err == nil {
					made <- k
				}
				return err
			})
		}
		count := atOnce(t, acts...)
		close(made)
		if count[""]+count[api.ValidationFailed] != len(acts) {
			t.Errorf("%v", count)
		}
		for k := range made {
			if me := must[api.Whoami](t)(h.With(k).Whoami(t.Context())); *me.AllApplications || len(me.ApplicationIDs) > 0 {
				t.Errorf("it reaches %v (all: %t)", me.ApplicationIDs, *me.AllApplications)
			}
		}
	}
}

// A key is judged again in the transaction that it changes something in: what it was when the request came in does not count.
func TestAKeyThatLostItsRightsMeanwhileWritesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, c := range map[string]struct {
		lose func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, owner principal.Person, k api.IssuedKey, app tenancy.Application) error
		want fault.Kind
	}{
		"revoked": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, _ principal.Person, k api.IssuedKey, _ tenancy.Application) error {
			_, err := admin.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "")
			return err
		}, fault.KeyRevoked},
		"deleted": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, _ principal.Person, k api.IssuedKey, _ tenancy.Application) error {
			return admin.DeleteKey(t.Context(), string(tenant.ID), k.Key.ID)
		}, fault.KeyInvalid},
		"disabled": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, _ principal.Person, k api.IssuedKey, _ tenancy.Application) error {
			_, err := admin.DisableKey(t.Context(), string(tenant.ID), k.Key.ID)
			return err
		}, fault.KeyDisabled},
		"expired": {func(*testing.T, *client.Client, tenancy.Tenant, principal.Person, api.IssuedKey, tenancy.Application) error {
			h.Clock.Move(91 * policy.Day)
			return nil
		}, fault.KeyExpired},
		"of a member with a lower role": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, owner principal.Person, _ api.IssuedKey, _ tenancy.Application) error {
			_, err := admin.EditMember(t.Context(), string(tenant.ID), string(owner.ID), api.MemberPatch{Role: api.To("member")})
			return err
		}, fault.InsufficientScope},
		"of a disabled member": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, owner principal.Person, _ api.IssuedKey, _ tenancy.Application) error {
			_, err := admin.EditMember(t.Context(), string(tenant.ID), string(owner.ID), api.MemberPatch{Status: api.To("disabled")})
			return err
		}, fault.KeyDisabled},
		"of a member who was removed": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, owner principal.Person, _ api.IssuedKey, _ tenancy.Application) error {
			return admin.RemoveMember(t.Context(), string(tenant.ID), string(owner.ID))
		}, fault.KeyRevoked},
		"in a disabled tenant": {func(t *testing.T, _ *client.Client, tenant tenancy.Tenant, _ principal.Person, _ api.IssuedKey, _ tenancy.Application) error {
			_, err := h.As(h.Owner).EditTenant(t.Context(), string(tenant.ID), api.TenantPatch{Status: api.To("disabled")})
			return err
		}, fault.KeyDisabled},
		"to an application that was disabled": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, _ principal.Person, _ api.IssuedKey, app tenancy.Application) error {
			_, err := admin.EditApplication(t.Context(), string(tenant.ID), string(app.ID), api.ApplicationPatch{Status: api.To("disabled")})
			return err
		}, fault.ApplicationForbidden},
		"in a disabled account": {func(t *testing.T, _ *client.Client, _ tenancy.Tenant, _ principal.Person, _ api.IssuedKey, _ tenancy.Application) error {
			_, err := h.Tenancy.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID, true)
			t.Cleanup(func() {
				if _, err := h.Tenancy.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID, false); err != nil {
					t.Error(err)
				}
			})
			return err
		}, fault.KeyDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := h.Tenant("Main tenant", unlimited)
			admin, owner := h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), h.Member(tenant, "Key Owner", scope.Admin)
			app := h.Application(tenant, "Orders API")
			k := h.Key(h.As(owner), tenant, "applications:create", "applications:delete", "applications:update")
			// What the authenticator made of the key when the request came in, with every right it then had.
			then := principal.OfKey(&principal.Key{
				ID: ident.KeyID(k.Key.ID), Tenant: tenant.ID, Account: h.Account.ID, Owner: owner, Applications: scope.Applications{All: true}, Serial: 1,
				Scopes: scope.NewSet(scope.ApplicationsCreate, scope.ApplicationsDelete, scope.ApplicationsUpdate),
			})
			if err := c.lose(t, admin, tenant, owner, k, app); err != nil {
				t.Fatal(err)
			}
			name := "Another name"
			_, changed := h.Tenancy.ChangeApplication(t.Context(), then, tenant.ID, app.ID, tenancy.ApplicationChange{Name: &name})
			deleted := h.Tenancy.DeleteApplication(t.Context(), then, tenant.ID, app.ID)
			for what, err := range map[string]error{"change": changed, "delete": deleted} {
				if got := fault.KindOf(err); err == nil || got != c.want {
					t.Errorf("%s: %v, want %s", what, err, c.want)
				}
			}
			_, err := h.Tenancy.CreateApplication(t.Context(), then, tenant.ID, "Another API", "")
			if created := err == nil; created != (c.want == fault.ApplicationForbidden) { // which is about the one application
				t.Errorf("create: %v", err)
			}
		})
	}
}

func TestAnApplicationSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	admin, app := h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), h.Application(tenant, "Orders API")
	path := tenantURL(tenant.ID) + "/applications"
	check := unchanged(t, admin, path, tenantURL(tenant.ID)+"/audit")
	longName, longDescription := strings.Repeat("é", 65), strings.Repeat("é", 1001)
	for body, want := range map[string]string{
		`{}`:                          "name too_short",
		`{"name":" ab "}`:             "name too_short",
		`{"name":"` + longName + `"}`: "name too_long",
		`{"name":"a\nbc"}`:            "name character",
		`{"name":"a\u202ebc"}`:        "name character",
		`{"name":"Orders","description":"a\u0000"}`:                 "description character",
		`{"name":"Orders","description":"` + longDescription + `"}`: "description too_long",
		`{"name":"Orders","id":"app_1"}`:                            "id unknown",
		`{"name":"Orders","tenant_id":"ten_1"}`:                     "tenant_id unknown",
		`{"name":"Orders","number":7}`:                              "number unknown",
		`{"name":"Orders","status":"disabled"}`:                     "status unknown",
	} {
		if got := fieldsAtFault(t, tell(t, admin, http.MethodPost, path, body)); got != want {
			t.Errorf("POST %s: %s, want %s", body, got, want)
		}
	}
	for body, want := range map[string]string{
		`{"name":null}`: "name required", `{"status":null}`: "status required", `{"status":"gone"}`: "status unknown", `{"number":7}`: "number unknown",
		`{"name":"ab","description":"a\u0007"}`: "name too_short, description character", `{"description":["a"]}`: "description type",
	} {
		if got := fieldsAtFault(t, tell(t, admin, http.MethodPatch, path+"/"+string(app.ID), body)); got != want {
			t.Errorf("PATCH %s: %s, want %s", body, got, want)
		}
	}
	if got := fieldsAtFault(t, admin.Do(t.Context(), http.MethodGet, path+"?limit=0", nil, nil)); got != "limit invalid" {
		t.Errorf("no items at all: %s", got)
	}
	if got := fieldsAtFault(t, admin.Do(t.Context(), http.MethodGet, path+"?q=orders", nil, nil)); got != "q invalid" {
		t.Errorf("an unknown parameter: %s", got)
	}
	check()
}
