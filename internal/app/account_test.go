package app_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAnAccountIsThereForThoseWhoBelongToIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	_, foreign := h.OtherAccount("Foreign Owner")
	account := string(h.Account.ID)
	none := api.NotFound
	for _, c := range []struct {
		name                  string
		who                   *client.Client
		role                  *api.Role
		show, members, rename api.Code
	}{
		{"owner", h.As(h.Owner), new(api.RoleOwner), "", "", ""},
		{"admin", h.As(h.AccountMember("Account Admin", scope.AccountAdmin)), new(api.RoleAdmin), "", "", ""},
		{
			"admin of a tenant", h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), nil, "", api.Forbidden,
			api.Forbidden,
		},
		{"auditor", h.As(h.Member(tenant, "The Auditor", scope.Auditor)), nil, "", api.Forbidden, api.Forbidden},
		{"owner of another", h.As(foreign), nil, none, none, none},
		{
			"key", h.With(h.Key(h.As(h.Member(tenant, "Key Owner", scope.Admin)), tenant, "*")), nil,
			api.SessionRequired,
			api.SessionRequired, api.SessionRequired,
		},
	} {
		shown, err := c.who.Account(t.Context(), account)
		testkit.ExpectCode(t, "show, "+c.name, err, c.show)
		if err == nil && (shown.ID != account || shown.Status != "active" || shown.Number == 0 || !cmp.Equal(shown.Role,
			c.role)) {
			t.Errorf("%s: %+v", c.name, shown)
		}
		_, err = c.who.AccountMembers(t.Context(), account, client.Page{})
		testkit.ExpectCode(t, "members, "+c.name, err, c.members)
		_, err = c.who.AccountEvents(t.Context(), account, client.EventFilter{}, client.Page{})
		testkit.ExpectCode(t, "trail, "+c.name, err, c.members)
		renamed, err := c.who.EditAccount(t.Context(), account,
			api.UpdateAccountRequest{Name: api.To(" Of the " + c.name)})
		testkit.ExpectCode(t, "rename, "+c.name, err, c.rename)
		if err == nil && renamed.Name != "Of the "+c.name {
			t.Errorf("renamed by %s it is %q", c.name, renamed.Name)
		}
		if list, err := c.who.Accounts(t.Context(), client.Page{}); c.show == "" && (err != nil ||
			len(list.Items) != 1 || list.Items[0].ID != account) {
			t.Errorf("list of %s: %+v, %v", c.name, list.Items, err)
		}
	}
	owner := h.As(h.Owner)
	check := testkit.ExpectUnchanged(t, owner, testkit.AccountPath(account), testkit.AccountPath(account)+"/audit")
	for body, want := range map[string]string{
		`{"name":null}`: "name required", `{"name":"a\u0000bc"}`: "name character",
		`{"status":"disabled"}`: "status unknown", `{"name":"ab"}`: "name too_short",
		`{"role":"owner"}`: "role unknown",
	} {
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, owner, http.MethodPatch, testkit.AccountPath(account), body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	testkit.ExpectCode(t, "nothing to change",
		testkit.SendBody(t, owner, http.MethodPatch, testkit.AccountPath(account), `{}`), "")
	check()
}

func TestOnlyAnOwnerMakesOrUnmakesOwnersAndTheLastOneStays(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	boss := h.AccountMember("Account Admin", scope.AccountAdmin)
	member, outsider := h.Member(tenant, "The Member", scope.Admin), h.Person("The Outsider")
	owner := h.As(h.Owner)
	admin := h.As(boss)
	nobody := h.As(member)
	set := func(c *client.Client, p principal.Person, role string) error {
		_, err := c.SetAccountMember(t.Context(), string(h.Account.ID), string(p.ID), api.Role(role))
		return err
	}
	remove := func(c *client.Client, p principal.Person) error {
		return c.RemoveAccountMember(t.Context(), string(h.Account.ID), string(p.ID))
	}
	check := testkit.ExpectUnchanged(t, owner, testkit.AccountPath(h.Account.ID)+"/members",
		testkit.AccountPath(h.Account.ID)+"/audit")
	for name, c := range map[string]struct {
		err  error
		want api.Code
	}{
		"an admin makes themselves owner":     {set(admin, boss, "owner"), api.Forbidden},
		"an admin makes a member owner":       {set(admin, member, "owner"), api.Forbidden},
		"an admin makes an owner admin":       {set(admin, h.Owner, "admin"), api.Forbidden},
		"an admin removes an owner":           {remove(admin, h.Owner), api.Forbidden},
		"a tenant admin makes themselves one": {set(nobody, member, "admin"), api.Forbidden},
		"a tenant admin removes an admin":     {remove(nobody, boss), api.Forbidden},
		"the last owner steps down":           {set(owner, h.Owner, "admin"), api.Conflict},
		"the last owner leaves":               {remove(owner, h.Owner), api.Conflict},
		"a person who belongs nowhere here":   {set(owner, outsider, "admin"), api.NotFound},
		"no person there is": {
			set(owner, principal.Person{ID: "usr_00000000000000000000"}, "admin"),
			api.NotFound,
		},
		"no id of a person":                    {set(owner, principal.Person{ID: "me"}, "admin"), api.NotFound},
		"one who has no role":                  {remove(owner, member), api.NotFound},
		"no role there is":                     {set(owner, member, "root"), api.ValidationFailed},
		"no role at all":                       {set(owner, member, ""), api.ValidationFailed},
		"what they are already":                {set(owner, boss, "admin"), ""},
		"what they are already, by themselves": {set(admin, boss, "admin"), ""},
	} {
		testkit.ExpectCode(t, name, c.err, c.want)
	}
	check()
	made := testkit.Must[api.Member](t)(admin.SetAccountMember(t.Context(), string(h.Account.ID), string(member.ID),
		"admin"))
	raised := testkit.Must[api.Member](t)(owner.SetAccountMember(t.Context(), string(h.Account.ID), string(member.ID),
		"owner"))
	if made.Role != "admin" || raised.Role != "owner" || !made.CreatedAt.Equal(raised.CreatedAt) {
		t.Errorf("made %+v, then %+v", made, raised)
	}
	list := testkit.Must[api.List[api.Member]](t)(owner.AccountMembers(t.Context(), string(h.Account.ID),
		client.Page{}))
	if len(list.Items) != 3 || !cmp.Equal(list.Items[0], raised) {
		t.Errorf("listed is %+v, answered was %+v", list.Items, raised)
	}
	testkit.ExpectCode(t, "the new owner unmakes the old", remove(nobody, h.Owner), "")
	_, err := owner.AccountMembers(t.Context(), string(h.Account.ID), client.Page{})
	testkit.ExpectCode(t, "the old owner", err, api.NotFound)
}

func TestOneOfTwoOwnersStaysHoweverTheyRemoveEachOther(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for range 3 {
		account, one := h.OtherAccount("Owner One")
		two := h.Person("Owner Two")
		if _, err := h.Accounts.SetAccountMember(t.Context(), principal.Operator(), account.ID, two.ID,
			scope.AccountOwner, ""); err != nil {
			t.Fatal(err)
		}
		clients := map[ident.UserID]*client.Client{one.ID: h.As(one), two.ID: h.As(two)}
		other := map[ident.UserID]principal.Person{one.ID: two, two.ID: one}
		var acts []func() error
		for range 8 {
			for id, c := range clients {
				acts = append(acts,
					func() error {
						return c.RemoveAccountMember(t.Context(), string(account.ID), string(other[id].ID))
					})
			}
		}
		if count := testkit.Concurrently(t, acts...); count[""] != 1 {
			t.Errorf("%v, want one removal", count)
		}
		owners := 0
		for _, c := range clients {
			if list, err := c.AccountMembers(t.Context(), string(account.ID), client.Page{}); err == nil &&
				len(list.Items) == 1 && list.Items[0].Role == "owner" {
				owners++
			}
		}
		if owners != 1 {
			t.Errorf("%d owners are left, want 1", owners)
		}
	}
}

func TestAnAccountAdminActsAsAdminInEveryTenantButOwnsNoKeyThere(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	person := h.Member(tenant, "The Member", scope.Member)
	boss := h.AccountMember("Account Admin", scope.AccountAdmin)
	admin := h.As(boss)
	create := func(owner string) (api.IssuedKey, error) {
		return admin.CreateKey(t.Context(), string(tenant.ID),
			api.CreateKeyRequest{
				Name: "A new key", OwnerID: owner, Scopes: []string{"tenants:read"},
				AllApplications: true,
			})
	}
	_, err := create("")
	if got := testkit.FieldErrors(t, err); got != "owner_id not_a_member" {
		t.Errorf("for themselves: %s", got)
	}
	k, err := create(string(person.ID))
	if err != nil || k.Key.CreatedBy.ID != string(boss.ID) {
		t.Errorf("for a member: %+v, %v", k.Key, err)
	}
	testkit.Must[api.Application](t)(admin.CreateApplication(t.Context(), string(tenant.ID),
		api.CreateApplicationRequest{Name: "Orders API"}))
	testkit.Must[api.Member](t)(admin.EditMember(t.Context(), string(tenant.ID), string(person.ID),
		api.UpdateMemberRequest{Role: api.To(api.Role("auditor"))}))
	h.Join(tenant, boss, scope.Auditor) // at worst a member, at best an admin
	own, err := create("")
	if err != nil || own.Key.Owner.ID != string(boss.ID) {
		t.Fatalf("with a membership: %+v, %v", own.Key, err)
	}
	h.Key(admin, tenant, "keys:verify")
	if err := h.As(h.Owner).RemoveAccountMember(t.Context(), string(h.Account.ID), string(boss.ID)); err != nil {
		t.Fatal(err)
	}
	_, err = create(string(person.ID))
	testkit.ExpectCode(t, "once they are no admin", err, api.Forbidden)
	if got := testkit.WhoamiCode(t, h.With(own)); got != "" {
		t.Errorf("their own key: %q", got)
	}
}

// An account that an operator disabled is not found by anybody. Enabled again, it is as before.
func TestADisabledAccountIsGoneUntilItIsEnabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	boss := h.AccountMember("Account Admin", scope.AccountAdmin)
	member := h.Member(tenant, "The Member", scope.Admin)
	owner, colleague := h.As(h.Owner), h.As(member)
	k := h.Key(colleague, tenant, "tenants:read")
	if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
		t.Fatal(got)
	}
	account := testkit.AccountPath(h.Account.ID)
	check := testkit.ExpectUnchanged(t, owner, account+"/members", testkit.TenantPath(tenant.ID),
		testkit.TenantPath(tenant.ID)+"/members")
	if _, err := h.Accounts.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID, true); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client.Client{owner, colleague} {
		for _, r := range [][3]string{
			{http.MethodGet, account},
			{http.MethodPatch, account, `{"name":"Another name"}`},
			{http.MethodGet, account + "/members"},
			{http.MethodPut, account + "/members/" + string(boss.ID), `{"role":"owner"}`},
			{http.MethodPut, account + "/members/" + string(member.ID), `{"role":"admin"}`},
			{http.MethodDelete, account + "/members/" + string(boss.ID)},
			{http.MethodGet, account + "/audit"},
			{
				http.MethodPost, "/api/v1/tenants",
				`{"account_id":"` + string(h.Account.ID) + `","name":"Another tenant","preset":"standard"}`,
			},
			{http.MethodGet, testkit.TenantPath(tenant.ID)},
			{http.MethodPatch, testkit.TenantPath(tenant.ID), `{"name":"Another name"}`},
			{http.MethodGet, testkit.TenantPath(tenant.ID) + "/members"},
			{
				http.MethodPost, testkit.TenantPath(tenant.ID) + "/members",
				`{"email":"eve@claviger.example","role":"member"}`,
			},
			{http.MethodDelete, testkit.TenantPath(tenant.ID) + "/members/" + string(member.ID)},
			{http.MethodGet, testkit.TenantPath(tenant.ID) + "/applications"},
			{http.MethodPost, testkit.TenantPath(tenant.ID) + "/applications", `{"name":"Orders API"}`},
			{http.MethodPut, testkit.TenantPath(tenant.ID) + "/scopes", `{"items":[]}`},
			{http.MethodGet, testkit.TenantPath(tenant.ID) + "/audit"},
		} {
			testkit.ExpectCode(t, r[0]+" "+r[1], testkit.SendBody(t, c, r[0], r[1], r[2]), api.NotFound)
		}
	}
	for name, list := range map[string]string{"accounts": "/api/v1/accounts", "tenants": "/api/v1/tenants"} {
		if got := testkit.GetJSON(t, owner, list); got != `{"items":[],"next_cursor":null}` {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyDisabled {
		t.Errorf("a key: %q", got)
	}
	if _, err := h.Accounts.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID, false); err != nil {
		t.Fatal(err)
	}
	if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
		t.Errorf("a key, afterwards: %q", got)
	}
	check()
	if now := testkit.Must[api.Account](t)(owner.Account(t.Context(),
		string(h.Account.ID))); now.Name != h.Account.Name ||
		now.Status != "active" {
		t.Errorf("afterwards: %+v", now)
	}
}

// An account admin who is not an owner cannot become one, by any route.
func TestNoWayAroundMakesAnOwner(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	boss := h.AccountMember("Account Admin", scope.AccountAdmin)
	admin := h.As(boss)
	for _, r := range [][3]string{
		{http.MethodPost, testkit.TenantPath(tenant.ID) + "/members", `{"email":"` + boss.Email + `","role":"owner"}`},
		{
			http.MethodPost, testkit.TenantPath(tenant.ID) + "/members",
			`{"email":"` + boss.Email + `","role":"admin","account_role":"owner"}`,
		},
		{
			http.MethodPost, testkit.TenantPath(tenant.ID) + "/members",
			`{"email":["` + boss.Email + `","eve@claviger.example"],"role":"admin"}`,
		},
		{
			http.MethodPut, testkit.AccountPath(h.Account.ID) + "/members/" + string(boss.ID),
			`{"role":"admin","owner":true}`,
		},
		{http.MethodPut, testkit.AccountPath(h.Account.ID) + "/members/" + string(boss.ID), `{"role":["owner"]}`},
		{http.MethodPatch, testkit.AccountPath(h.Account.ID), `{"members":[]}`},
		{http.MethodPatch, testkit.AccountPath(h.Account.ID) + "/members/" + string(boss.ID), `{"role":"owner"}`},
		{
			http.MethodPost, testkit.AccountPath(h.Account.ID) + "/members",
			`{"email":"` + boss.Email + `","role":"owner"}`,
		},
	} {
		err := testkit.SendBody(t, admin, r[0], r[1], r[2])
		if code := testkit.Code(t, err); code != api.ValidationFailed && code != api.MethodNotAllowed {
			t.Errorf("%s %s: %q", r[0], r[1], code)
		}
	}
	list := testkit.Must[api.List[api.Account]](t)(admin.Accounts(t.Context(), client.Page{}))
	if *list.Items[0].Role != "admin" {
		t.Errorf("they became %s", *list.Items[0].Role)
	}
}
