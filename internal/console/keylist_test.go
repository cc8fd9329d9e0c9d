package console_test

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Each chip leads to the keys that it counts, and to no others.
func TestTheListOfKeysIsNarrowedToWhatAnAdminLooksFor(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, func(s *policy.Settings) { s.KeysPerUser = 0 })
	admin, tenant := d.As(d.person), string(d.tenant.ID)
	owner := d.Member(d.tenant, "Priya Raman", scope.Member)
	create := func(name string, in time.Duration) api.IssuedKey {
		n := api.CreateKeyRequest{Name: name, Scopes: []string{"applications:read"}, AllApplications: true}
		if in > 0 {
			at := d.Clock.Now().Add(in)
			n.ExpiresAt = &at
		}
		return testkit.Must[api.IssuedKey](t)(d.As(owner).CreateKey(t.Context(), tenant, n))
	}
	used, ending := create("Used key", 60*policy.Day), create("Ending key", 10*policy.Day)
	for _, k := range []api.IssuedKey{used, ending} {
		testkit.Must[api.Whoami](t)(d.With(k).Whoami(t.Context()))
	}
	create("Fresh key", 0)
	gone := create("Revoked key", 10*policy.Day)
	_, err := admin.RevokeKey(t.Context(), tenant, gone.Key.ID, "")
	testkit.NoError(t, err)
	waiting, _ := testkit.KeyByLink(t, admin, d.tenant, owner, nil)
	testkit.NoError(t, d.Usage.Flush(t.Context(), d.Store))
	all := []string{"Used key", "Ending key", "Fresh key", "Revoked key", waiting.Key.Name}
	for filter, want := range map[string][]string{
		"soon": {"Ending key"}, "unused": {"Fresh key"}, "unclaimed": {waiting.Key.Name},
		"soon&sort=name": {"Ending key"}, "unused&q=fresh": {"Fresh key"}, "unused&q=used": nil,
	} {
		page := d.get(d.at("keys?status=" + filter))
		for _, name := range all {
			if got := strings.Contains(page.text, ">"+name+"</a>"); got != slices.Contains(want, name) {
				t.Errorf("%s: %s is listed: %t\n%s", filter, name, got, page.text)
			}
		}
	}
	page := d.get(d.at("keys"))
	for _, chip := range []string{"Expires soon", "Never used", "Not claimed"} {
		page.see(t, "the counts", http.StatusOK, ">"+chip+` <span class="quiet" aria-hidden="true">1</span>`)
	}
	theirs := newVisitor(t, d.URL)
	theirs.signIn(owner)
	if seen := theirs.get(d.at("keys")); strings.Contains(seen.text, "Never used") {
		t.Errorf("a member is offered a filter by what they do not see of the keys of others:\n%s", seen.text)
	}
	colleague := newVisitor(t, d.URL)
	colleague.signIn(d.Member(d.tenant, "Jonas Lindqvist", scope.Member))
	if seen := colleague.get(d.at("keys?status=unused")); strings.Contains(seen.text, "Fresh key") {
		t.Errorf("a member learns that the key of another was never used:\n%s", seen.text)
	}
}

func TestABlockedKeyIsListedAsBlockedAndNotAsActive(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	admin := d.As(d.person)
	priya := d.Member(d.tenant, "Priya Raman", scope.Member)
	k := d.Key(d.As(priya), d.tenant, "applications:read")
	tenant, list := string(d.tenant.ID), d.at("keys")
	other := d.Key(admin, d.tenant, "applications:read")
	blockedBy := func(want string) {
		t.Helper()
		got := testkit.Must[api.Key](t)(admin.Key(t.Context(), tenant, k.Key.ID))
		by := ""
		if got.BlockedBy != nil {
			by = string(*got.BlockedBy)
		}
		if by != want || got.Status != api.KeyActive {
			t.Errorf("the key is %s and blocked by %q, want %q", got.Status, by, want)
		}
		for filter, listed := range map[client.KeyFilter]bool{
			{Status: "active"}: want == "", {BlockedBy: "owner"}: want == "owner", {BlockedBy: "tenant"}: false,
			{}: true,
		} {
			keys := testkit.Must[api.List[api.Key]](t)(admin.Keys(t.Context(), tenant, filter, client.Page{}))
			found := false
			for _, one := range keys.Items {
				found = found || one.ID == k.Key.ID
			}
			if found != listed {
				t.Errorf("%+v, blocked by %q: listed is %t", filter, want, found)
			}
		}
	}
	blockedBy("")
	_, err := admin.EditMember(t.Context(), tenant, string(priya.ID), api.UpdateMemberRequest{
		Status: api.To(api.StatusDisabled),
	})
	testkit.NoError(t, err)
	blockedBy("owner")
	page := d.get(list + "?status=blocked")
	page.see(t, "the blocked keys", http.StatusOK, k.Key.PublicID)
	page.see(t, "the blocked keys", http.StatusOK, `class="badge blocked"`)
	if strings.Contains(page.text, other.Key.PublicID) {
		t.Error("a key that works is listed as blocked")
	}
	d.get(list+"/"+k.Key.ID).see(t, "the key", http.StatusOK,
		"Its owner, or their membership in this tenant, is disabled.")
	_, err = admin.Keys(t.Context(), tenant, client.KeyFilter{BlockedBy: "nobody"}, client.Page{})
	testkit.ExpectCode(t, "another filter", err, api.ValidationFailed)
}

func TestAListIsFilteredByOwnersAndSaysHowManyItShows(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.Key(d.As(d.person), d.tenant, "applications:read")
	d.get(d.at("keys")).see(t, "all", http.StatusOK, "1 key shown")
	people := d.get(d.at("keys?owner=user&q="))
	people.see(t, "of people", http.StatusOK, `<option value="user" selected>`)
	people.see(t, "of people", http.StatusOK, "1 key shown")
	subjects := d.get(d.at("keys?owner=subject"))
	subjects.see(t, "of subjects", http.StatusOK, "No key matches.")
	subjects.see(t, "of subjects", http.StatusOK, `/keys.csv?owner=subject">Export as CSV`)
}

func TestTheKeysOfATenantAreExportedWithoutFormulasAndWithoutWhatOthersMayNotSee(t *testing.T) {
	t.Parallel()
	d := newVisit(t, func(s *policy.Settings) {
		s.Visibility = policy.SeeAll
		s.KeysPerUser = 0
	})
	admin := d.Member(d.tenant, "Ada Admin", scope.Admin)
	const formula = `=HYPERLINK("https://x.example";"a")`
	for range 201 { // more than one part
		_, err := d.As(admin).CreateKey(t.Context(), string(d.tenant.ID), api.CreateKeyRequest{
			Name: formula, Description: "-1\n2", Scopes: []string{"applications:read"}, AllApplications: true,
		})
		testkit.NoError(t, err)
	}
	rows := func(v *visitor, path string) [][]string {
		t.Helper()
		got := v.get(path)
		if got.header.Get("Content-Type") != "text/csv; charset=utf-8" ||
			got.header.Get("Cache-Control") != "no-store" ||
			got.header.Get("Content-Disposition") != `attachment; filename="keys.csv"` {
			t.Fatalf("%d %v\n%s", got.status, got.header, got.text)
		}
		return testkit.Must[[][]string](t)(csv.NewReader(strings.NewReader(got.text)).ReadAll())
	}
	v := newVisitor(t, d.URL)
	v.signIn(admin)
	whole := rows(v, d.at("keys.csv"))
	if len(whole) != 202 || whole[0][2] != "name" || whole[1][2] != "'"+formula || whole[1][3] != "'-1\n2" ||
		whole[1][14] != "applications:read" {
		t.Errorf("%d rows, the second %q", len(whole), whole[1])
	}
	for _, path := range []string{"keys.csv?status=revoked", "keys.csv?owner=subject", "keys.csv?q=nothing"} {
		if got := rows(v, d.at(path)); len(got) != 1 {
			t.Errorf("%s: %d rows", path, len(got))
		}
	}
	reduced := rows(d.visitor, d.at("keys.csv"))
	if len(reduced) != 202 || strings.Join(reduced[1][9:], "") != "" {
		t.Errorf("a member exports %q", reduced[1])
	}
	v.get(d.at("keys.csv?status=nonsense")).see(t, "a wrong filter", http.StatusUnprocessableEntity, "Use active")
}

// A filter that is ignored would show, or export, what nobody asked for.
func TestAPageDoesNotIgnoreAFilterThatItCannotRead(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.Key(d.As(d.person), d.tenant, "applications:read")
	const unreadable, unknown = http.StatusBadRequest, http.StatusUnprocessableEntity
	for path, want := range map[string]int{
		"keys?q=100%": unreadable, "keys?q=%ff": unreadable, "keys?q=a;b": unreadable, "keys?%zz=1": unreadable,
		"keys?q=a&q=b": unreadable, "keys?status=active&status=revoked": unreadable,
		"keys.csv?q=100%": unreadable, "keys.csv?q=a&%71=b": unreadable, "members?q=%C3%28": unreadable,
		"subjects.csv?plan=%": unreadable, "audit.csv?action=%zz": unreadable,
		"audit.jsonl?since=7&since=30": unreadable,
		"health.csv?x=%":               unreadable, "usage.csv?key=%": unreadable, "keys/new?name=100%": unreadable,
		"keys?status=nonsense": unknown, "audit?since=yesterday": unknown,
		"audit.csv?since=-1": unknown, "audit.jsonl?since=365": unknown, "usage?period=8": unknown,
		"usage.csv?period=all": unknown, "service-accounts?show=all": unknown,
		"keys?q=": http.StatusOK, "keys?q=&status=&owner=": http.StatusOK, "keys?utm_source=mail": http.StatusOK,
		"keys?q=100%25": http.StatusOK, "keys/new?scopes=a:b&scopes=c:d": http.StatusOK, "audit?since=": http.StatusOK,
	} {
		if got := d.get(d.at(path)); got.status != want {
			t.Errorf("%s: %d, want %d\n%.300s", path, got.status, want, got.text)
		}
	}
	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.Owner)
	d.get(d.inAccount("statement.csv?month=last")).see(t, "a month", unknown, "no such choice")
}
