package tenancy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestATenantBeginsWithItsPresetsColumnOfTheTable(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner := h.As(h.Owner)
	for preset, want := range testkit.PresetSettings {
		made, err := owner.CreateTenant(t.Context(),
			api.CreateTenantRequest{Name: "  A " + preset + "  ", Preset: api.Preset(preset)})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, made.Settings); diff != "" {
			t.Errorf("%s:\n%s", preset, diff)
		}
		if made.AccountID != string(h.Account.ID) || made.Name != "A "+preset || made.Preset != api.Preset(preset) ||
			made.Status != "active" || len(made.ID) > 20 || made.Number == 0 {
			t.Errorf("%+v", made)
		}
		shown, err := owner.Tenant(t.Context(), made.ID)
		if err != nil || !cmp.Equal(made, shown) {
			t.Errorf("%s is shown otherwise: %v\n%s", preset, err, cmp.Diff(made, shown))
		}
		members, err := owner.Members(t.Context(), made.ID, client.Page{})
		if err != nil || len(members.Items) != 1 || members.Items[0].User.ID != string(h.Owner.ID) ||
			members.Items[0].Role != "admin" {
			t.Errorf("the creator is not its first admin: %+v, %v", members.Items, err)
		}
	}
	text := testkit.GetJSON(t, owner, "/api/v1/tenants?limit=1")
	for _, null := range []string{`"idle_days":null`, `"requests_per_minute":null`} {
		if !strings.Contains(text, null) {
			t.Errorf("no %s in %s", null, text)
		}
	}
}

func TestOnlyOwnersAndAdminsOfTheAccountMakeAndChangeTenants(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, elsewhere := h.Tenant("Main tenant", nil), h.Tenant("Elsewhere", nil)
	_, foreign := h.OtherAccount("Foreign Owner")
	admin := h.Member(tenant, "Tenant Admin", scope.Admin)
	key, err := h.As(admin).CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{Name: "Every scope", Scopes: []string{"*"}, AllApplications: true})
	if err != nil {
		t.Fatal(err)
	}
	owner := h.As(h.Owner)
	cases := []struct {
		name          string
		who           *client.Client
		makes, change api.Code
	}{
		{"an owner of the account", owner, "", ""},
		{"an admin of the account", h.As(h.AccountMember("Account Admin", scope.AccountAdmin)), "", ""},
		{"an admin of the tenant", h.As(admin), api.Forbidden, api.Forbidden},
		{"a member", h.As(h.Member(tenant, "The Member", scope.Member)), api.Forbidden, api.Forbidden},
		{"an auditor", h.As(h.Member(tenant, "The Auditor", scope.Auditor)), api.Forbidden, api.Forbidden},
		{
			"an admin of another tenant", h.As(h.Member(elsewhere, "Other Admin", scope.Admin)), api.Forbidden,
			api.NotFound,
		},
		{"the owner of another account", h.As(foreign), api.NotFound, api.NotFound},
		{"a person of no account", h.As(h.Person("Nobody's")), api.NotFound, api.NotFound},
		{"a key", h.With(key), api.SessionRequired, api.SessionRequired},
		{"nobody", h.Anyone(), api.APIKeyInvalid, api.APIKeyInvalid},
	}
	for i, c := range cases {
		check := func() {}
		if c.change != "" {
			check = testkit.ExpectUnchanged(t, owner, "/api/v1/tenants", testkit.AccountPath(h.Account.ID)+"/audit")
		}
		_, err := c.who.CreateTenant(t.Context(),
			api.CreateTenantRequest{AccountID: string(h.Account.ID), Name: "Another tenant", Preset: "standard"})
		testkit.ExpectCode(t, c.name+" makes one", err, c.makes)
		name := fmt.Sprint("Name ", i)
		_, err = c.who.EditTenant(t.Context(), string(tenant.ID),
			api.UpdateTenantRequest{Name: api.To(name), Settings: &api.SettingsPatch{KeysPerUser: api.To(3 + i)}})
		testkit.ExpectCode(t, c.name+" changes one", err, c.change)
		check()
	}
}

func TestATenantIsMadeInTheOneAccountThatItsMakerRuns(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	member := h.As(h.Member(h.Tenant("Main tenant", nil), "The Member", scope.Member))
	_, err := member.CreateTenant(t.Context(), api.CreateTenantRequest{Name: "Another tenant", Preset: "standard"})
	testkit.ExpectCode(t, "a person who runs no account", err, api.Forbidden)
	owner := h.As(h.Owner)
	for body, want := range map[string]string{
		`{"name":"Another tenant","preset":"standard","account_id":"x"}`:          "account_id form",
		`{"name":"Another tenant","preset":"unkey"}`:                              "preset unknown",
		`{"name":"Another tenant"}`:                                               "preset unknown",
		`{"name":"ab","preset":"standard"}`:                                       "name too_short",
		`{"name":"ab\u202ecd","preset":"standard"}`:                               "name character",
		`{"name":"ab\u0007cd","preset":"standard"}`:                               "name character",
		`{"name":"Another tenant","preset":"standard","settings":{}}`:             "settings unknown",
		`{"name":"Another tenant","preset":"standard","id":"ten_1"}`:              "id unknown",
		`{"name":["Another tenant"],"preset":"standard"}`:                         "name type",
		`{"name":"` + strings.Repeat("x", 65) + `","preset":"standard"}`:          "name too_long",
		`{"name":"Another tenant","preset":"standard","status":"disabled"}`:       "status unknown",
		`{"name":"Another tenant","preset":"standard","account_id":"acc_\u0000"}`: "account_id form",
	} {
		check := testkit.ExpectUnchanged(t, owner, "/api/v1/tenants")
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, owner, http.MethodPost, "/api/v1/tenants", body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
		check()
	}
	other, _ := h.OtherAccount("Other Owner")
	if _, err := h.Accounts.SetAccountMember(t.Context(), principal.Operator(), other.ID, h.Owner.ID,
		scope.AccountAdmin, ""); err != nil {
		t.Fatal(err)
	}
	_, err = owner.CreateTenant(t.Context(), api.CreateTenantRequest{Name: "Another tenant", Preset: "standard"})
	if got := testkit.FieldErrors(t, err); got != "account_id required" {
		t.Errorf("a person who runs two accounts: %s", got)
	}
	made, err := owner.CreateTenant(t.Context(),
		api.CreateTenantRequest{AccountID: string(other.ID), Name: "Another tenant", Preset: "standard"})
	if err != nil || made.AccountID != string(other.ID) {
		t.Errorf("in the account named: %+v, %v", made, err)
	}
}

func TestADisabledTenantIsThereForThoseAloneWhoMayEnableIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	officers := map[string]*client.Client{
		"owner":         h.As(h.Owner),
		"account admin": h.As(h.AccountMember("Account Admin", scope.AccountAdmin)),
	}
	k := h.Key(admin, tenant, "tenants:read")
	off, err := officers["account admin"].EditTenant(t.Context(), string(tenant.ID),
		api.UpdateTenantRequest{Status: api.To(api.Status("disabled"))})
	if err != nil || off.Status != "disabled" {
		t.Fatalf("%+v, %v", off, err)
	}
	if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyDisabled {
		t.Errorf("a key of it: %q", got)
	}
	for name, err := range map[string]error{
		"see":    admin.Do(t.Context(), http.MethodGet, testkit.TenantPath(tenant.ID), nil, nil),
		"keys":   admin.Do(t.Context(), http.MethodGet, testkit.TenantPath(tenant.ID)+"/keys", nil, nil),
		"scopes": testkit.SendBody(t, admin, http.MethodPut, testkit.TenantPath(tenant.ID)+"/scopes", `{"items":[]}`),
		"enable": testkit.SendBody(t, admin, http.MethodPatch, testkit.TenantPath(tenant.ID), `{"status":"active"}`),
		"invite": testkit.SendBody(t, admin, http.MethodPost, testkit.TenantPath(tenant.ID)+"/members",
			`{"email":"eve@claviger.example","role":"member"}`),
	} {
		testkit.ExpectCode(t, name+", for an admin of it", err, api.NotFound)
	}
	if list := testkit.Must[api.List[api.Tenant]](t)(admin.Tenants(t.Context(), client.Page{})); len(list.Items) != 0 {
		t.Errorf("a member's list: %+v", list.Items)
	}
	for name, c := range officers {
		list := testkit.Must[api.List[api.Tenant]](t)(c.Tenants(t.Context(), client.Page{}))
		if !slices.ContainsFunc(list.Items,
			func(t api.Tenant) bool { return t.ID == off.ID && t.Status == "disabled" }) {
			t.Errorf("not in the list of the %s: %+v", name, list.Items)
		}
		_, err := c.CreateKey(t.Context(), string(tenant.ID),
			api.CreateKeyRequest{
				Name: "Another key", OwnerID: k.Key.Owner.ID, Scopes: []string{"tenants:read"},
				AllApplications: true,
			})
		testkit.ExpectCode(t, name+" makes a key", err, api.Conflict)
	}
	for range 2 { // the second time there is nothing to do
		on := testkit.Must[api.Tenant](t)(officers["owner"].EditTenant(t.Context(), string(tenant.ID),
			api.UpdateTenantRequest{Status: api.To(api.Status("active"))}))
		if on.Status != "active" {
			t.Errorf("enabled it is %s", on.Status)
		}
	}
	if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
		t.Errorf("a key of the enabled tenant: %q", got)
	}
}

// What is disabled anywhere above a key disables the key: key, membership, tenant, account, in
// every combination.
func TestAKeyWorksOnlyWhileEverythingAboveItIsLive(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	account, owner := h.OtherAccount("Other Owner")
	officer := h.As(owner)
	made, err := h.Tenancy.CreateTenant(t.Context(), principal.Operator(), account.ID, "Main tenant", policy.Standard,
		nil)
	if err != nil {
		t.Fatal(err)
	}
	person, tenant := h.Member(made, "Key Owner", scope.Member), string(made.ID)
	k := h.Key(h.As(person), made, "tenants:read")
	// runs the key's account too, by an account that stays live
	watcher := h.AccountMember("The Watcher", scope.AccountAdmin)
	if _, err := h.Accounts.SetAccountMember(t.Context(), principal.Operator(), account.ID, watcher.ID,
		scope.AccountAdmin, ""); err != nil {
		t.Fatal(err)
	}
	switches := []struct {
		name string
		set  func(off bool) error
	}{
		{"key", func(off bool) error {
			return officer.Do(t.Context(), http.MethodPost,
				testkit.TenantPath(tenant)+"/keys/"+k.Key.ID+map[bool]string{true: "/disable", false: "/enable"}[off],
				nil, nil)
		}},
		{"membership", func(off bool) error {
			_, err := officer.EditMember(t.Context(), tenant, string(person.ID),
				api.UpdateMemberRequest{Status: api.To(api.Status(status(off)))})
			return err
		}},
		{"tenant", func(off bool) error {
			_, err := officer.EditTenant(t.Context(), tenant,
				api.UpdateTenantRequest{Status: api.To(api.Status(status(off)))})
			return err
		}},
		{"account", func(off bool) error {
			_, err := h.Accounts.SetAccountDisabled(t.Context(), principal.Operator(), account.ID, off)
			return err
		}},
	}
	for set := range 1 << len(switches) {
		var disabled []string
		for i, s := range switches { // from below: what is above removes the admin's own rights
			if set>>i&1 == 1 {
				disabled = append(disabled, s.name)
				testkit.ExpectCode(t, "disable "+s.name, s.set(true), "")
			}
		}
		want := api.APIKeyDisabled
		if set == 0 {
			want = ""
		}
		if got := testkit.WhoamiCode(t, h.With(k)); got != want {
			t.Errorf("disabled %v: %q, want %q", disabled, got, want)
		}
		if want == "" {
			want = api.OK
		}
		d, err := h.As(watcher).Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
		if set>>3&1 == 1 {
			want = api.APIKeyInvalid // a disabled account has nobody who runs it
		}
		if err != nil || d.Code != want || d.Active != (want == api.OK) {
			t.Errorf("disabled %v: verify answers %+v, %v", disabled, d, err)
		}
		for i, s := range slices.Backward(switches) {
			if set>>i&1 == 1 {
				testkit.ExpectCode(t, "enable "+s.name, s.set(false), "")
			}
		}
	}
}

func status(off bool) string {
	if off {
		return "disabled"
	}
	return "active"
}

func TestTenantsAreListedNewestFirstToThoseWhoSeeThem(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	one := h.Tenant("Tenant one", nil)
	two := h.Tenant("Tenant two", nil)
	three := h.Tenant("Tenant three", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person := h.Member(one, "The Member", scope.Member)
	h.Join(three, person, scope.Admin)
	member := h.As(person)
	key := h.With(h.Key(member, three, "tenants:read"))
	_, foreign := h.OtherAccount("Foreign Owner")
	for name, c := range map[string]struct {
		who  *client.Client
		want []string
	}{
		"an owner": {h.As(h.Owner), []string{three.Name, two.Name, one.Name}},
		"a member": {member, []string{three.Name, one.Name}},
		"a key":    {key, []string{three.Name}},
		"outsider": {h.As(foreign), nil},
	} {
		var names []string
		for page := (client.Page{Limit: 1}); ; {
			list := testkit.Must[api.List[api.Tenant]](t)(c.who.Tenants(t.Context(), page))
			for _, t := range list.Items {
				names = append(names, t.Name)
			}
			if list.NextCursor == nil {
				break
			}
			page.Cursor = *list.NextCursor
		}
		if diff := cmp.Diff(c.want, names); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	_, err := key.Tenant(t.Context(), string(one.ID))
	testkit.ExpectCode(t, "a key reads another tenant of its owner", err, api.NotFound)
	unscoped := h.With(h.Key(member, three, "applications:read"))
	_, err = unscoped.Tenants(t.Context(), client.Page{})
	testkit.ExpectCode(t, "a key without the scope", err, api.InsufficientScope)
}
