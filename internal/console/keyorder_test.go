package console_test

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/usage"
)

var (
	keyNames   = regexp.MustCompile(`<a href="/t/[^"]*/keys/key_[^"]*">([^<]*)</a>`)
	headLinks  = regexp.MustCompile(`<th role="columnheader" scope="col"([^>]*)><a href="([^"]*)">([^<]*)<`)
	pagesAfter = regexp.MustCompile(`href="([^"]+)">(Previous|Next) page`)
)

// names returns the names of the keys that a page lists, in order.
func names(page shown) (list []string) {
	for _, m := range keyNames.FindAllStringSubmatch(page.text, -1) {
		list = append(list, m[1])
	}
	return list
}

// step returns the address of the next or previous page; "" for none.
func step(page shown, which string) string {
	for _, m := range pagesAfter.FindAllStringSubmatch(page.text, -1) {
		if m[2] == which {
			return html.UnescapeString(m[1])
		}
	}
	return ""
}

// namedKeys creates keys, each a minute after the one before.
func (d *visit) namedKeys(names ...string) (ids []ident.KeyID) {
	d.t.Helper()
	for _, name := range names {
		k := testkit.NamedKey(d.t, d.As(d.person), d.tenant, name, nil)
		ids = append(ids, ident.KeyID(k.Key.ID))
		d.Clock.Move(time.Minute)
	}
	return ids
}

func TestTheListOfKeysIsSortedByTheHeadsOfItsColumns(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, testkit.UnlimitedKeys)
	ids := d.namedKeys("Bravo key", "alpha key", "Charlie key")
	testkit.NoError(t, d.Store.RecordUses(t.Context(), []usage.Use{
		{Key: ids[1], Tenant: d.tenant.ID, At: d.Clock.Now().Add(-time.Second)},
		{Key: ids[2], Tenant: d.tenant.ID, At: d.Clock.Now().Add(-time.Minute)},
	}))
	expires := d.Clock.Now().Add(time.Hour)
	_, err := d.As(d.person).EditKey(t.Context(), string(d.tenant.ID), string(ids[0]), api.UpdateKeyRequest{
		ExpiresAt: api.To(expires),
	})
	testkit.NoError(t, err)
	for query, want := range map[string][]string{
		"":              {"Charlie key", "alpha key", "Bravo key"},
		"?sort=created": {"Bravo key", "alpha key", "Charlie key"},
		"?sort=name":    {"alpha key", "Bravo key", "Charlie key"},
		"?sort=-name":   {"Charlie key", "Bravo key", "alpha key"},
		"?sort=-used":   {"alpha key", "Charlie key", "Bravo key"},
		"?sort=used":    {"Bravo key", "Charlie key", "alpha key"},
		"?sort=owner":   {"Charlie key", "alpha key", "Bravo key"},
		"?sort=expires&q=key&status=active": {
			"Bravo key", "alpha key", "Charlie key",
		},
		"?sort=name&q=key&status=active": {"alpha key", "Bravo key", "Charlie key"},
		"?sort=name&q=charlie":           {"Charlie key"},
		"?sort=expires&q=charlie":        {"Charlie key"},
		"?sort=-used&status=disabled":    nil,
	} {
		page := d.get(d.at("keys" + query))
		if got := names(page); page.status != http.StatusOK || !slices.Equal(got, want) {
			t.Errorf("%s: %d %q, want %q", query, page.status, got, want)
		}
		sorted := 0
		for _, m := range headLinks.FindAllStringSubmatch(page.text, -1) {
			sorted += strings.Count(m[1], "aria-sort")
			if got := d.get(html.UnescapeString(m[2])); got.status != http.StatusOK {
				t.Errorf("%s by %s: %d", query, m[3], got.status)
			}
		}
		if sorted != 1 && want != nil {
			t.Errorf("%s: %d heads say that the list is sorted by them", query, sorted)
		}
	}
	d.get(d.at("keys?sort=secret")).see(t, "an order of nothing", http.StatusUnprocessableEntity, "Use created")
	csv := d.get(d.at("keys.csv?sort=name")).text
	if strings.Index(csv, "alpha key") > strings.Index(csv, "Bravo key") {
		t.Errorf("the export is not sorted:\n%s", csv)
	}
}

func TestPagesOfASortedListLeadOnAndBack(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	rows := testkit.KeyRows(d.tenant, d.person, 120, "NULL")
	testkit.InsertMany(t, d.Server, 120, strings.Replace(rows, `'Key'`, `'Key ' || (1000 + i)`, 1))
	for _, sort := range []string{
		"", "&sort=created", "&sort=name", "&sort=-name", "&sort=owner", "&sort=-used",
		"&sort=expires", "&sort=used&status=active",
	} {
		first := d.get(d.at("keys?rows=50" + sort))
		second := d.get(step(first, "Next"))
		third := d.get(step(second, "Next"))
		all := slices.Concat(names(first), names(second), names(third))
		if n := len(slices.Compact(slices.Sorted(slices.Values(all)))); n != 120 || len(all) != 120 {
			t.Errorf("%s: %d rows, of which %d differ", sort, len(all), n)
		}
		back := d.get(step(d.get(step(third, "Previous")), "Previous"))
		if step(third, "Next") != "" || !slices.Equal(names(back), names(first)) || step(back, "Previous") != "" {
			t.Errorf("%s: the way back ends at %q", sort, names(back))
		}
		other := strings.Replace(step(first, "Next"), "after=", "owner=user&after=", 1)
		d.get(other).see(t, "a position in another list", http.StatusBadRequest, "This is no page of the list.")
	}
	if n := len(names(d.get(d.at("keys?rows=100&sort=name")))); n != 100 {
		t.Errorf("%d rows on a page of 100", n)
	}
}

func TestAListOfMoreThanAThousandKeysIsNotSortedByExpiry(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, testkit.UnlimitedKeys)
	testkit.InsertMany(t, d.Server, key.MaxByExpiry, testkit.KeyRows(d.tenant, d.person, 1, "NULL"))
	const why, link = "Lists of up to 1,000 keys can be sorted by expiry.", `sort=expires">Expires`
	page := d.get(d.at("keys?sort=expires"))
	page.see(t, "a thousand", http.StatusOK, `sort=-expires">Expires`)
	d.namedKeys("One more")
	page = d.get(d.at("keys?sort=expires"))
	page.see(t, "one more", http.StatusOK, why)
	if strings.Contains(page.text, link) || !strings.Contains(page.text, `aria-sort="descending"><a href="`) {
		t.Error("the list can be sorted by expiry, or does not say how it is sorted")
	}
	second := d.get(step(page, "Next"))
	if got := names(second); second.status != http.StatusOK || len(got) != 50 || slices.Contains(got, "One more") {
		t.Errorf("the second page: %d with %d keys", second.status, len(got))
	}
}

// Of many keys few are disabled: their list has all of them on one page, in every order.
func TestTheFewDisabledKeysOfALargeTenantAreOnOnePageInEveryOrder(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, testkit.UnlimitedKeys)
	testkit.InsertMany(t, d.Server, 2500, testkit.KeyRows(d.tenant, d.person, 1, "NULL"))
	testkit.InsertMany(t, d.Server, 2500, `INSERT INTO key_secrets (key_id, position, serial, lookup,
		public_id, last4, style, prefix, label, domain, digest, digest_version, set_at)
		SELECT 'key_1_' || i, 'current', 1, 'l' || i, 'ak_' || i, 'last', 'opaque', 'clv', 'ak', '', CAST('d' AS BLOB),
		1, 1 FROM n`)
	testkit.Exec(t, d.Server, `UPDATE keys SET disabled_at = 1, disabled_by_admin = FALSE, name = 'Off ' || id
		WHERE id IN ('key_1_1', 'key_1_777', 'key_1_1500', 'key_1_2499')`)
	for _, order := range []string{"", "&sort=name", "&sort=-name", "&sort=created"} {
		page := d.get(d.at("keys?status=disabled" + order))
		if got := names(page); page.status != http.StatusOK || len(got) != 4 || step(page, "Next") != "" {
			t.Errorf("%q: %d with %v, and then %q", order, page.status, got, step(page, "Next"))
		}
	}
}

func TestMembersDoNotLearnFromAnOrderWhatTheyDoNotSee(t *testing.T) {
	t.Parallel()
	d := newVisit(t, func(s *policy.Settings) { s.Visibility = policy.SeeAll })
	other := d.Member(d.tenant, "Ada Admin", scope.Admin)
	testkit.NamedKey(t, d.As(other), d.tenant, "Key of another", nil)
	page := d.get(d.at("keys"))
	page.see(t, "the list", http.StatusOK, "sort=name")
	for _, sort := range []string{"used", "-used", "expires", "-expires"} {
		d.get(d.at("keys?sort="+sort)).see(t, sort, http.StatusForbidden, "Sort the list by something else.")
		if strings.Contains(page.text, "sort="+sort) {
			t.Errorf("the page leads to the order %s", sort)
		}
	}
	if got := names(d.get(d.at("keys?sort=owner"))); !slices.Equal(got, []string{"Key of another"}) {
		t.Errorf("by owner: %q", got)
	}
}
