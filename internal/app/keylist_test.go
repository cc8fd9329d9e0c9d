package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// named makes a key of a name.
func named(t *testing.T, c *client.Client, tenant tenancy.Tenant, name string, expires *time.Time) api.IssuedKey {
	t.Helper()
	k, err := c.CreateKey(t.Context(), string(tenant.ID), api.NewKey{Name: name, Scopes: []string{"applications:read"}, AllApplications: true, ExpiresAt: expires})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// listed gives the names of a list, page after page.
func listed(t *testing.T, c *client.Client, tenant tenancy.Tenant, f client.KeyFilter, limit int) []string {
	t.Helper()
	names := []string{}
	for page := (client.Page{Limit: limit}); ; {
		l, err := c.Keys(t.Context(), string(tenant.ID), f, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range l.Items {
			names = append(names, k.Name)
		}
		if len(l.Items) > limit {
			t.Errorf("a page of %d holds %d", limit, len(l.Items))
		}
		if l.NextCursor == nil {
			return names
		}
		page.Cursor = *l.NextCursor
	}
}

// Rows L1 and C3, narrowed: by owner, by the state of this moment, and by a text.
func TestAListOfKeysIsNarrowedByOwnerStatusAndText(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	ada, bob := h.Member(tenant, "Ada", scope.Member), h.Member(tenant, "Bob", scope.Admin)
	asAda, asBob := h.As(ada), h.As(bob)
	soon := h.Clock.Now().Add(time.Hour)
	active := named(t, asAda, tenant, "Ada active", nil)
	disabled := named(t, asAda, tenant, "Ada disabled 100%", nil)
	named(t, asAda, tenant, "Ada expired", &soon)
	revoked := named(t, asBob, tenant, "Bob revoked", &soon)
	both := named(t, asBob, tenant, "Bob expired and disabled", &soon)
	for _, k := range []api.IssuedKey{disabled, both} {
		if _, err := asBob.DisableKey(t.Context(), string(tenant.ID), k.Key.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := asBob.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	h.Clock.Move(time.Hour)
	for _, c := range []struct {
		filter client.KeyFilter
		want   []string
	}{
		{client.KeyFilter{}, []string{"Bob expired and disabled", "Bob revoked", "Ada expired", "Ada disabled 100%", "Ada active"}},
		{client.KeyFilter{Owner: string(ada.ID)}, []string{"Ada expired", "Ada disabled 100%", "Ada active"}},
		{client.KeyFilter{Owner: "me"}, []string{"Bob expired and disabled", "Bob revoked"}},
		{client.KeyFilter{Status: "active"}, []string{"Ada active"}},
		{client.KeyFilter{Status: "disabled"}, []string{"Ada disabled 100%"}},
		{client.KeyFilter{Status: "expired"}, []string{"Bob expired and disabled", "Ada expired"}},
		{client.KeyFilter{Status: "revoked"}, []string{"Bob revoked"}},
		{client.KeyFilter{Status: "expired", Owner: "me"}, []string{"Bob expired and disabled"}},
		{client.KeyFilter{Query: "DISABLED"}, []string{"Bob expired and disabled", "Ada disabled 100%"}},
		{client.KeyFilter{Query: "disabled", Owner: string(ada.ID)}, []string{"Ada disabled 100%"}},
		{client.KeyFilter{Query: "disabled", Status: "expired"}, []string{"Bob expired and disabled"}},
		{client.KeyFilter{Query: "0%"}, []string{"Ada disabled 100%"}},
		{client.KeyFilter{Query: "a%e"}, []string{}},
		{client.KeyFilter{Query: strings.ToUpper(active.Key.PublicID)}, []string{"Ada active"}},
		{client.KeyFilter{Query: strings.ToUpper(bob.Email)}, []string{"Bob expired and disabled", "Bob revoked"}},
		{client.KeyFilter{Query: "nothing of the kind"}, []string{}},
	} {
		for _, limit := range []int{1, 2, 200} {
			if diff := cmp.Diff(c.want, listed(t, asBob, tenant, c.filter, limit)); diff != "" {
				t.Errorf("%+v in pages of %d: %s", c.filter, limit, diff)
			}
		}
	}
	for query, want := range map[string]string{"status=gone": "status unknown", "q=" + strings.Repeat("x", 201): "q too_long", "q=%00": "q character", "q=%ff": "q character", "owner=x": "owner form"} {
		err := asBob.Do(t.Context(), "GET", "/api/v1/tenants/"+string(tenant.ID)+"/keys?"+query, nil, nil)
		if got := fieldsAtFault(t, err); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// A search finds what the key is called now.
func TestASearchFollowsEditAndRefresh(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := named(t, owner, tenant, "First name", nil)
	if _, err := owner.EditKey(t.Context(), string(tenant.ID), k.Key.ID, api.KeyEdit{Name: api.To("Second")}); err != nil {
		t.Fatal(err)
	}
	fresh := refresh(t, owner, tenant, k, api.Refresh{KeepID: new(false), OverlapSeconds: 60})
	for query, found := range map[string]bool{"first": false, "second": true, k.Key.PublicID: false, fresh.Key.PublicID: true} {
		if got := listed(t, owner, tenant, client.KeyFilter{Query: query}, 10); (len(got) == 1) != found {
			t.Errorf("%s finds %v", query, got)
		}
	}
}

// A search must not tell a member what they may not see.
func TestAMemberWhoSeesOnlyTheirOwnKeysFindsNoOthers(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.Visibility = policy.SeeOwn })
	ada, bob := h.Member(tenant, "Ada", scope.Member), h.Member(tenant, "Bob", scope.Member)
	named(t, h.As(ada), tenant, "Key of Ada", nil)
	named(t, h.As(bob), tenant, "Key of Bob", nil)
	for _, f := range []client.KeyFilter{{Query: "key of"}, {Status: "active"}, {Owner: "me", Query: "key"}} {
		if diff := cmp.Diff([]string{"Key of Ada"}, listed(t, h.As(ada), tenant, f, 10)); diff != "" {
			t.Errorf("%+v: %s", f, diff)
		}
	}
	for _, f := range []client.KeyFilter{{Query: bob.Email}, {Owner: string(bob.ID), Status: "active"}} {
		if got := listed(t, h.As(ada), tenant, f, 10); len(got) > 0 {
			t.Errorf("%+v: %v", f, got)
		}
	}
}

// One request reads so many keys and no more; the cursor goes on from there.
func TestALookForARareStateGoesOnOverPagesThatMayBeEmpty(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	rare := named(t, owner, tenant, "The rare one", nil)
	if _, err := owner.DisableKey(t.Context(), string(tenant.ID), rare.Key.ID); err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		named(t, owner, tenant, fmt.Sprintf("Key %d", i), nil)
	}
	first, err := owner.Keys(t.Context(), string(tenant.ID), client.KeyFilter{Status: "disabled"}, client.Page{})
	if err != nil || len(first.Items) != 0 || first.NextCursor == nil {
		t.Fatalf("the first page: %+v, %v", first, err)
	}
	next, err := owner.Keys(t.Context(), string(tenant.ID), client.KeyFilter{Status: "disabled"}, client.Page{Cursor: *first.NextCursor})
	if err != nil || len(next.Items) != 1 || next.Items[0].ID != rare.Key.ID || next.NextCursor != nil {
		t.Errorf("the next page: %+v, %v", next, err)
	}
}

// Row L13: all keys made for a person, of every tenant, in one place.
func TestAPersonSeesTheirKeysOfAllTenantsInOnePlace(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	one, two := h.Tenant("One", nil), h.Preset(policy.LoadRunner, nil)
	person, admin := h.Member(one, "Key Owner", scope.Member), h.Member(two, "Tenant Admin", scope.Admin)
	h.Join(two, person, scope.Auditor)
	own := named(t, h.As(person), one, "Made by myself", nil)
	made, err := h.As(admin).CreateKey(t.Context(), string(two.ID), api.NewKey{Name: "Made for me", OwnerID: string(person.ID)})
	if err != nil {
		t.Fatal(err)
	}
	named(t, h.As(h.Member(one, "Other Member", scope.Member)), one, "Another's", nil)
	if _, err := h.As(person).DisableKey(t.Context(), string(one.ID), own.Key.ID); err != nil {
		t.Fatal(err)
	}
	c := h.As(person)
	for _, filter := range []struct {
		client.KeyFilter
		want []string
	}{
		{client.KeyFilter{}, []string{string(two.ID) + " " + made.Key.ID, string(one.ID) + " " + own.Key.ID}},
		{client.KeyFilter{Status: "disabled"}, []string{string(one.ID) + " " + own.Key.ID}},
		{client.KeyFilter{Query: "FOR ME"}, []string{string(two.ID) + " " + made.Key.ID}},
	} {
		var got []string
		for page := (client.Page{Limit: 1}); ; {
			l, err := c.OwnKeys(t.Context(), filter.KeyFilter, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range l.Items {
				got = append(got, k.TenantID+" "+k.ID)
				shown, err := c.Key(t.Context(), k.TenantID, k.ID)
				if err != nil || !cmp.Equal(shown, k.Key) {
					t.Errorf("in its tenant it is otherwise: %s, %v", cmp.Diff(shown, k.Key), err)
				}
			}
			if l.NextCursor == nil {
				break
			}
			page.Cursor = *l.NextCursor
		}
		if diff := cmp.Diff(filter.want, got); diff != "" {
			t.Errorf("%+v: %s", filter.KeyFilter, diff)
		}
	}
	if _, err := h.With(named(t, c, one, "A key", nil)).OwnKeys(t.Context(), client.KeyFilter{}, client.Page{}); testkit.Code(t, err) != api.SessionRequired {
		t.Errorf("a key: %v", err)
	}
	if _, err := c.OwnKeys(t.Context(), client.KeyFilter{Owner: "me"}, client.Page{}); fieldsAtFault(t, err) != "owner invalid" {
		t.Errorf("with an owner: %v", err)
	}
}

// A cursor is good for the caller, the list and the filters it came from.
func TestACursorOpensOnNoOtherListOfKeys(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, other := h.Tenant("Main", nil), h.Tenant("Other", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	h.Join(other, person, scope.Member)
	owner := h.As(person)
	named(t, owner, tenant, "Key one", nil)
	named(t, owner, tenant, "Key two", nil)
	filter := client.KeyFilter{Owner: "me", Status: "active", Query: "key"}
	l, err := owner.Keys(t.Context(), string(tenant.ID), filter, client.Page{Limit: 1})
	if err != nil || l.NextCursor == nil {
		t.Fatalf("%+v, %v", l, err)
	}
	page := client.Page{Limit: 1, Cursor: *l.NextCursor}
	tries := map[string]error{}
	for name, f := range map[string]client.KeyFilter{
		"its own":       filter,
		"other owner":   {Owner: string(person.ID), Status: "active", Query: "key"},
		"other status":  {Owner: "me", Status: "disabled", Query: "key"},
		"other text":    {Owner: "me", Status: "active", Query: "keys"},
		"no filter":     {},
		"moved filters": {Owner: "me", Status: "", Query: "activekey"},
	} {
		_, tries[name] = owner.Keys(t.Context(), string(tenant.ID), f, page)
	}
	_, tries["other tenant"] = owner.Keys(t.Context(), string(other.ID), filter, page)
	_, tries["other list"] = owner.OwnKeys(t.Context(), client.KeyFilter{Status: "active", Query: "key"}, page)
	for name, err := range tries {
		want := "cursor invalid"
		if name == "its own" {
			want = "code "
		}
		if got := fieldsAtFault(t, err); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if names := slices.Sorted(slices.Values(listed(t, owner, tenant, filter, 1))); !slices.Equal(names, []string{"Key one", "Key two"}) {
		t.Errorf("put together: %v", names)
	}
}
