package app_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const unknownApplication = "app_00000000000000000000"

// restricted creates a key that is restricted to the applications.
func restricted(t *testing.T, c *client.Client, tenant tenancy.Tenant, scopes []string,
	apps ...ident.ApplicationID,
) api.IssuedKey {
	t.Helper()
	n := api.CreateKeyRequest{Name: "Restricted key", Scopes: scopes}
	for _, id := range apps {
		n.ApplicationIDs = append(n.ApplicationIDs, string(id))
	}
	return testkit.Must[api.IssuedKey](t)(c.CreateKey(t.Context(), string(tenant.ID), n))
}

func TestAnApplicationIsMadeChangedAndDeletedByPersonAndKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	for i, c := range []*client.Client{admin, h.With(h.Key(admin, tenant, "*"))} {
		made := testkit.Must[api.Application](t)(c.CreateApplication(t.Context(), string(tenant.ID),
			api.CreateApplicationRequest{Name: " Orders API ", Description: "For\norders "}))
		if made.Name != "Orders API" || made.Description != "For\norders" || made.Status != "active" ||
			made.Number != int64(i+1) {
			t.Errorf("made %+v", made)
		}
		changed := testkit.Must[api.Application](t)(c.EditApplication(t.Context(), string(tenant.ID), made.ID,
			api.UpdateApplicationRequest{Description: api.Cleared[string]()}))
		if changed.Name != made.Name || changed.Description != "" || !changed.UpdatedAt.After(made.UpdatedAt) {
			t.Errorf("changed %+v", changed)
		}
		again := testkit.Must[api.Application](t)(c.EditApplication(t.Context(), string(tenant.ID), made.ID,
			api.UpdateApplicationRequest{Name: api.To("Orders API")}))
		if diff := cmp.Diff(changed, again); diff != "" {
			t.Errorf("nothing to change: %s", diff)
		}
		if shown := testkit.Must[api.Application](t)(c.Application(t.Context(), string(tenant.ID),
			made.ID)); !cmp.Equal(shown,
			again) {
			t.Errorf("shown %+v", shown)
		}
		testkit.ExpectCode(t, "delete", c.DeleteApplication(t.Context(), string(tenant.ID), made.ID), "")
		testkit.ExpectCode(t, "delete again", c.DeleteApplication(t.Context(), string(tenant.ID), made.ID),
			api.NotFound)
		_, err := c.Application(t.Context(), string(tenant.ID), made.ID)
		testkit.ExpectCode(t, "show what is deleted", err, api.NotFound)
	}
}

func TestWhoMayDoWhatToAnApplication(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, elsewhere := h.Tenant("Main tenant", testkit.UnlimitedKeys), h.Tenant("Elsewhere", nil)
	mine := h.Application(tenant, "Orders API")
	other := h.Application(tenant, "Reports API")
	foreign := h.Application(elsewhere, "Foreign API")
	person := h.Member(tenant, "Tenant Admin", scope.Admin)
	admin := h.As(person)
	all := []string{"applications:create", "applications:delete", "applications:read", "applications:update"}
	forbidden, beyond := api.Forbidden, api.ApplicationForbidden
	// Codes of: listing, creating; then reading and changing mine, other, one of another tenant,
	// and one that does not exist.
	for _, c := range []struct {
		name         string
		who          *client.Client
		list, create api.Code
		read, change [4]api.Code
	}{
		{
			"an admin", admin, "", "",
			[4]api.Code{"", "", api.NotFound, api.NotFound},
			[4]api.Code{"", "", api.NotFound, api.NotFound},
		},
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
		{
			"a key to all", h.With(h.Key(admin, tenant, all...)), "", "",
			[4]api.Code{"", "", api.NotFound, api.NotFound},
			[4]api.Code{"", "", api.NotFound, api.NotFound},
		},
		{
			"a restricted key", h.With(restricted(t, admin, tenant, all, mine.ID)), "", beyond,
			[4]api.Code{"", beyond, beyond, beyond},
			[4]api.Code{"", beyond, beyond, beyond},
		},
		{
			"a key that reads", h.With(h.Key(admin, tenant, "applications:read")), "", api.InsufficientScope,
			[4]api.Code{"", "", api.NotFound, api.NotFound},
			[4]api.Code{api.InsufficientScope, api.InsufficientScope, api.InsufficientScope, api.InsufficientScope},
		},
		{
			"a key without scopes of applications", h.With(h.Key(admin, tenant, "tenants:read")), api.InsufficientScope,
			api.InsufficientScope,
			[4]api.Code{api.InsufficientScope, api.InsufficientScope, api.InsufficientScope, api.InsufficientScope},
			[4]api.Code{api.InsufficientScope, api.InsufficientScope, api.InsufficientScope, api.InsufficientScope},
		},
	} {
		_, err := c.who.Applications(t.Context(), string(tenant.ID), client.Page{})
		testkit.ExpectCode(t, c.name+" lists", err, c.list)
		made, err := c.who.CreateApplication(t.Context(), string(tenant.ID),
			api.CreateApplicationRequest{Name: "Another API"})
		testkit.ExpectCode(t, c.name+" creates", err, c.create)
		if err == nil {
			testkit.ExpectCode(t, c.name+" deletes", c.who.DeleteApplication(t.Context(), string(tenant.ID), made.ID),
				"")
		}
		for i, id := range []string{string(mine.ID), string(other.ID), string(foreign.ID), unknownApplication} {
			_, err := c.who.Application(t.Context(), string(tenant.ID), id)
			testkit.ExpectCode(t, c.name+" reads "+id, err, c.read[i])
			_, err = c.who.EditApplication(t.Context(), string(tenant.ID), id,
				api.UpdateApplicationRequest{Description: api.To("By " + c.name)})
			testkit.ExpectCode(t, c.name+" changes "+id, err, c.change[i])
			if c.change[i] != "" {
				testkit.ExpectCode(t, c.name+" deletes "+id,
					c.who.DeleteApplication(t.Context(), string(tenant.ID), id),
					c.change[i])
			}
		}
	}
}

func TestADisabledApplicationIsForbiddenToEveryKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	app := h.Application(tenant, "Orders API")
	scopes := []string{"applications:delete", "applications:read", "applications:update"}
	keys := map[string]api.IssuedKey{
		"a key to all":     h.Key(admin, tenant, scopes...),
		"a restricted key": restricted(t, admin, tenant, scopes, app.ID),
	}
	verifier := h.Verifier()
	judged := func(when string, want api.Code) {
		t.Helper()
		for name, k := range keys {
			_, err := h.With(k).Application(t.Context(), string(tenant.ID), string(app.ID))
			testkit.ExpectCode(t, when+", "+name, err, want)
			d, err := verifier.Verify(t.Context(),
				api.VerifyRequest{Credential: k.Credential.Value, ApplicationID: string(app.ID)})
			if err != nil || d.Active != (want == "") || want != "" && d.Code != want {
				t.Errorf("%s, verify of %s: %+v, %v", when, name, d, err)
			}
		}
	}
	set := func(c *client.Client, status string) error {
		changed, err := c.EditApplication(t.Context(), string(tenant.ID), string(app.ID),
			api.UpdateApplicationRequest{Status: api.To(api.Status(status))})
		if err == nil && changed.Status != api.Status(status) {
			t.Errorf("%+v, want %s", changed, status)
		}
		return err
	}
	judged("live", "")
	testkit.ExpectCode(t, "a key disables it", set(h.With(keys["a restricted key"]), "disabled"), "")
	judged("disabled", api.ApplicationForbidden)
	for name, k := range keys {
		testkit.ExpectCode(t, name+" enables it", set(h.With(k), "active"), api.ApplicationForbidden)
		testkit.ExpectCode(t, name+" deletes it",
			h.With(k).DeleteApplication(t.Context(), string(tenant.ID), string(app.ID)),
			api.ApplicationForbidden)
	}
	testkit.Must[api.Application](t)(admin.Application(t.Context(), string(tenant.ID), string(app.ID)))
	testkit.ExpectCode(t, "an admin enables it", set(admin, "active"), "")
	judged("live again", "")
}

// A key that is restricted to a deleted application reaches the rest of its list, even if that is
// empty; never all applications.
func TestADeletedApplicationIsTakenFromTheKeysRestrictedToIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	one := h.Application(tenant, "API one")
	two := h.Application(tenant, "API two")
	three := h.Application(tenant, "API three")
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
		me := testkit.Must[api.Whoami](t)(key.Whoami(t.Context()))
		if *me.AllApplications || !slices.Equal(ids, slices.Sorted(slices.Values(me.ApplicationIDs))) {
			t.Errorf("it reaches %v (all: %t), want %v", me.ApplicationIDs, *me.AllApplications, ids)
		}
		shown := testkit.Must[api.Key](t)(admin.Key(t.Context(), string(tenant.ID), k.Key.ID))
		if shown.AllApplications || !slices.Equal(ids, slices.Sorted(slices.Values(shown.ApplicationIDs))) {
			t.Errorf("it shows %v (all: %t), want %v", shown.ApplicationIDs, shown.AllApplications, ids)
		}
		list := testkit.Must[api.List[api.Application]](t)(key.Applications(t.Context(), string(tenant.ID),
			client.Page{}))
		if len(list.Items) != len(want) {
			t.Errorf("it lists %d applications, want %d", len(list.Items), len(want))
		}
	}
	reaches(one.ID, two.ID)
	testkit.ExpectCode(t, "an admin deletes one",
		admin.DeleteApplication(t.Context(), string(tenant.ID), string(one.ID)), "")
	reaches(two.ID)
	testkit.ExpectCode(t, "the key deletes its last",
		key.DeleteApplication(t.Context(), string(tenant.ID), string(two.ID)), "")
	reaches()
	for _, id := range []string{string(one.ID), string(two.ID), string(three.ID), unknownApplication} {
		_, err := key.Application(t.Context(), string(tenant.ID), id)
		testkit.ExpectCode(t, "read "+id, err, api.ApplicationForbidden)
	}
	_, err := key.CreateApplication(t.Context(), string(tenant.ID), api.CreateApplicationRequest{Name: "Another API"})
	testkit.ExpectCode(t, "create", err, api.ApplicationForbidden)
}

// While an application is being deleted, a key that is restricted to it is created without it,
// refused, or loses it later. There is never an internal error, and never a key for all
// applications.
func TestAKeyMadeWhileItsApplicationIsDeletedReachesNone(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	admin, other := h.As(h.Member(tenant, "Tenant Admin", scope.Admin)),
		h.As(h.Member(tenant, "Other Admin", scope.Admin))
	for range 12 {
		app := string(h.Application(tenant, "Orders API").ID)
		acts := []func() error{func() error { return admin.DeleteApplication(t.Context(), string(tenant.ID), app) }}
		made := make(chan api.IssuedKey, 6)
		for range cap(made) {
			acts = append(acts, func() error {
				k, err := other.CreateKey(t.Context(), string(tenant.ID),
					api.CreateKeyRequest{
						Name: "Raced key", Scopes: []string{"applications:read"},
						ApplicationIDs: []string{app},
					})
				if err == nil {
					made <- k
				}
				return err
			})
		}
		count := testkit.Concurrently(t, acts...)
		close(made)
		if count[""]+count[api.ValidationFailed] != len(acts) {
			t.Errorf("%v", count)
		}
		for k := range made {
			if me := testkit.Must[api.Whoami](t)(h.With(k).Whoami(t.Context())); *me.AllApplications ||
				len(me.ApplicationIDs) > 0 {
				t.Errorf("it reaches %v (all: %t)", me.ApplicationIDs, *me.AllApplications)
			}
		}
	}
}

// A key is checked again in the transaction of its change. Its state when the request came in does
// not count.
func TestAKeyThatLostItsRightsMeanwhileWritesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, c := range map[string]struct {
		lose func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, owner principal.Person,
			k api.IssuedKey, app application.Application) error
		want fault.Kind
	}{
		"revoked": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, _ principal.Person, k api.IssuedKey,
			_ application.Application,
		) error {
			_, err := admin.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "")
			return err
		}, fault.KeyRevoked},
		"deleted": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, _ principal.Person, k api.IssuedKey,
			_ application.Application,
		) error {
			return admin.DeleteKey(t.Context(), string(tenant.ID), k.Key.ID)
		}, fault.KeyInvalid},
		"disabled": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, _ principal.Person,
			k api.IssuedKey, _ application.Application,
		) error {
			_, err := admin.DisableKey(t.Context(), string(tenant.ID), k.Key.ID)
			return err
		}, fault.KeyDisabled},
		"expired": {func(*testing.T, *client.Client, tenancy.Tenant, principal.Person, api.IssuedKey,
			application.Application,
		) error {
			h.Clock.Move(91 * policy.Day)
			return nil
		}, fault.KeyExpired},
		"of a member with a lower role": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant,
			owner principal.Person, _ api.IssuedKey, _ application.Application,
		) error {
			_, err := admin.EditMember(t.Context(), string(tenant.ID), string(owner.ID),
				api.UpdateMemberRequest{Role: api.To(api.RoleMember)})
			return err
		}, fault.InsufficientScope},
		"of a disabled member": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant, owner principal.Person,
			_ api.IssuedKey, _ application.Application,
		) error {
			_, err := admin.EditMember(t.Context(), string(tenant.ID), string(owner.ID),
				api.UpdateMemberRequest{Status: api.To(api.StatusDisabled)})
			return err
		}, fault.KeyDisabled},
		"of a member who was removed": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant,
			owner principal.Person, _ api.IssuedKey, _ application.Application,
		) error {
			return admin.RemoveMember(t.Context(), string(tenant.ID), string(owner.ID))
		}, fault.KeyRevoked},
		"in a disabled tenant": {func(t *testing.T, _ *client.Client, tenant tenancy.Tenant, _ principal.Person,
			_ api.IssuedKey, _ application.Application,
		) error {
			_, err := h.As(h.Owner).EditTenant(t.Context(), string(tenant.ID),
				api.UpdateTenantRequest{Status: api.To(api.StatusDisabled)})
			return err
		}, fault.KeyDisabled},
		"to an application that was disabled": {func(t *testing.T, admin *client.Client, tenant tenancy.Tenant,
			_ principal.Person, _ api.IssuedKey, app application.Application,
		) error {
			_, err := admin.EditApplication(t.Context(), string(tenant.ID), string(app.ID),
				api.UpdateApplicationRequest{Status: api.To(api.StatusDisabled)})
			return err
		}, fault.ApplicationForbidden},
		"in a disabled account": {func(t *testing.T, _ *client.Client, _ tenancy.Tenant, _ principal.Person,
			_ api.IssuedKey, _ application.Application,
		) error {
			_, err := h.Accounts.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID, true)
			ctx := context.WithoutCancel(t.Context()) // which ends before a cleanup
			t.Cleanup(func() {
				if _, err := h.Accounts.SetAccountDisabled(ctx, principal.Operator(), h.Account.ID,
					false); err != nil {
					t.Error(err)
				}
			})
			return err
		}, fault.KeyDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
			admin, owner := h.As(h.Member(tenant, "Tenant Admin", scope.Admin)),
				h.Member(tenant, "Key Owner", scope.Admin)
			app := h.Application(tenant, "Orders API")
			k := h.Key(h.As(owner), tenant, "applications:create", "applications:delete", "applications:update")
			// The principal that the authenticator made when the request came in, with every right
			// that the key had then.
			then := principal.OfKey(&principal.Key{
				ID: ident.KeyID(k.Key.ID), Tenant: tenant.ID, Account: h.Account.ID, Owner: owner.Party(),
				Applications: scope.Applications{All: true}, Serial: 1,
				Scopes: scope.NewSet(scope.ApplicationsCreate, scope.ApplicationsDelete, scope.ApplicationsUpdate),
			})
			if err := c.lose(t, admin, tenant, owner, k, app); err != nil {
				t.Fatal(err)
			}
			name := "Another name"
			_, changed := h.Applications.ChangeApplication(t.Context(), then, tenant.ID, app.ID,
				application.Change{Name: &name})
			deleted := h.Applications.DeleteApplication(t.Context(), then, tenant.ID, app.ID)
			for what, err := range map[string]error{"change": changed, "delete": deleted} {
				if got := fault.KindOf(err); err == nil || got != c.want {
					t.Errorf("%s: %v, want %s", what, err, c.want)
				}
			}
			_, err := h.Applications.CreateApplication(t.Context(), then, tenant.ID, "Another API", "")
			// which is about the one application
			if created := err == nil; created != (c.want == fault.ApplicationForbidden) {
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
	path := testkit.TenantPath(tenant.ID) + "/applications"
	check := testkit.ExpectUnchanged(t, admin, path, testkit.TenantPath(tenant.ID)+"/audit")
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
		if got := testkit.FieldErrors(t, testkit.SendBody(t, admin, http.MethodPost, path, body)); got != want {
			t.Errorf("POST %s: %s, want %s", body, got, want)
		}
	}
	for body, want := range map[string]string{
		`{"name":null}`: "name required", `{"status":null}`: "status required", `{"status":"gone"}`: "status unknown",
		`{"number":7}`:                          "number unknown",
		`{"name":"ab","description":"a\u0007"}`: "name too_short, description character",
		`{"description":["a"]}`:                 "description type",
	} {
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, admin, http.MethodPatch, path+"/"+string(app.ID), body)); got != want {
			t.Errorf("PATCH %s: %s, want %s", body, got, want)
		}
	}
	if got := testkit.FieldErrors(t,
		admin.Do(t.Context(), http.MethodGet, path+"?limit=0", nil, nil)); got != "limit invalid" {
		t.Errorf("no items at all: %s", got)
	}
	if got := testkit.FieldErrors(t,
		admin.Do(t.Context(), http.MethodGet, path+"?q=orders", nil, nil)); got != "query unknown" {
		t.Errorf("an unknown parameter: %s", got)
	}
	check()
}
