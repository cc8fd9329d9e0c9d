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
		role                  *string
		show, members, rename api.Code
	}{
		{"owner", h.As(h.Owner), new("owner"), "", "", ""},
		{"admin", h.As(h.Officer("Account Admin", scope.AccountAdmin)), new("admin"), "", "", ""},
		{"admin of a tenant", h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), nil, "", api.Forbidden, api.Forbidden},
		{"auditor", h.As(h.Member(tenant, "The Auditor", scope.Auditor)), nil, "", api.Forbidden, api.Forbidden},
		{"owner of another", h.As(foreign), nil, none, none, none},
		{"key", h.With(h.Key(h.As(h.Member(tenant, "Key Owner", scope.Admin)), tenant, "*")), nil, api.SessionRequired, api.SessionRequired, api.SessionRequired},
	} {
		shown, err := c.who.Account(t.Context(), account)
		expect(t, "show, "+c.name, err, c.show)
		if err == nil && (shown.ID != account || shown.Status != "active" || shown.Number == 0 || !cmp.Equal(shown.Role, c.role)) {
			t.Errorf("%s: %+v", c.name, shown)
		}
		_, err = c.who.AccountMembers(t.Context(), account, client.Page{})
		expect(t, "members, "+c.name, err, c.members)
		_, err = c.who.AccountEvents(t.Context(), account, client.EventFilter{}, client.Page{})
		expect(t, "trail, "+c.name, err, c.members)
		renamed, err := c.who.EditAccount(t.Context(), account, api.AccountPatch{Name: api.To(" Of the " + c.name)})
		expect(t, "rename, "+c.name, err, c.rename)
		if err == nil && renamed.Name != "Of the "+c.name {
			t.Errorf("renamed by %s it is %q", c.name, renamed.Name)
		}
		if list, err := c.who.Accounts(t.Context(), client.Page{}); c.show == "" && (err != nil || len(list.Items) != 1 || list.Items[0].ID != account) {
			t.Errorf("list of %s: %+v, %v", c.name, list.Items, err)
		}
	}
	owner := h.As(h.Owner)
	check := unchanged(t, owner, accountURL(account), accountURL(account)+"/audit")
	for body, want := range map[string]string{
		`{"name":null}`: "name required", `{"name":"a\u0000bc"}`: "name character", `{"status":"disabled"}`: "status unknown", `{"name":"ab"}`: "name too_short", `{"role":"owner"}`: "role unknown",
	} {
		if got := fieldsAtFault(t, tell(t, owner, http.MethodPatch, accountURL(account), body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	expect(t, "nothing to change", tell(t, owner, http.MethodPatch, accountURL(account), `{}`), "")
	check()
}

func TestOnlyAnOwnerMakesOrUnmakesOwnersAndTheLastOneStays(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	boss := h.Officer("Account Admin", scope.AccountAdmin)
	member, outsider := h.Member(tenant, "The Member", scope.Admin), h.Person("The Outsider")
	owner, admin, nobody := h.As(h.Owner), h.As(boss), h.As(member)
	set := func(c *client.Client, p principal.Person, role string) error {
		_, err := c.SetAccountMember(t.Context(), string(h.Account.ID), string(p.ID), role)
		return err
	}
	remove := func(c *client.Client, p principal.Person) error {
		return c.RemoveAccountMember(t.Context(), string(h.Account.ID), string(p.ID))
	}
	check := unchanged(t, owner, accountURL(h.Account.ID)+"/members", accountURL(h.Account.ID)+"/audit")
	for name, c := range map[string]struct {
		err  error
		want api.Code
	}{
		"an admin makes themselves owner":      {set(admin, boss, "owner"), api.Forbidden},
		"an admin makes a member owner":        {set(admin, member, "owner"), api.Forbidden},
		"an admin makes an owner admin":        {set(admin, h.Owner, "admin"), api.Forbidden},
		"an admin removes an owner":            {remove(admin, h.Owner), api.Forbidden},
		"a tenant admin makes themselves one":  {set(nobody, member, "admin"), api.Forbidden},
		"a tenant admin removes an admin":      {remove(nobody, boss), api.Forbidden},
		"the last owner steps down":            {set(owner, h.Owner, "admin"), api.Conflict},
		"the last owner leaves":                {remove(owner, h.Owner), api.Conflict},
		"a person who belongs nowhere here":    {set(owner, outsider, "admin"), api.NotFound},
		"no person there is":                   {set(owner, principal.Person{ID: "usr_00000000000000000000"}, "admin"), api.NotFound},
		"no id of a person":                    {set(owner, principal.Person{ID: "me"}, "admin"), api.NotFound},
		"one who has no role":                  {remove(owner, member), api.NotFound},
		"no role there is":                     {set(owner, member, "root"), api.ValidationFailed},
		"no role at all":                       {set(owner, member, ""), api.ValidationFailed},
		"what they are already":                {set(owner, boss, "admin"), ""},
		"what they are already, by themselves": {set(admin, boss, "admin"), ""},
	} {
		expect(t, name, c.err, c.want)
	}
	check()
	made := must[api.Member](t)(admin.SetAccountMember(t.Context(), string(h.Account.ID), string(member.ID), "admin"))
	raised := must[api.Member](t)(owner.SetAccountMember(t.Context(), string(h.Account.ID), string(member.ID), "owner"))
	if made.Role != "admin" || raised.Role != "owner" || !made.CreatedAt.Equal(raised.CreatedAt) {
		t.Errorf("made %+v, then %+v", made, raised)
	}
	list := must[api.List[api.Member]](t)(owner.AccountMembers(t.Context(), string(h.Account.ID), client.Page{}))
	if len(list.Items) != 3 || !cmp.Equal(list.Items[0], raised) {
		t.Errorf("listed is %+v, answered was %+v", list.Items, raised)
	}
	expect(t, "the new owner unmakes the old", remove(nobody, h.Owner), "")
	_, err := owner.AccountMembers(t.Context(), string(h.Account.ID), client.Page{})
	expect(t, "the old owner", err, api.NotFound)
}

func TestOneOfTwoOwnersStaysHoweverTheyRemoveEachOther(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for range 3 {
		account, one := h.OtherAccount("Owner One")
		two := h.Person("Owner Two")
		if _, err := h.Tenancy.SetStanding(t.Context(), principal.Operator(), account.ID, two.ID, scope.AccountOwner); err != nil {
			t.Fatal(err)
		}
		clients := map[ident.UserID]*client.Client{one.ID: h.As(one), two.ID: h.As(two)}
		other := map[ident.UserID]principal.Person{one.ID: two, two.ID: one}
		var acts []func() error
		for range 8 {
			for id, c := range clients {
				acts = append(acts, func() error { return c.RemoveAccountMember(t.Context(), string(account.ID), string(other[id].ID)) })
			}
		}
		if count := atOnce(t, acts...); count[""] != 1 {
			t.Errorf("%v, want one removal", count)
		}
		owners := 0
		for _, c := range clients {
			if list, err := c.AccountMembers(t.Context(), string(account.ID), client.Page{}); err == nil && len(list.Items) == 1 && list.Items[0].Role == "owner" {
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
	boss := h.Officer("Account Admin", scope.AccountAdmin)
	admin := h.As(boss)
	create := func(owner string) (api.IssuedKey, error) {
		return admin.CreateKey(t.Context(), string(tenant.ID), api.NewKey{Name: "A new key", OwnerID: owner, Scopes: []string{"tenants:read"}, AllApplications: true})
	}
	_, err := create("")
	if got := fieldsAtFault(t, err); got != "owner_id not_a_member" {
		t.Errorf("for themselves: %s", got)
	}
	k, err := create(string(person.ID))
	if err != nil || k.Key.CreatedBy.ID != string(boss.ID) {
		t.Errorf("for a member: %+v, %v", k.Key, err)
	}
	must[api.Application](t)(admin.CreateApplication(t.Context(), string(tenant.ID), api.NewApplication{Name: "Orders API"}))
	must[api.Member](t)(admin.EditMember(t.Context(), string(tenant.ID), string(person.ID), api.MemberPatch{Role: api.To("auditor")}))
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
	expect(t, "once they are no admin", err, api.Forbidden)
	if got := codeOf(t, h.With(own)); got != "" {
		t.Errorf("their own key: %q", got)
	}
}

// An account that an operator disabled is gone for everybody, and comes back as it was.
func TestADisabledAccountIsGoneUntilItIsEnabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	boss := h.Officer("Account Admin", scope.AccountAdmin)
	member := h.Member(tenant, "The Member", scope.Admin)
	owner, colleague := h.As(h.Owner), h.As(member)
	k := h.Key(colleague, tenant, "tenants:read")
	if got := codeOf(t, h.With(k)); got != "" {
		t.Fatal(got)
	}
	account := accountURL(h.Account.ID)
	check := unchanged(t, owner, account+"/members", tenantURL(tenant.ID), tenantURL(tenant.ID)+"/members")
	if _, err := h.Tenancy.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID, true); err != nil {
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
			{http.MethodPost, "/api/v1/tenants", `{"account_id":"` + string(h.Account.ID) + `","name":"Another tenant","preset":"standard"}`},
			{http.MethodGet, tenantURL(tenant.ID)},
			{http.MethodPatch, tenantURL(tenant.ID), `{"name":"Another name"}`},
			{http.MethodGet, tenantURL(tenant.ID) + "/members"},
			{http.MethodPost, tenantURL(tenant.ID) + "/members", `{"email":"eve@claviger.example","role":"member"}`},
			{http.MethodDelete, tenantURL(tenant.ID) + "/members/" + string(member.ID)},
			{http.MethodGet, tenantURL(tenant.ID) + "/applications"},
			{http.MethodPost, tenantURL(tenant.ID) + "/applications", `{"name":"Orders API"}`},
			{http.MethodPut, tenantURL(tenant.ID) + "/scopes", `{"items":[]}`},
			{http.MethodGet, tenantURL(tenant.ID) + "/audit"},
		} {
			expect(t, r[0]+" "+r[1], tell(t, c, r[0], r[1], r[2]), api.NotFound)
		}
	}
	for name, list := range map[string]string{"accounts": "/api/v1/accounts", "tenants": "/api/v1/tenants"} {
		if got := raw(t, owner, list); got != `{"items":[],"next_cursor":null}` {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := codeOf(t, h.With(k)); got != api.APIKeyDisabled {
		t.Errorf("a key: %q", got)
	}
	if _, err := h.Tenancy.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID, false); err != nil {
		t.Fatal(err)
	}
	if got := codeOf(t, h.With(k)); got != "" {
		t.Errorf("a key, afterwards: %q", got)
	}
	check()
	if now := must[api.Account](t)(owner.Account(t.Context(), string(h.Account.ID))); now.Name != h.Account.Name || now.Status != "active" {
		t.Errorf("afterwards: %+v", now)
	}
}

// An account admin who is no owner cannot become one by any way around.
func TestNoWayAroundMakesAnOwner(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	boss := h.Officer("Account Admin", scope.AccountAdmin)
	admin := h.As(boss)
	for _, r := range [][3]string{
		{http.MethodPost, tenantURL(tenant.ID) + "/members", `{"email":"` + boss.Email + `","role":"owner"}`},
		{http.MethodPost, tenantURL(tenant.ID) + "/members", `{"email":"` + boss.Email + `","role":"admin","account_role":"owner"}`},
		{http.MethodPost, tenantURL(tenant.ID) + "/members", `{"email":["` + boss.Email + `","eve@claviger.example"],"role":"admin"}`},
		{http.MethodPut, accountURL(h.Account.ID) + "/members/" + string(boss.ID), `{"role":"admin","owner":true}`},
		{http.MethodPut, accountURL(h.Account.ID) + "/members/" + string(boss.ID), `{"role":["owner"]}`},
		{http.MethodPatch, accountURL(h.Account.ID), `{"members":[]}`},
		{http.MethodPatch, accountURL(h.Account.ID) + "/members/" + string(boss.ID), `{"role":"owner"}`},
		{http.MethodPost, accountURL(h.Account.ID) + "/members", `{"email":"` + boss.Email + `","role":"owner"}`},
	} {
		err := tell(t, admin, r[0], r[1], r[2])
		if code := testkit.Code(t, err); code != api.ValidationFailed && code != api.MethodNotAllowed {
			t.Errorf("%s %s: %q", r[0], r[1], code)
		}
	}
	list := must[api.List[api.Account]](t)(admin.Accounts(t.Context(), client.Page{}))
	if *list.Items[0].Role != "admin" {
		t.Errorf("they became %s", *list.Items[0].Role)
	}
}
