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
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Row C4: the owner edits a key. An absent field stays, null clears it, a list replaces the whole
// list.
func TestAnEditChangesWhatItNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	one, two := string(h.Application(tenant, "Orders API").ID), string(h.Application(tenant, "Reports API").ID)
	later := h.Clock.Now().Add(48 * time.Hour).Truncate(time.Second)
	k := h.Key(owner, tenant, "applications:read").Key
	cases := []struct {
		name string
		body string
		want func(*api.Key)
	}{
		{"nothing", `{}`, func(*api.Key) {}},
		{"the name, trimmed", `{"name":"  New name "}`, func(k *api.Key) { k.Name = "New name" }},
		{"the description", `{"description":"line\nline"}`, func(k *api.Key) { k.Description = "line\nline" }},
		{"no description", `{"description":null}`, func(k *api.Key) { k.Description = "" }},
		{
			"the scopes", `{"scopes":["tenants:read","members:read"]}`,
			func(k *api.Key) { k.Scopes = []string{"members:read", "tenants:read"} },
		},
		{
			"applications alone", `{"application_ids":["` + one + `","` + one + `"]}`,
			func(k *api.Key) { k.AllApplications, k.ApplicationIDs = false, []string{one} },
		},
		{
			"other applications", `{"application_ids":["` + two + `"],"all_applications":false}`,
			func(k *api.Key) { k.ApplicationIDs = []string{two} },
		},
		{
			"all applications alone", `{"all_applications":true}`,
			func(k *api.Key) { k.AllApplications, k.ApplicationIDs = true, []string{} },
		},
		{"an expiry", `{"expires_at":"` + later.Format(time.RFC3339) + `"}`, func(k *api.Key) {
			k.ExpiresAt = &later
			k.EffectiveExpiresAt = &later
			k.ExpiryReason = new(api.ExpiryReason("key"))
		}},
		{"no expiry", `{"expires_at":null}`, func(k *api.Key) {
			policied := k.SecretSetAt.Add(90 * policy.Day)
			k.ExpiresAt = nil
			k.EffectiveExpiresAt = &policied
			k.ExpiryReason = new(api.ExpiryReason("auto_expiry"))
		}},
	}
	path := "/api/v1/tenants/" + string(tenant.ID) + "/keys/" + k.ID
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			details := *k.KeyDetails
			want := k
			want.KeyDetails = &details
			c.want(&want)
			var got api.Key
			if err := owner.Do(t.Context(), http.MethodPatch, path, rawJSON(c.body), &got); err != nil {
				t.Fatal(err)
			}
			changed := !cmp.Equal(k, want)
			if changed != got.UpdatedAt.After(k.UpdatedAt) || changed != (got.Version != k.Version) {
				t.Errorf("updated at %v, before at %v; version %s, before %s", got.UpdatedAt, k.UpdatedAt, got.Version,
					k.Version)
			}
			want.UpdatedAt, want.Version = got.UpdatedAt, got.Version
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if k, err := owner.Key(t.Context(), string(tenant.ID), k.ID); err != nil || !cmp.Equal(got, k) {
				t.Errorf("the answer is not what is stored: %s, %v", cmp.Diff(got, k), err)
			}
			k = got
		})
	}
}

// rawJSON is sent as it is.
type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func TestAnEditThatBreaksARuleIsRefusedFieldByField(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	app := string(h.Application(tenant, "Orders API").ID)
	k := h.Key(owner, tenant, "applications:read").Key
	h.Clock.Move(24 * time.Hour)
	owner = h.As(person)
	beyond := k.SecretSetAt.Add(3650*policy.Day + time.Second) // a day later that is still within 3650 days from now
	for body, want := range map[string]string{
		`{"name":null}`: "name too_short",
		`{"name":"ab"}`: "name too_short",
		`{"name":5}`:    "name type",
		`{"description":"` + strings.Repeat("x", 1001) + `"}`: "description too_long",
		`{"scopes":null}`:                                                "scopes length",
		`{"scopes":[]}`:                                                  "scopes length",
		`{"scopes":["*","tenants:read"]}`:                                "scopes every",
		`{"scopes":["tenants:read","Tenants:read"]}`:                     "scopes.1 form",
		`{"scopes":["films:read"]}`:                                      "scopes.0 unknown",
		`{"scopes":["applications:read","keys:verify"]}`:                 "scopes.1 beyond_role",
		`{"all_applications":null}`:                                      "application_ids required",
		`{"all_applications":false}`:                                     "application_ids required",
		`{"application_ids":null}`:                                       "application_ids required",
		`{"application_ids":[]}`:                                         "application_ids required",
		`{"all_applications":true,"application_ids":["` + app + `"]}`:    "application_ids exclusive",
		`{"application_ids":["` + app + `","app_00000000000000000000"]}`: "application_ids.1 unknown",
		`{"application_ids":["x"]}`:                                      "application_ids.0 form",
		`{"expires_at":"` + k.SecretSetAt.Format(time.RFC3339) + `"}`:    "expires_at past",
		`{"expires_at":"0001-01-01T00:00:00Z"}`:                          "expires_at past",
		`{"expires_at":"` + beyond.Format(time.RFC3339Nano) + `"}`:       "expires_at beyond_policy",
		`{"expires_at":"9999-12-31T23:59:59-23:59"}`:                     "expires_at range",
		`{"owner_id":"` + *k.Owner.Email + `"}`:                          "owner_id unknown",
	} {
		err := owner.Do(t.Context(), http.MethodPatch, "/api/v1/tenants/"+string(tenant.ID)+"/keys/"+k.ID,
			rawJSON(body), nil)
		if got := testkit.FieldErrors(t, err); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if kept, err := owner.Key(t.Context(), string(tenant.ID), k.ID); err != nil || !cmp.Equal(k, kept) {
		t.Errorf("a refused edit changed the key: %s, %v", cmp.Diff(k, kept), err)
	}
}

func TestOnlyItsOwnerAndAdminsEditAKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for visibility, others := range map[policy.Visibility]api.Code{
		policy.SeeAll: api.Forbidden,
		policy.SeeOwn: api.NotFound,
	} {
		in := h.Tenant("See "+string(visibility), func(s *policy.Settings) { s.Visibility = visibility })
		owner := h.As(h.Member(in, "Key Owner", scope.Member))
		k := h.Key(owner, in, "applications:read")
		for name, c := range map[string]struct {
			client *client.Client
			want   api.Code
		}{
			"the owner":        {owner, ""},
			"an admin":         {h.As(h.Member(in, "Tenant Admin", scope.Admin)), ""},
			"an account owner": {h.As(h.Owner), ""},
			"another member":   {h.As(h.Member(in, "Other Member", scope.Member)), others},
			"an auditor":       {h.As(h.Member(in, "The Auditor", scope.Auditor)), api.Forbidden},
			"a stranger":       {h.As(h.Person("A Stranger")), api.NotFound},
			"the key itself":   {h.With(k), api.SessionRequired},
			"nobody":           {h.Anyone(), api.APIKeyInvalid},
		} {
			_, err := c.client.EditKey(t.Context(), string(in.ID), k.Key.ID,
				api.UpdateKeyRequest{Description: api.To(name)})
			if got := testkit.Code(t, err); got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		}
	}
}

// The owner's role decides, not the editor's, and only if the edit gives scopes.
func TestAnEditGivesNoScopeBeyondTheOwnersRole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	k := h.Key(h.As(h.Member(tenant, "Key Owner", scope.Member)), tenant, "applications:read")
	_, err := admin.EditKey(t.Context(), string(tenant.ID), k.Key.ID,
		api.UpdateKeyRequest{Scopes: api.To([]string{"keys:verify"})})
	if got := testkit.FieldErrors(t, err); got != "scopes.0 beyond_role" {
		t.Errorf("an admin gives a member's key an admin's scope: %s", got)
	}
	if _, err := admin.EditKey(t.Context(), string(tenant.ID), k.Key.ID,
		api.UpdateKeyRequest{Scopes: api.To([]string{"*"})}); err != nil {
		t.Fatal(err)
	}
	me, err := h.With(k).Whoami(t.Context())
	if err != nil || slices.Contains(me.Scopes, "keys:verify") || !slices.Contains(me.Scopes, "members:read") {
		t.Errorf("* gives a member's key %v, %v", me.Scopes, err)
	}
}

func TestNeitherARevokedKeyNorTheExpiryOfAnExpiredOneIsEdited(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	revoked, expired := h.Key(owner, tenant, "applications:read"), h.Key(owner, tenant, "applications:read")
	edit := func(k api.IssuedKey, e api.UpdateKeyRequest) api.Code {
		_, err := owner.EditKey(t.Context(), string(tenant.ID), k.Key.ID, e)
		return testkit.Code(t, err)
	}
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	if got := edit(revoked, api.UpdateKeyRequest{Name: api.To("Another name")}); got != api.Conflict {
		t.Errorf("a revoked key: %q", got)
	}
	h.Clock.Move(90 * policy.Day)
	owner = h.As(person)
	later := h.Clock.Now().Add(time.Hour)
	for name, e := range map[string]api.UpdateKeyRequest{
		"later": {ExpiresAt: api.To(later)},
		"none":  {ExpiresAt: api.Cleared[time.Time]()},
	} {
		if got := edit(expired, e); got != api.Conflict {
			t.Errorf("%s for an expired key: %q", name, got)
		}
	}
	if got := edit(expired, api.UpdateKeyRequest{Name: api.To("Another name")}); got != "" {
		t.Errorf("the name of an expired key: %q", got)
	}
	if _, err := h.With(expired).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyExpired {
		t.Errorf("afterwards: %v", err)
	}
}

// Invariant I2: once the edit has been answered, no request with what it took away is accepted, by
// any transport.
func TestAnEditIsEffectiveOnceItIsAnswered(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	app, other := h.Application(tenant, "Orders API"), h.Application(tenant, "Reports API")
	k := h.Key(owner, tenant, "applications:read")
	edit := func(e api.UpdateKeyRequest) {
		t.Helper()
		if _, err := owner.EditKey(t.Context(), string(tenant.ID), k.Key.ID, e); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(application string, want api.Code) {
		t.Helper()
		if got := testkit.RouteCode(t, h, k.Credential.Value, tenant, application); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for range 5 {
		expect(string(other.ID), api.OK)
		edit(api.UpdateKeyRequest{ApplicationIDs: api.To([]string{string(app.ID)})})
		expect(string(other.ID), api.ApplicationForbidden)
		edit(api.UpdateKeyRequest{Scopes: api.To([]string{"tenants:read"}), AllApplications: api.To(true)})
		expect(string(other.ID), api.InsufficientScope)
		edit(api.UpdateKeyRequest{Scopes: api.To([]string{"applications:read"})})
	}
	edit(api.UpdateKeyRequest{ExpiresAt: api.To(h.Clock.Now().Add(time.Minute))})
	expect("", api.OK)
	h.Clock.Move(time.Minute)
	expect("", api.APIKeyExpired)
}

// Invariant I4: each change has one record, which names the changed fields but not their values.
func TestAnEditIsOnRecordWithTheNamesOfWhatItChanged(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read")
	for range 2 { // the second changes nothing
		edit := api.UpdateKeyRequest{
			Name: api.To("Another name"), Description: api.To("of the canary"),
			Scopes: api.To([]string{"tenants:read"}),
		}
		if _, err := owner.EditKey(t.Context(), string(tenant.ID), k.Key.ID, edit); err != nil {
			t.Fatal(err)
		}
	}
	edits := testkit.TenantRecords(t, h, tenant, "key.edit")
	if len(edits) != 1 || edits[0].Details["changed"] != "name description scopes" || edits[0].Target.ID != k.Key.ID {
		t.Errorf("on record are %+v", edits)
	}
	for _, r := range edits {
		for _, value := range r.Details {
			if strings.Contains(value, "canary") {
				t.Error("the record shows the description")
			}
		}
	}
}
