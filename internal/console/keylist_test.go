package console_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

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
