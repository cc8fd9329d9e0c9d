package tenancy_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestMembersAreSeenByMembersAndChangedByAdmins(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, elsewhere := h.Tenant("Main tenant", nil), h.Tenant("Elsewhere", nil)
	admin, target := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "The Target", scope.Member)
	_, foreign := h.OtherAccount("Foreign Owner")
	owner := h.As(h.Owner)
	for _, c := range []struct {
		name         string
		who          *client.Client
		sees, change api.Code
	}{
		{"an account owner", owner, "", ""},
		{"an admin", h.As(admin), "", ""},
		{"a member", h.As(h.Member(tenant, "The Member", scope.Member)), "", api.Forbidden},
		{"an auditor", h.As(h.Member(tenant, "The Auditor", scope.Auditor)), "", api.Forbidden},
		{"another tenant's admin", h.As(h.Member(elsewhere, "Other Admin", scope.Admin)), api.NotFound, api.NotFound},
		{"another account's owner", h.As(foreign), api.NotFound, api.NotFound},
		{"a key with every scope", h.With(h.Key(h.As(admin), tenant, "*")), "", api.SessionRequired},
		{
			"a key without members:read", h.With(h.Key(h.As(admin), tenant, "tenants:read")), api.InsufficientScope,
			api.SessionRequired,
		},
	} {
		check := func() {}
		if c.change != "" {
			check = testkit.ExpectUnchanged(t, owner, testkit.TenantPath(tenant.ID)+"/members",
				testkit.TenantPath(tenant.ID)+"/audit")
		}
		_, err := c.who.Members(t.Context(), string(tenant.ID), client.Page{})
		testkit.ExpectCode(t, c.name+" lists", err, c.sees)
		for _, role := range []string{"auditor", "member"} {
			m, err := c.who.EditMember(t.Context(), string(tenant.ID), string(target.ID),
				api.UpdateMemberRequest{Role: api.To(api.Role(role))})
			testkit.ExpectCode(t, c.name+" changes", err, c.change)
			if err == nil && m.Role != api.Role(role) {
				t.Errorf("%+v, want %s", m, role)
			}
		}
		_, err = c.who.Invite(t.Context(), string(tenant.ID),
			api.CreateInvitationRequest{Email: "eve@claviger.example", Role: "admin"})
		testkit.ExpectCode(t, c.name+" invites", err, c.change)
		if c.change != "" {
			testkit.ExpectCode(t, c.name+" removes",
				c.who.RemoveMember(t.Context(), string(tenant.ID), string(target.ID)),
				c.change)
		}
		check()
	}
	check := testkit.ExpectUnchanged(t, owner, testkit.TenantPath(tenant.ID)+"/members",
		testkit.TenantPath(tenant.ID)+"/audit",
		testkit.TenantPath(elsewhere.ID)+"/members")
	path := testkit.TenantPath(tenant.ID) + "/members/"
	for body, want := range map[string]string{
		`{"role":"owner"}`: "role unknown", `{"role":null}`: "role required", `{"status":"gone"}`: "status unknown",
		`{"status":null}`:            "status required",
		`{"role":"admin","user":{}}`: "user unknown", `{"email":"eve@claviger.example"}`: "email unknown",
		`{"role":["admin"]}`: "role type",
	} {
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, h.As(admin), http.MethodPatch, path+string(target.ID), body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	for _, id := range []string{"x", "Me", "%00", string(foreign.ID), "usr_00000000000000000000", string(tenant.ID)} {
		testkit.ExpectCode(t, "change "+id,
			testkit.SendBody(t, h.As(admin), http.MethodPatch, path+id, `{"role":"auditor"}`), api.NotFound)
		testkit.ExpectCode(t, "remove "+id, testkit.SendBody(t, h.As(admin), http.MethodDelete, path+id, ""),
			api.NotFound)
	}
	testkit.ExpectCode(t, "nothing to change",
		testkit.SendBody(t, h.As(admin), http.MethodPatch, path+string(target.ID),
			`{"role":"member","status":"active"}`), "")
	check()
}

// How people sign in is for the sessions of admins: it tells an attacker whom to attack.
func TestAdminsAloneLearnHowMembersSignIn(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	admin, careful := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "Careful", scope.Member)
	h.Member(tenant, "Never here", scope.Member)
	member := h.As(careful)
	h.SetUpFactor(member)
	seen := h.Clock.Now()
	h.Clock.Move(time.Hour)
	for who, c := range map[string]*client.Client{
		"a member": member, "an auditor": h.As(h.Member(tenant, "Auditor", scope.Auditor)),
		"a key of an admin": h.With(h.Key(h.As(admin), tenant, "*")),
	} {
		list, err := c.Members(t.Context(), string(tenant.ID), client.Page{})
		for _, m := range testkit.Must[api.List[api.Member]](t)(list, err).Items {
			if m.SecondFactor != nil || m.LastSeenAt != nil {
				t.Errorf("%s sees %+v", who, m)
			}
		}
	}
	list, err := h.As(h.Owner).Members(t.Context(), string(tenant.ID), client.Page{})
	for _, m := range testkit.Must[api.List[api.Member]](t)(list, err).Items {
		is, never := m.User.ID == string(careful.ID), *m.User.Name == "Never here"
		if m.SecondFactor == nil || *m.SecondFactor != is || (m.LastSeenAt == nil) != never ||
			is && m.LastSeenAt.Before(seen.Truncate(time.Microsecond)) {
			t.Errorf("an owner sees %+v", m)
		}
	}
	m, err := h.As(admin).EditMember(t.Context(), string(tenant.ID), string(careful.ID),
		api.UpdateMemberRequest{Role: api.To(api.RoleAuditor)})
	testkit.NoError(t, err)
	if m.SecondFactor == nil || !*m.SecondFactor || m.LastSeenAt == nil {
		t.Errorf("after a change an admin sees %+v", m)
	}
}

func TestTheLastAdminOfATenantStays(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	first := h.Member(tenant, "First Admin", scope.Admin)
	h.Member(tenant, "The Member", scope.Member)
	owner := h.As(h.Owner) // who acts as admin, but is none of the tenant's
	edit := func(p principal.Person, patch api.UpdateMemberRequest) error {
		_, err := owner.EditMember(t.Context(), string(tenant.ID), string(p.ID), patch)
		return err
	}
	refusals := func() {
		t.Helper()
		check := testkit.ExpectUnchanged(t, owner, testkit.TenantPath(tenant.ID)+"/members")
		testkit.ExpectCode(t, "made a member", edit(first, api.UpdateMemberRequest{Role: api.To(api.Role("member"))}),
			api.Conflict)
		testkit.ExpectCode(t, "disabled", edit(first, api.UpdateMemberRequest{Status: api.To(api.Status("disabled"))}),
			api.Conflict)
		testkit.ExpectCode(t, "removed", owner.RemoveMember(t.Context(), string(tenant.ID), string(first.ID)),
			api.Conflict)
		check()
	}
	refusals()
	second := h.Member(tenant, "Second Admin", scope.Admin)
	testkit.ExpectCode(t, "disable the second",
		edit(second, api.UpdateMemberRequest{Status: api.To(api.Status("disabled"))}), "")
	refusals() // a disabled admin is none
	testkit.ExpectCode(t, "enable the second",
		edit(second, api.UpdateMemberRequest{Status: api.To(api.Status("active"))}), "")
	testkit.ExpectCode(t, "lower the first", edit(first, api.UpdateMemberRequest{Role: api.To(api.Role("auditor"))}),
		"")
	testkit.ExpectCode(t, "remove the first", owner.RemoveMember(t.Context(), string(tenant.ID), string(first.ID)), "")
}

func TestOneOfTwoAdminsStaysHoweverTheyUnmakeEachOther(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for range 3 {
		tenant := h.Tenant("Main tenant", nil)
		one, two := h.Member(tenant, "Admin One", scope.Admin), h.Member(tenant, "Admin Two", scope.Admin)
		clients := map[ident.UserID]*client.Client{one.ID: h.As(one), two.ID: h.As(two)}
		other := map[ident.UserID]principal.Person{one.ID: two, two.ID: one}
		var acts []func() error
		for i := range 8 {
			for id, c := range clients {
				acts = append(acts, func() (err error) {
					switch i % 3 {
					case 0:
						return c.RemoveMember(t.Context(), string(tenant.ID), string(other[id].ID))
					case 1:
						_, err = c.EditMember(t.Context(), string(tenant.ID), string(other[id].ID),
							api.UpdateMemberRequest{Status: api.To(api.Status("disabled"))})
					default:
						_, err = c.EditMember(t.Context(), string(tenant.ID), string(id),
							api.UpdateMemberRequest{Role: api.To(api.Role("member"))})
					}
					return err
				})
			}
		}
		count := testkit.Concurrently(t, acts...)
		admins := 0
		for _, m := range testkit.Must[api.List[api.Member]](t)(h.As(h.Owner).Members(t.Context(), string(tenant.ID),
			client.Page{})).Items {
			if m.Role == "admin" && m.Status == "active" {
				admins++
			}
		}
		if admins != 1 || count[api.Internal]+count[api.Unavailable] > 0 {
			t.Errorf("%d admins are left, want 1: %v", admins, count)
		}
	}
}

// Removing a member revokes their keys in the same transaction, and joining again revives none.
func TestAMembersKeysEndWithTheMembershipForGood(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for mode, want := range map[policy.RevokeMode]api.Code{
		policy.Tombstone: api.APIKeyRevoked,
		policy.Delete:    api.APIKeyInvalid,
	} {
		t.Run(string(mode), func(t *testing.T) {
			tenant, other := h.Tenant("Main tenant", func(s *policy.Settings) { s.RevokeMode = mode }),
				h.Tenant("Other tenant", nil)
			admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
			person, stays := h.Member(tenant, "Key Owner", scope.Member), h.Member(tenant, "The Other", scope.Member)
			h.Join(other, person, scope.Member)
			gone := []api.IssuedKey{
				h.Key(h.As(person), tenant, "tenants:read"),
				h.Key(h.As(person), tenant, "tenants:read"),
			}
			live := []api.IssuedKey{
				h.Key(h.As(person), other, "tenants:read"),
				h.Key(h.As(stays), tenant, "tenants:read"),
			}
			for _, k := range append(live, gone...) { // known to the cache
				if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
					t.Fatal(got)
				}
			}
			testkit.Must[api.Key](t)(admin.DisableKey(t.Context(), string(tenant.ID), gone[1].Key.ID))
			if err := admin.RemoveMember(t.Context(), string(tenant.ID), string(person.ID)); err != nil {
				t.Fatal(err)
			}
			codes := func(when string) {
				t.Helper()
				for _, k := range gone {
					if got := testkit.WhoamiCode(t, h.With(k)); got != want {
						t.Errorf("%s: %q, want %q", when, got, want)
					}
				}
				for _, k := range live {
					if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
						t.Errorf("%s, a key of another tenant or member: %q", when, got)
					}
				}
			}
			codes("after the removal")
			_, err := h.As(person).Tenant(t.Context(), string(tenant.ID))
			testkit.ExpectCode(t, "the tenant, to them", err, api.NotFound)
			testkit.ExpectCode(t, "removed again",
				admin.RemoveMember(t.Context(), string(tenant.ID), string(person.ID)),
				api.NotFound)
			h.Join(tenant, person, scope.Admin)
			codes("after joining again")
			h.Key(h.As(person), tenant, "tenants:read") // the slots are free
			h.Key(h.As(person), tenant, "tenants:read")
			events := testkit.Must[api.List[api.Event]](t)(admin.TenantEvents(t.Context(), string(tenant.ID),
				client.EventFilter{}, client.Page{}))
			for _, event := range events.Items {
				if event.Action == "member.remove" && (event.Details["keys_revoked"] != "2" ||
					*event.Target.ID != string(person.ID)) {
					t.Errorf("the record of it: %+v", event)
				}
			}
		})
	}
}

// While a member is being removed nobody makes a key for them that stays.
func TestNoKeyOutlivesTheRemovalOfItsOwner(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	removes, creates := h.As(h.Member(tenant, "First Admin", scope.Admin)),
		h.As(h.Member(tenant, "Second Admin", scope.Admin))
	for range 8 {
		person := h.Member(tenant, "Key Owner", scope.Member)
		self := h.As(person)
		acts := []func() error{func() error {
			return removes.RemoveMember(t.Context(), string(tenant.ID), string(person.ID))
		}}
		made := make(chan api.IssuedKey, 8)
		for i := range cap(made) {
			maker := []*client.Client{creates, self}[i%2]
			acts = append(acts, func() error {
				k, err := maker.CreateKey(t.Context(), string(tenant.ID),
					api.CreateKeyRequest{
						Name: "Raced key", OwnerID: string(person.ID), Scopes: []string{"tenants:read"},
						AllApplications: true,
					})
				if err == nil {
					made <- k
				}
				return err
			})
		}
		count := testkit.Concurrently(t, acts...)
		close(made)
		if count[""] != len(made)+1 || count[""]+count[api.ValidationFailed]+count[api.NotFound] != len(acts) {
			t.Errorf("%v with %d keys", count, len(made))
		}
		for k := range made {
			if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyRevoked {
				t.Errorf("a key of someone who is no member: %q", got)
			}
		}
	}
}

func TestARoleThatIsLoweredCutsTheScopesOfKeysAtOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner, person := h.As(h.Owner), h.Member(tenant, "Key Owner", scope.Admin)
	h.Member(tenant, "Other Admin", scope.Admin)
	testkit.Must[api.List[api.Scope]](t)(owner.ReplaceScopes(t.Context(), string(tenant.ID),
		[]api.NewScope{{Name: "orders:read"}}))
	k := h.Key(h.As(person), tenant, "applications:create", "audit:read", "orders:read", "tenants:read")
	every := h.Key(h.As(person), tenant, "*")
	for _, c := range []struct {
		role  string
		named []string
		every []string
	}{
		{"admin", []string{"applications:create", "audit:read", "orders:read", "tenants:read"}, []string{
			"applications:create", "applications:delete", "applications:read", "applications:update", "audit:read",
			"keys:verify", "members:read", "orders:read", "scopes:read", "tenants:read",
		}},
		{
			"member",
			[]string{"orders:read", "tenants:read"},
			[]string{"applications:read", "members:read", "orders:read", "scopes:read", "tenants:read"},
		},
		{
			"auditor",
			[]string{"audit:read", "tenants:read"},
			[]string{"applications:read", "audit:read", "members:read", "scopes:read", "tenants:read"},
		},
		{"admin", []string{"applications:create", "audit:read", "orders:read", "tenants:read"}, nil},
	} {
		testkit.Must[api.Member](t)(owner.EditMember(t.Context(), string(tenant.ID), string(person.ID),
			api.UpdateMemberRequest{Role: api.To(api.Role(c.role))}))
		if diff := cmp.Diff(c.named, testkit.Must[api.Whoami](t)(h.With(k).Whoami(t.Context())).Scopes); diff != "" {
			t.Errorf("%s, scopes by name: %s", c.role, diff)
		}
		if diff := cmp.Diff(c.every,
			testkit.Must[api.Whoami](t)(h.With(every).Whoami(t.Context())).Scopes); c.every != nil &&
			diff != "" {
			t.Errorf("%s, every scope: %s", c.role, diff)
		}
		_, err := h.With(k).CreateApplication(t.Context(), string(tenant.ID),
			api.CreateApplicationRequest{Name: "Orders API"})
		testkit.ExpectCode(t, c.role+"'s key creates an application", err,
			map[bool]api.Code{true: "", false: api.InsufficientScope}[c.role == "admin"])
		shown := testkit.Must[api.Key](t)(h.As(person).Key(t.Context(), string(tenant.ID), k.Key.ID))
		if len(shown.Scopes) != 4 {
			t.Errorf("%s: the key shows %v, not its own scopes", c.role, shown.Scopes)
		}
	}
}

func TestADisabledMembershipTakesRightsAndKeysUntilItIsEnabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, other := h.Tenant("Main tenant", nil), h.Tenant("Other tenant", nil)
	admin, person := h.As(h.Member(tenant, "Tenant Admin", scope.Admin)), h.Member(tenant, "Key Owner", scope.Admin)
	h.Join(other, person, scope.Member)
	c := h.As(person)
	k, elsewhere := h.Key(c, tenant, "tenants:read"), h.Key(c, other, "tenants:read")
	for _, s := range []struct {
		status    string
		key, sees api.Code
	}{
		{"disabled", api.APIKeyDisabled, api.NotFound},
		{"disabled", api.APIKeyDisabled, api.NotFound},
		{"active", "", ""},
	} {
		m := testkit.Must[api.Member](t)(admin.EditMember(t.Context(), string(tenant.ID), string(person.ID),
			api.UpdateMemberRequest{Status: api.To(api.Status(s.status))}))
		if m.Status != api.Status(s.status) || m.Role != "admin" {
			t.Errorf("%+v", m)
		}
		if got := testkit.WhoamiCode(t, h.With(k)); got != s.key {
			t.Errorf("%s: the key answers %q, want %q", s.status, got, s.key)
		}
		if got := testkit.WhoamiCode(t, h.With(elsewhere)); got != "" {
			t.Errorf("%s: a key of another tenant answers %q", s.status, got)
		}
		_, err := c.Tenant(t.Context(), string(tenant.ID))
		testkit.ExpectCode(t, s.status+", to them", err, s.sees)
		_, err = c.EditMember(t.Context(), string(tenant.ID), string(person.ID),
			api.UpdateMemberRequest{Status: api.To(api.Status("active"))})
		testkit.ExpectCode(t, s.status+", by themselves", err, s.sees)
	}
}

func TestAnAuditorReadsAllAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.Visibility = policy.SeeOwn })
	person := h.Member(tenant, "The Auditor", scope.Auditor)
	admin := h.Member(tenant, "Tenant Admin", scope.Admin)
	app := h.Application(tenant, "Orders API")
	k := h.Key(h.As(admin), tenant, "tenants:read")
	c, base := h.As(person), testkit.TenantPath(tenant.ID)
	for _, path := range []string{
		base, base + "/members", base + "/applications",
		base + "/applications/" + string(app.ID), base + "/scopes", base + "/audit", base + "/keys",
		base + "/keys/" + k.Key.ID,
	} {
		testkit.ExpectCode(t, "read "+path, c.Do(t.Context(), http.MethodGet, path, nil, nil), "")
	}
	check := testkit.ExpectUnchanged(t, h.As(h.Owner), base+"/audit")
	for _, r := range [][3]string{
		{http.MethodPatch, base, `{"name":"Another name"}`},
		{http.MethodPost, base + "/members", `{"email":"eve@claviger.example","role":"admin"}`},
		{http.MethodPatch, base + "/members/" + string(person.ID), `{"role":"admin"}`},
		{http.MethodDelete, base + "/members/" + string(admin.ID)}, // themselves they may remove
		{http.MethodPost, base + "/applications", `{"name":"Another API"}`},
		{http.MethodPatch, base + "/applications/" + string(app.ID), `{"status":"disabled"}`},
		{http.MethodDelete, base + "/applications/" + string(app.ID)},
		{http.MethodPut, base + "/scopes", `{"items":[]}`},
		{http.MethodPost, base + "/keys", `{"name":"A new key","scopes":["tenants:read"],"all_applications":true}`},
		{http.MethodPost, base + "/keys/" + k.Key.ID + "/revoke"},
		{http.MethodPost, base + "/keys/" + k.Key.ID + "/disable"},
		{http.MethodDelete, base + "/keys/" + k.Key.ID},
		{http.MethodPatch, testkit.AccountPath(h.Account.ID), `{"name":"Another name"}`},
		{http.MethodPost, "/api/v1/tenants", `{"name":"Another tenant","preset":"standard"}`},
	} {
		testkit.ExpectCode(t, r[0]+" "+r[1], testkit.SendBody(t, c, r[0], r[1], r[2]), api.Forbidden)
	}
	check()
	made, err := h.As(admin).CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{
			Name: "For the auditor", OwnerID: string(person.ID), Scopes: []string{"*"},
			AllApplications: true,
		})
	if err != nil {
		t.Fatal(err)
	}
	testkit.ExpectCode(t, "their key reads the trail",
		h.With(made).Do(t.Context(), http.MethodGet, base+"/audit", nil, nil), "")
	testkit.ExpectCode(t, "their key changes an application",
		testkit.SendBody(t, h.With(made), http.MethodPatch, base+"/applications/"+string(app.ID),
			`{"status":"disabled"}`),
		api.InsufficientScope)
}

func TestAMemberLeavesATenantByTheirOwnWillAndTheirKeysGoWithThem(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, elsewhere := h.Tenant("Main", nil), h.Tenant("Elsewhere", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	h.Join(elsewhere, person, scope.Auditor)
	c := h.As(person)
	k := h.Key(c, tenant, "applications:read")
	testkit.ExpectCode(t, "leave", c.RemoveMember(t.Context(), string(tenant.ID), "me"), "")
	if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyRevoked {
		t.Errorf("the key of who left is %q", got)
	}
	_, err := c.Tenant(t.Context(), string(tenant.ID))
	testkit.ExpectCode(t, "the tenant that was left", err, api.NotFound)
	_, err = c.Tenant(t.Context(), string(elsewhere.ID))
	testkit.ExpectCode(t, "another tenant", err, "")
	testkit.ExpectCode(t, "leave twice", c.RemoveMember(t.Context(), string(tenant.ID), "me"), api.NotFound)
	testkit.ExpectCode(t, "leave as an auditor", c.RemoveMember(t.Context(), string(elsewhere.ID), string(person.ID)),
		"")

	last := h.As(h.Member(h.Tenant("Of one admin", nil), "The Last Admin", scope.Admin))
	list, err := last.Tenants(t.Context(), client.Page{})
	testkit.ExpectCode(t, "the tenants of an admin", err, "")
	testkit.ExpectCode(t, "the last admin leaves", last.RemoveMember(t.Context(), list.Items[0].ID, "me"), api.Conflict)
}
