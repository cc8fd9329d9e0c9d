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
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// healthOf returns the findings about the caller's keys in the tenant, by the name of the key, and
// unused scopes after a colon.
func healthOf(t *testing.T, h *testkit.Server, c *client.Client,
	tenant tenancy.Tenant,
) (said map[string]string, sum map[string]int) {
	t.Helper()
	if err := h.Usage.Flush(t.Context(), h.Store); err != nil {
		t.Fatal(err)
	}
	said, sum = map[string]string{}, map[string]int{}
	keys, counted := 0, map[string]int{} // of all pages together
	for page := (client.Page{Limit: 2}); ; {
		l := testkit.Must[api.KeyHealthList](t)(c.KeyHealth(t.Context(), string(tenant.ID), page))
		if (l.Summary != nil) != (page.Cursor == "") {
			t.Errorf("with cursor %q the summary is %+v", page.Cursor, l.Summary)
		}
		for _, k := range l.Items {
			keys--
			var findings []string
			for _, f := range k.Findings {
				counted[string(f)]++
				findings = append(findings, string(f))
			}
			said[k.Key.Name] = strings.Join(findings, " ") + ":" + strings.Join(k.UnusedScopes, " ")
		}
		if l.Summary != nil {
			keys += l.Summary.Keys
			for _, f := range l.Summary.Findings {
				if f.Guidance == "" {
					t.Errorf("%s comes without guidance", f.Finding)
				}
				sum[string(f.Finding)] = f.Keys
			}
		}
		if l.NextCursor == nil {
			for f, n := range sum {
				if counted[f] != n {
					t.Errorf("the summary counts %d keys that are %s, the pages %d", n, f, counted[f])
				}
			}
			if keys != 0 {
				t.Errorf("the summary counts %d keys more than the pages", keys)
			}
			return said, sum
		}
		page.Cursor = *l.NextCursor
	}
}

// Row L12: for usable keys, everything is found that the guidelines of seed LoadRunner warn of.
func TestKeyHealthFindsWhatTheGuidelinesWarnOf(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	endless := testkit.AutoExpiry(0)
	endless.MaxLifetimeDays = api.Cleared[int]()
	testkit.SetPolicy(t, h, endless)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person, auditor := h.Member(tenant, "Key Owner", scope.Member), h.Member(tenant, "The Auditor", scope.Auditor)
	issue := func(name string, days int, scopes ...string) api.IssuedKey {
		t.Helper()
		n := api.CreateKeyRequest{Name: name, Scopes: scopes, AllApplications: true}
		if days > 0 {
			n.ExpiresAt = new(h.Clock.Now().Add(time.Duration(days) * policy.Day))
		}
		return testkit.Must[api.IssuedKey](t)(h.As(person).CreateKey(t.Context(), string(tenant.ID), n))
	}
	use := func(k api.IssuedKey) {
		t.Helper()
		_, err := h.With(k).Tenants(t.Context(), client.Page{})
		testkit.ExpectCode(t, "a use", err, "")
	}
	old := issue("old", 0, "tenants:read", "members:read")
	every := issue("every", 500, "*")
	use(old)
	use(every)
	h.Clock.Move(275 * policy.Day)
	due := issue("due", 200, "tenants:read")
	use(due)
	revoked, brief := issue("revoked", 0, "tenants:read"), issue("brief", 1, "tenants:read")
	testkit.Must[*api.Key](t)(h.As(person).RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""))
	_ = brief // expires
	h.Clock.Move(82 * policy.Day)
	issue("waited", 30, "tenants:read")
	h.Clock.Move(7 * policy.Day)
	use(due)
	h.Clock.Move(policy.Day)
	overlapping := issue("overlapping", 10, "tenants:read")
	testkit.RefreshKey(t, h.As(person), tenant, overlapping, api.RefreshKeyRequest{OverlapSeconds: 3600})
	waits := testkit.Must[api.IssuedKey](t)(h.As(h.Owner).CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{
			Name: "waits", Scopes: []string{"tenants:read"}, AllApplications: true, OwnerID: string(person.ID),
			Delivery: "link",
		}))
	want := map[string]string{
		"old":         "unused_90_days older_than_12_months never_expires unused_scopes:members:read tenants:read",
		"every":       "unused_90_days older_than_12_months unused_scopes:*",
		"due":         "older_than_90_days:",
		"overlapping": "overlap_open:",
		"waited":      "never_used:",
	}
	got, sum := healthOf(t, h, h.As(person), tenant)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without %s, which nobody has claimed:\n%s", waits.Key.Name, diff)
	}
	if diff := cmp.Diff(map[string]int{
		"never_used": 1, "unused_90_days": 2, "older_than_90_days": 1, "older_than_12_months": 2, "never_expires": 1,
		"unused_scopes": 2, "overlap_open": 1, "no_steward": 0,
	}, sum); diff != "" {
		t.Error(diff)
	}
	if all, _ := healthOf(t, h, h.As(auditor), tenant); !cmp.Equal(all, got) {
		t.Errorf("an auditor sees %v", all)
	}
	if none, sum := healthOf(t, h, h.As(h.Member(tenant, "Another", scope.Member)), tenant); len(none) != 0 ||
		sum["never_used"] != 0 {
		t.Errorf("another member sees %v", none)
	}
	list := testkit.Must[api.KeyHealthList](t)(h.As(person).KeyHealth(t.Context(), string(tenant.ID), client.Page{}))
	for _, k := range list.Items {
		if k.Key.Name == "due" && (k.AgeDays != 90 || k.DaysToExpiry == nil || *k.DaysToExpiry != 109 ||
			k.LastUsedAt == nil || k.IdleAt != nil) {
			t.Errorf("the key that is due: %+v", k)
		}
		if k.Key.Name == "old" && (k.AgeDays != 365 || k.DaysToExpiry != nil) {
			t.Errorf("the old key: %+v", k)
		}
	}
}

func TestTheGuideNamesEveryFinding(t *testing.T) {
	const path = "/docs/getting-started"
	status, _, guide := testkit.Send(t, testkit.Start(t, testkit.SQLite), http.MethodGet, path, http.Header{}, "")
	for _, f := range slices.Concat(key.Findings(), key.ManagementFindings()) {
		if !strings.Contains(string(guide), "<td><code>"+string(f)+"</code></td>") {
			t.Errorf("the guide (%d) does not tell of %s", status, f)
		}
	}
}

// A scope is used by every request that needs it: a request that a protected API verifies, or a
// request to a route of Claviger.
func TestTheScopesThatRequestsNeedAreUsed(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	k := h.Key(h.As(person), tenant, "applications:create", "applications:read", "keys:verify", "members:read",
		"scopes:read", "tenants:read")
	h.Clock.Move(31 * policy.Day)
	verifier := h.With(k)
	spare := func(want ...string) {
		t.Helper()
		got, _ := healthOf(t, h, h.As(person), tenant)
		if _, scopes, _ := strings.Cut(got["Test key"], ":"); !slices.Equal(strings.Fields(scopes), want) {
			t.Errorf("spare are %s, want %s", scopes, want)
		}
	}
	ask := func(scopes ...string) {
		t.Helper()
		d := testkit.Must[api.Decision](t)(verifier.Verify(t.Context(),
			api.VerifyRequest{Credential: k.Credential.Value, Scopes: scopes}))
		if want := api.OK; d.Code != want && !slices.Contains(scopes, "applications:delete") {
			t.Errorf("%v: %s", scopes, d.Code)
		}
	}
	ask("members:read")
	ask("applications:read", "applications:delete") // which is refused
	testkit.ExpectCode(t, "a route", testkit.ErrorOf(verifier.Tenants(t.Context(), client.Page{})), "")
	spare("applications:create", "applications:read", "scopes:read")
	ask("applications:read", "scopes:read", "members:read")
	spare("applications:create")
	h.Clock.Move(29 * policy.Day)
	ask("applications:create")
	spare()
	h.Clock.Move(29 * policy.Day)
	ask("applications:read")
	spare("members:read", "scopes:read", "tenants:read")
}
