package key_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// To compare many texts, or to read many keys that are not in the list, is expensive, and to send
// such a request is not.
func TestATenantRunsOneSearchAtATime(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Searching Admin", scope.Admin)
	owner := h.As(person)
	testkit.NamedKey(t, owner, tenant, "Found key", nil)
	permit := testkit.Must[admission.Permit](t)(h.Keys.SearchGate.Acquire(t.Context(), admission.Caller(tenant.ID)))
	for _, f := range []client.KeyFilter{{Query: "found"}, {Status: "revoked"}, {ShownTo: string(person.ID)}} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := owner.Keys(ctx, string(tenant.ID), f, client.Page{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v beside another search of the tenant: %v", f, err)
		}
		cancel()
	}
	if got := testkit.KeyNames(t, owner, tenant, client.KeyFilter{}, 10); len(got) != 1 {
		t.Errorf("a list that looks for nothing has %q", got)
	}
	permit.Release()
	if got := testkit.KeyNames(t, owner, tenant, client.KeyFilter{Query: "found"}, 10); len(got) != 1 {
		t.Errorf("after it: %q", got)
	}
}

// Rows L1 and C3: a list can be narrowed by owner, by the present status and by a text.
func TestAListOfKeysIsNarrowedByOwnerStatusAndText(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	ada, bob := h.Member(tenant, "Ada", scope.Member), h.Member(tenant, "Bob", scope.Admin)
	asAda, asBob := h.As(ada), h.As(bob)
	soon := h.Clock.Now().Add(time.Hour)
	active := testkit.NamedKey(t, asAda, tenant, "Ada active", nil)
	disabled := testkit.NamedKey(t, asAda, tenant, "Ada disabled 100%", nil)
	testkit.NamedKey(t, asAda, tenant, "Ada expired", &soon)
	revoked := testkit.NamedKey(t, asBob, tenant, "Bob revoked", &soon)
	both := testkit.NamedKey(t, asBob, tenant, "Bob expired and disabled", &soon)
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
		{
			client.KeyFilter{},
			[]string{"Bob expired and disabled", "Bob revoked", "Ada expired", "Ada disabled 100%", "Ada active"},
		},
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
		{client.KeyFilter{Query: "100%"}, []string{"Ada disabled 100%"}},
		{client.KeyFilter{Query: "sabled"}, []string{}},
		{client.KeyFilter{Query: "00%"}, []string{}},
		{client.KeyFilter{Query: "act% ADA"}, []string{"Ada active"}},
		{client.KeyFilter{Query: strings.ToUpper(active.Key.PublicID)}, []string{"Ada active"}},
		{client.KeyFilter{Query: strings.ToUpper(bob.Email)}, []string{"Bob expired and disabled", "Bob revoked"}},
		{client.KeyFilter{Query: "nothing of the kind"}, []string{}},
	} {
		for _, limit := range []int{1, 2, 200} {
			if diff := cmp.Diff(c.want, testkit.KeyNames(t, asBob, tenant, c.filter, limit)); diff != "" {
				t.Errorf("%+v in pages of %d: %s", c.filter, limit, diff)
			}
		}
	}
	for query, want := range map[string]string{
		"status=gone":                   "status unknown",
		"q=" + strings.Repeat("x", 201): "q too_long", "q=%00": "q character", "q=+": "q empty", "q=%C2%AD": "q empty",
		"q=%25": "q empty",
		"q=%ff": "code malformed_request", "owner=x": "owner form",
	} {
		err := asBob.Do(t.Context(), "GET", "/api/v1/tenants/"+string(tenant.ID)+"/keys?"+query, nil, nil)
		if got := testkit.FieldErrors(t, err); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// A search finds the key by its present name and id.
func TestASearchFollowsEditAndRefresh(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := testkit.NamedKey(t, owner, tenant, "First name", nil)
	if _, err := owner.EditKey(t.Context(), string(tenant.ID), k.Key.ID,
		api.UpdateKeyRequest{Name: api.To("Second")}); err != nil {
		t.Fatal(err)
	}
	fresh := testkit.RefreshKey(t, owner, tenant, k, api.RefreshKeyRequest{KeepID: new(false), OverlapSeconds: 60})
	for query, found := range map[string]bool{
		"first": false, "second": true, k.Key.PublicID: false,
		fresh.Key.PublicID: true,
	} {
		if got := testkit.KeyNames(t, owner, tenant, client.KeyFilter{Query: query}, 10); (len(got) == 1) != found {
			t.Errorf("%s finds %v", query, got)
		}
	}
}

// Each word of a search is the beginning of a word, in any case and script.
func TestASearchFindsTheBeginningsOfWords(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	first := testkit.NamedKey(t, owner, tenant, "Große Straße", nil)
	for _, name := range []string{"ΟΔΥΣΣΕΥΣ", "İstanbul CI", "ﬁnance-Build", "Ａｄａ Ｌ 本番サーバー"} {
		testkit.NamedKey(t, owner, tenant, name, nil)
	}
	for query, want := range map[string][]string{
		"STRASSE":                      {"Große Straße"},
		"straße":                       {"Große Straße"},
		"rasse":                        {},
		"οδυσσευς":                     {"ΟΔΥΣΣΕΥΣ"},
		"ΟΔΥΣΣΕΥΣ":                     {"ΟΔΥΣΣΕΥΣ"},
		"istanbul":                     {"İstanbul CI"},
		"İSTANBUL C":                   {"İstanbul CI"},
		"FINANCE":                      {"ﬁnance-Build"},
		"build":                        {"ﬁnance-Build"},
		"uild":                         {},
		"ada l":                        {"Ａｄａ Ｌ 本番サーバー"},
		"サーバー":                         {"Ａｄａ Ｌ 本番サーバー"},
		"grosse str":                   {"Große Straße"},
		"grosse  STR":                  {"Große Straße"},
		"straße " + first.Key.PublicID: {"Große Straße"},
		"straße build":                 {},
		first.Key.PublicID + " " + *first.Key.Owner.Email: {"Große Straße"},
		first.Key.PublicID[:8]:                            {"Große Straße"},
		strings.ToUpper(first.Key.PublicID):               {"Große Straße"},
		first.Key.PublicID[4:]:                            {},
	} {
		if diff := cmp.Diff(want,
			testkit.KeyNames(t, owner, tenant, client.KeyFilter{Query: query}, 10)); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
		l, err := owner.OwnKeys(t.Context(), client.KeyFilter{Query: query}, client.Page{})
		testkit.NoError(t, err)
		if len(l.Items) != len(want) {
			t.Errorf("of one's own, %q finds %d", query, len(l.Items))
		}
	}
}

// A search shows a member nothing that they may not see.
func TestAMemberWhoSeesOnlyTheirOwnKeysFindsNoOthers(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.Visibility = policy.SeeOwn })
	ada, bob := h.Member(tenant, "Ada", scope.Member), h.Member(tenant, "Bob", scope.Member)
	testkit.NamedKey(t, h.As(ada), tenant, "Key of Ada", nil)
	testkit.NamedKey(t, h.As(bob), tenant, "Key of Bob", nil)
	for _, f := range []client.KeyFilter{{Query: "key of"}, {Status: "active"}, {Owner: "me", Query: "key"}} {
		if diff := cmp.Diff([]string{"Key of Ada"}, testkit.KeyNames(t, h.As(ada), tenant, f, 10)); diff != "" {
			t.Errorf("%+v: %s", f, diff)
		}
	}
	for _, f := range []client.KeyFilter{{Query: bob.Email}, {Owner: string(bob.ID), Status: "active"}} {
		if got := testkit.KeyNames(t, h.As(ada), tenant, f, 10); len(got) > 0 {
			t.Errorf("%+v: %v", f, got)
		}
	}
}

// One request reads a bounded number of keys, and the cursor continues after them.
func TestAListOfARareStatusContinuesOverEmptyPages(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	rare := testkit.NamedKey(t, owner, tenant, "The rare one", nil)
	if _, err := owner.DisableKey(t.Context(), string(tenant.ID), rare.Key.ID); err != nil {
		t.Fatal(err)
	}
	copyKey(t, h, rare.Key.ID, 2000)
	testkit.Exec(t, h, `UPDATE keys SET disabled_at = NULL WHERE id <> ?`, rare.Key.ID)
	first, err := owner.Keys(t.Context(), string(tenant.ID), client.KeyFilter{Status: "disabled"}, client.Page{})
	if err != nil || len(first.Items) != 0 || first.NextCursor == nil {
		t.Fatalf("the first page: %+v, %v", first, err)
	}
	next, err := owner.Keys(t.Context(), string(tenant.ID), client.KeyFilter{Status: "disabled"},
		client.Page{Cursor: *first.NextCursor})
	if err != nil || len(next.Items) != 1 || next.Items[0].ID != rare.Key.ID || next.NextCursor != nil {
		t.Errorf("the next page: %+v, %v", next, err)
	}
}

// copyKey inserts younger copies of a key into a SQLite database, without the service.
func copyKey(t *testing.T, h *testkit.Server, id string, copies int) {
	t.Helper()
	tx := testkit.Must[*sql.Tx](t)(h.Beside().BeginTx(t.Context(), nil))
	run := func(statement string, args ...any) {
		if _, err := tx.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	run(`CREATE TEMP TABLE a_key AS SELECT * FROM keys WHERE id = ?`, id)
	run(`UPDATE a_key SET number = NULL`)
	run(`CREATE TEMP TABLE a_secret AS SELECT * FROM key_secrets WHERE key_id = ?`, id)
	for i := range copies {
		run(`UPDATE a_key SET id = ?, slot = slot + 1, created_at = created_at + 1`, fmt.Sprint("key_copy_", i))
		run(`UPDATE a_secret SET key_id = ?, lookup = ?`, fmt.Sprint("key_copy_", i), fmt.Sprint("lookup_", i))
		run(`INSERT INTO keys SELECT * FROM a_key`)
		run(`INSERT INTO key_secrets SELECT * FROM a_secret`)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// Row L13: one list has all keys of a person, of every tenant.
func TestAPersonListsTheirKeysOfAllTenants(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	one, two := h.Tenant("One", nil), h.Preset(policy.LoadRunner, nil)
	person, admin := h.Member(one, "Key Owner", scope.Member), h.Member(two, "Tenant Admin", scope.Admin)
	h.Join(two, person, scope.Auditor)
	own := testkit.NamedKey(t, h.As(person), one, "Made by myself", nil)
	made, err := h.As(admin).CreateKey(t.Context(), string(two.ID),
		api.CreateKeyRequest{Name: "Made for me", OwnerID: string(person.ID)})
	if err != nil {
		t.Fatal(err)
	}
	testkit.NamedKey(t, h.As(h.Member(one, "Other Member", scope.Member)), one, "Another's", nil)
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
	if _, err := h.With(testkit.NamedKey(t, c, one, "A key", nil)).OwnKeys(t.Context(), client.KeyFilter{},
		client.Page{}); testkit.Code(t, err) != api.SessionRequired {
		t.Errorf("a key: %v", err)
	}
	if _, err := c.OwnKeys(t.Context(), client.KeyFilter{Owner: "me"}, client.Page{}); testkit.FieldErrors(t,
		err) != "query unknown" {
		t.Errorf("with an owner: %v", err)
	}
}

// A cursor is valid for the caller, the list and the filters that it was issued for.
func TestACursorOpensOnNoOtherListOfKeys(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, other := h.Tenant("Main", nil), h.Tenant("Other", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	h.Join(other, person, scope.Member)
	owner := h.As(person)
	testkit.NamedKey(t, owner, tenant, "Key one", nil)
	testkit.NamedKey(t, owner, tenant, "Key two", nil)
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
		if got := testkit.FieldErrors(t, err); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if names := slices.Sorted(slices.Values(testkit.KeyNames(t, owner, tenant, filter, 1))); !slices.Equal(names,
		[]string{"Key one", "Key two"}) {
		t.Errorf("put together: %v", names)
	}
}
