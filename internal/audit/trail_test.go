package audit_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Every change that is answered with success has one record, which says who did what to what, from
// where, in which request; what is made says where it is.
func TestEveryChangeHasOneRecord(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	target := h.Member(tenant, "The Target", scope.Member)
	boss := testkit.SessionHeader(t, h, h.Owner)
	owner := h.As(h.Owner)
	h.Join(tenant, h.Owner, scope.Admin)
	base, account := testkit.TenantPath(tenant.ID), testkit.AccountPath(h.Account.ID)
	k := h.Key(owner, tenant, "*")
	byKey := http.Header{"Authorization": {"Bearer " + k.Credential.Value}, "Content-Type": {"application/json"}}
	made := map[string]string{} // what steps made, by its name
	steps := []struct {
		who                *http.Header
		method, path, body string
		trail              string
		action, kind       string
		location           string // of 201, with the id in the place of *
	}{
		{&boss, http.MethodPatch, account, `{"name":"Renamed account"}`, account, "account.edit", "account", ""},
		{
			&boss, http.MethodPut, account + "/members/" + string(target.ID), `{"role":"admin"}`, account,
			"account.member", "user", "",
		},
		{
			&boss, http.MethodDelete, account + "/members/" + string(target.ID), "", account,
			"account.member_remove",
			"user", "",
		},
		{
			&boss, http.MethodPost, "/api/v1/tenants", `{"name":"Made tenant","preset":"blancco"}`, account,
			"tenant.create", "tenant", "/api/v1/tenants/*",
		},
		{
			&boss, http.MethodPatch, base,
			`{"settings":{"keys_per_user":7,"visibility":"own"},"name":"Renamed tenant"}`, base, "tenant.edit",
			"tenant", "",
		},
		{&boss, http.MethodPatch, base, `{"status":"disabled"}`, base, "tenant.edit", "tenant", ""},
		{&boss, http.MethodPatch, base, `{"status":"active"}`, base, "tenant.edit", "tenant", ""},
		{
			&boss, http.MethodPost, base + "/members", `{"email":"eve@claviger.example","role":"member"}`, base,
			"member.invite", "invitation", base + "/members",
		},
		{
			&boss, http.MethodPatch, base + "/members/" + string(target.ID), `{"role":"auditor"}`, base,
			"member.edit",
			"user", "",
		},
		{
			&boss, http.MethodPut, base + "/scopes", `{"items":[{"name":"orders:read"}]}`, base, "scopes.replace",
			"tenant", "",
		},
		{
			&byKey, http.MethodPost, base + "/applications", `{"name":"Orders API"}`, base, "application.create",
			"application", base + "/applications/*",
		},
		{
			&byKey, http.MethodPatch, base + "/applications/*", `{"description":"Changed"}`, base,
			"application.edit",
			"application", "",
		},
		{&boss, http.MethodDelete, base + "/applications/*", "", base, "application.delete", "application", ""},
		{
			&boss, http.MethodPost, base + "/keys",
			`{"name":"A new key","scopes":["orders:read"],"all_applications":true}`, base, "key.create", "key",
			base + "/keys/*",
		},
		{&boss, http.MethodDelete, base + "/members/" + string(target.ID), "", base, "member.remove", "user", ""},
	}
	for _, s := range steps {
		before := testkit.Must[api.List[api.Event]](t)(owner.AccountEvents(t.Context(), string(h.Account.ID),
			client.EventFilter{}, client.Page{Limit: 200}))
		path := strings.Replace(s.path, "*", made["application"], 1)
		status, header, body := testkit.Send(t, h, s.method, path, s.who.Clone(), s.body)
		if status >= http.StatusBadRequest {
			t.Fatalf("%s %s: %d %s", s.method, path, status, body)
		}
		if s.location != "" {
			var answer struct {
				ID  string
				Key struct{ ID string }
			}
			if err := json.Unmarshal(body, &answer); err != nil {
				t.Fatal(err)
			}
			made[s.kind] = answer.ID + answer.Key.ID
			if want := strings.Replace(s.location, "*", made[s.kind], 1); status != http.StatusCreated ||
				header.Get("Location") != want {
				t.Errorf("%s %s: %d at %q, want %q", s.method, path, status, header.Get("Location"), want)
			}
		}
		after := testkit.Must[api.List[api.Event]](t)(owner.AccountEvents(t.Context(), string(h.Account.ID),
			client.EventFilter{}, client.Page{Limit: 200}))
		if len(after.Items) != len(before.Items)+1 || !cmp.Equal(after.Items[1:], before.Items) {
			t.Errorf("%s %s: %d records became %d", s.method, path, len(before.Items), len(after.Items))
			continue
		}
		event := after.Items[0]
		actor := api.Actor{Type: "user", ID: new(string(h.Owner.ID)), Email: &h.Owner.Email}
		if s.who == &byKey {
			actor = api.Actor{Type: "key", ID: &k.Key.ID, Email: &h.Owner.Email}
		}
		if event.Action != s.action || event.Target.Type != s.kind || !cmp.Equal(event.Actor, actor) ||
			*event.IP != "127.0.0.1" || *event.RequestID != header.Get("X-Request-Id") {
			t.Errorf("%s %s in request %s has the record %+v of %+v", s.method, path, header.Get("X-Request-Id"),
				event, event.Actor)
		}
		if about := made[s.kind]; strings.Contains(s.path+s.location, "*") && *event.Target.ID != about {
			t.Errorf("%s %s: the record is about %s, not %s", s.method, path, *event.Target.ID, about)
		}
		if shown := testkit.GetJSON(t, owner, s.trail+"/audit?limit=1"); !strings.Contains(shown, event.ID) {
			t.Errorf("%s %s: %s/audit begins with %s", s.method, path, s.trail, shown)
		}
	}
	if text := testkit.GetJSON(t, owner, account+"/audit?limit=200"); strings.Contains(text, k.Credential.Secret) ||
		strings.Contains(text, testkit.Password) {
		t.Error("a secret is in the trail")
	}
}

// Accepting an invitation has the record of the joining, by the person themselves.
func TestWhoAcceptsAnInvitationIsOnRecord(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Owner)
	i := testkit.Invite(t, owner, tenant, "eve@claviger.example", "member")
	header := http.Header{"Content-Type": {"application/json"}}
	status, answer, body := testkit.Post(t, h, "/api/v1/invitations/"+testkit.InvitationToken(i), header,
		`{"name":"Eve Newcomer","password":"correct horse battery staple"}`)
	var s api.Session
	if err := json.Unmarshal(body, &s); err != nil || status != http.StatusCreated ||
		answer.Get("Location") != "/api/v1/session" {
		t.Fatalf("%d at %q: %v", status, answer.Get("Location"), err)
	}
	events := testkit.Must[api.List[api.Event]](t)(owner.TenantEvents(t.Context(), string(tenant.ID),
		client.EventFilter{},
		client.Page{}))
	joined := events.Items[0]
	if joined.Action != "member.join" || *joined.Actor.ID != s.User.ID ||
		*joined.Actor.Email != "eve@claviger.example" || *joined.RequestID != answer.Get("X-Request-Id") ||
		joined.Details["role"] != "member" || joined.Details["invitation"] != i.ID {
		t.Errorf("%+v", joined)
	}
	if strings.Contains(testkit.GetJSON(t, owner, testkit.AccountPath(h.Account.ID)+"/audit"),
		testkit.InvitationToken(i)) ||
		strings.Contains(h.Log.String(), testkit.InvitationToken(i)) {
		t.Error("the token is in the trail or the log")
	}
}

func TestATrailIsReadByThoseWhoMay(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, elsewhere := h.Tenant("Main tenant", testkit.UnlimitedKeys), h.Tenant("Elsewhere", nil)
	admin, auditor := h.Member(tenant, "Tenant Admin", scope.Admin), h.Member(tenant, "The Auditor", scope.Auditor)
	_, foreign := h.OtherAccount("Foreign Owner")
	made, err := h.As(admin).CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{
			Name: "Auditor's", OwnerID: string(auditor.ID), Scopes: []string{"audit:read"},
			AllApplications: true,
		})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		who                 *client.Client
		ofTenant, ofAccount api.Code
	}{
		"an owner of the account": {h.As(h.Owner), "", ""},
		"an admin of the account": {h.As(h.AccountMember("Account Admin", scope.AccountAdmin)), "", ""},
		"an admin of the tenant":  {h.As(admin), "", api.Forbidden},
		"an auditor":              {h.As(auditor), "", api.Forbidden},
		"a member": {
			h.As(h.Member(tenant, "The Member", scope.Member)), api.Forbidden,
			api.Forbidden,
		},
		"an admin of another tenant": {
			h.As(h.Member(elsewhere, "Other Admin", scope.Admin)), api.NotFound,
			api.Forbidden,
		},
		"the owner of another account": {h.As(foreign), api.NotFound, api.NotFound},
		"a key with the scope":         {h.With(h.Key(h.As(admin), tenant, "audit:read")), "", api.SessionRequired},
		"a key of an auditor":          {h.With(made), "", api.SessionRequired},
		"a key without the scope": {
			h.With(h.Key(h.As(admin), tenant, "tenants:read")), api.InsufficientScope,
			api.SessionRequired,
		},
	} {
		_, err := c.who.TenantEvents(t.Context(), string(tenant.ID), client.EventFilter{}, client.Page{})
		testkit.ExpectCode(t, name+", of the tenant", err, c.ofTenant)
		_, err = c.who.AccountEvents(t.Context(), string(h.Account.ID), client.EventFilter{}, client.Page{})
		testkit.ExpectCode(t, name+", of the account", err, c.ofAccount)
	}
}

func TestATrailComesInPagesNewestFirstWhoseCursorsCountNowhereElse(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, other := h.Tenant("Main tenant", nil), h.Tenant("Other tenant", nil)
	owner := h.As(h.Owner)
	for range 5 {
		h.Application(tenant, "Orders API")
		h.Application(other, "Orders API")
	}
	read := func(c *client.Client, path string, limit string) (ids []string, cursors []string) {
		t.Helper()
		for next := ""; ; next = "&cursor=" + cursors[len(cursors)-1] {
			var list api.List[api.Event]
			if err := c.Do(t.Context(), http.MethodGet, path+"?limit="+limit+next, nil, &list); err != nil {
				t.Fatal(err)
			}
			for _, event := range list.Items {
				ids = append(ids, event.ID)
			}
			if list.NextCursor == nil {
				return ids, cursors
			}
			cursors = append(cursors, *list.NextCursor)
		}
	}
	ofTenant, cursors := read(owner, testkit.TenantPath(tenant.ID)+"/audit", "2")
	ofOther, _ := read(owner, testkit.TenantPath(other.ID)+"/audit", "200")
	ofAccount, accountCursors := read(owner, testkit.AccountPath(h.Account.ID)+"/audit", "3")
	if len(ofTenant) != 6 || len(ofOther) != 6 || len(ofAccount) != 1+6+6 {
		t.Errorf("%d, %d and %d records", len(ofTenant), len(ofOther), len(ofAccount))
	}
	if all, _ := read(owner, testkit.AccountPath(h.Account.ID)+"/audit", "200"); !cmp.Equal(all, ofAccount) {
		t.Errorf("in pages: %v\nat once: %v", ofAccount, all)
	}
	for _, id := range append(ofTenant, ofOther...) {
		if !slices.Contains(ofAccount, id) {
			t.Errorf("%s is not in the trail of the account", id)
		}
	}
	list := testkit.Must[api.List[api.Event]](t)(owner.AccountEvents(t.Context(), string(h.Account.ID),
		client.EventFilter{},
		client.Page{Limit: 200}))
	if !slices.IsSortedFunc(list.Items, func(a, b api.Event) int { return b.At.Compare(a.At) }) {
		t.Errorf("not newest first: %+v", list.Items)
	}
	colleague := h.As(h.AccountMember("Account Admin", scope.AccountAdmin))
	for name, c := range map[string]struct {
		who          *client.Client
		path, cursor string
	}{
		"another caller":          {colleague, testkit.TenantPath(tenant.ID) + "/audit", cursors[0]},
		"another tenant":          {owner, testkit.TenantPath(other.ID) + "/audit", cursors[0]},
		"the account":             {owner, testkit.AccountPath(h.Account.ID) + "/audit", cursors[0]},
		"the account's, a tenant": {owner, testkit.TenantPath(tenant.ID) + "/audit", accountCursors[0]},
		"another list":            {owner, testkit.TenantPath(tenant.ID) + "/members", cursors[0]},
		"the tenants":             {owner, "/api/v1/tenants", cursors[0]},
		"the accounts":            {owner, "/api/v1/accounts", cursors[0]},
		"the officers":            {owner, testkit.AccountPath(h.Account.ID) + "/members", accountCursors[0]},
		"a number":                {owner, testkit.TenantPath(tenant.ID) + "/audit", "5"},
	} {
		if got := testkit.FieldErrors(t,
			c.who.Do(t.Context(), http.MethodGet, c.path+"?cursor="+c.cursor, nil, nil)); got != "cursor invalid" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for query, want := range map[string]string{
		"limit=0": "limit invalid", "limit=201": "limit invalid",
		"limit=x": "limit invalid", "verb=create": "query unknown",
	} {
		if got := testkit.FieldErrors(t,
			owner.Do(t.Context(), http.MethodGet, testkit.TenantPath(tenant.ID)+"/audit?"+query, nil,
				nil)); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
}

// No account or tenant reads a record of another account or of the server itself.
func TestATrailHoldsNothingOfOthers(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	h.Application(h.Tenant("Main tenant", nil), "Orders API")
	_, foreign := h.OtherAccount("Foreign Owner")
	other := h.As(foreign)
	if _, err := other.CreateTenant(t.Context(),
		api.CreateTenantRequest{Name: "Foreign tenant", Preset: "standard"}); err != nil {
		t.Fatal(err)
	}
	accounts := testkit.Must[api.List[api.Account]](t)(other.Accounts(t.Context(), client.Page{}))
	events := testkit.Must[api.List[api.Event]](t)(other.AccountEvents(t.Context(), accounts.Items[0].ID,
		client.EventFilter{},
		client.Page{}))
	var actions []string
	for _, event := range events.Items {
		actions = append(actions, event.Action)
	}
	if diff := cmp.Diff([]string{"tenant.create", "account.create"}, actions); diff != "" {
		t.Error(diff)
	}
}

// An id of the wrong form names nothing, for every caller.
func TestAnIdOfNoFormNamesNoPlace(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	h.Join(tenant, h.Owner, scope.Admin)
	owner := h.As(h.Owner)
	check := testkit.ExpectUnchanged(t, owner, testkit.AccountPath(h.Account.ID)+"/audit")
	for _, id := range []string{
		"x", "%00", "%ff", "..%2f..", "acc_", string(tenant.ID) + "0",
		strings.ToUpper(string(tenant.ID)), "usr_00000000000000000000", strings.Repeat("k", 5000),
	} {
		for _, r := range [][3]string{
			{http.MethodGet, "/api/v1/accounts/" + id},
			{http.MethodPatch, "/api/v1/accounts/" + id, `{"name":"Another name"}`},
			{http.MethodGet, "/api/v1/accounts/" + id + "/audit"},
			{http.MethodPut, "/api/v1/accounts/" + id + "/members/" + string(h.Owner.ID), `{"role":"owner"}`},
			{http.MethodPut, testkit.AccountPath(h.Account.ID) + "/members/" + id, `{"role":"owner"}`},
			{http.MethodDelete, testkit.AccountPath(h.Account.ID) + "/members/" + id},
			{http.MethodGet, testkit.TenantPath(id)},
			{http.MethodPatch, testkit.TenantPath(id), `{"name":"Another name"}`},
			{http.MethodGet, testkit.TenantPath(id) + "/audit"},
			{http.MethodPut, testkit.TenantPath(id) + "/scopes", `{"items":[]}`},
			{http.MethodPatch, testkit.TenantPath(tenant.ID) + "/members/" + id, `{"role":"admin"}`},
			{http.MethodPatch, testkit.TenantPath(tenant.ID) + "/applications/" + id, `{"name":"Another name"}`},
		} {
			testkit.ExpectCode(t, r[0]+" "+r[1], testkit.SendBody(t, owner, r[0], r[1], r[2]), api.NotFound)
		}
	}
	check()
	if _, err := h.Accounts.SetAccountDisabled(t.Context(), principal.OfSession(&principal.Session{User: h.Owner}),
		h.Account.ID, true); err == nil {
		t.Error("an owner disables an account, which is the operator's")
	}
}

func TestATrailIsNarrowedByWhatWasDoneByWhomToWhatAndWhen(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	member := h.Member(tenant, "Member", scope.Member)
	owner, as := h.As(h.Owner), h.As(member)
	first := h.Key(as, tenant, "applications:read")
	h.Clock.Move(time.Hour)
	noon := h.Clock.Now()
	second := h.Key(as, tenant, "applications:read")
	testkit.Must[api.Key](t)(as.DisableKey(t.Context(), string(tenant.ID), first.Key.ID))
	h.Clock.Move(time.Hour)
	testkit.Must[api.Application](t)(owner.CreateApplication(t.Context(), string(tenant.ID),
		api.CreateApplicationRequest{Name: "Orders API"}))
	for _, c := range []struct {
		filter client.EventFilter
		want   []string // actions, newest first
	}{
		{client.EventFilter{Action: "key.create"}, []string{"key.create", "key.create"}},
		{client.EventFilter{Action: "key"}, []string{"key.disable", "key.create", "key.create"}},
		{client.EventFilter{Action: "ke"}, nil},
		{client.EventFilter{Target: first.Key.ID}, []string{"key.disable", "key.create"}},
		{client.EventFilter{Target: second.Key.ID, Action: "key.disable"}, nil},
		{client.EventFilter{Actor: string(member.ID), Since: noon}, []string{"key.disable", "key.create"}},
		{client.EventFilter{Action: "key", Until: noon}, []string{"key.create"}},
		{client.EventFilter{Since: noon, Until: noon.Add(30 * time.Minute)}, []string{"key.disable", "key.create"}},
		{client.EventFilter{Since: noon.Add(30 * time.Minute)}, []string{"application.create"}},
	} {
		var got []string
		for page := (client.Page{Limit: 1}); ; {
			l := testkit.Must[api.List[api.Event]](t)(owner.TenantEvents(t.Context(), string(tenant.ID), c.filter,
				page))
			for _, e := range l.Items {
				got = append(got, e.Action)
			}
			if l.NextCursor == nil {
				break
			}
			page.Cursor = *l.NextCursor
			_, err := owner.TenantEvents(t.Context(), string(tenant.ID), client.EventFilter{Action: "tenant"}, page)
			if code := testkit.Code(t, err); code != api.ValidationFailed {
				t.Fatalf("the cursor of another filter: %s", code)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v gives %v, want %v", c.filter, got, c.want)
		}
	}
	for query, want := range map[string]string{
		"action=KEY": "action form", "action=a.b.c": "action form",
		"since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z": "until range",
		"until=yesterday": "until invalid", "who=me": "query unknown",
	} {
		if got := testkit.FieldErrors(t,
			testkit.SendBody(t, owner, http.MethodGet, testkit.TenantPath(tenant.ID)+"/audit?"+query,
				"")); got != want {
			t.Errorf("?%s: %q, want %q", query, got, want)
		}
	}
}
