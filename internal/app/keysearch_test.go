package app_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// namesByPage reads a list to its end and returns the names on each page.
func namesByPage(t *testing.T, read func(client.Page) (names []string, cursor *string, err error)) (pages [][]string) {
	t.Helper()
	for page := (client.Page{}); len(pages) < 10; {
		names, cursor, err := read(page)
		testkit.NoError(t, err)
		pages = append(pages, names)
		if cursor == nil {
			return pages
		}
		page.Cursor = *cursor
	}
	t.Fatal("the list does not end")
	return nil
}

// The newest and the oldest of 12,000 keys match. A search of a tenant reads an index; one of a
// person compares 5,000 keys for each request.
func TestASearchReadsABoundedNumberOfKeysForEachRequest(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant, left := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 }),
			h.Tenant("Tenant left", nil)
		person := h.Member(tenant, "Key Owner", scope.Member)
		h.Join(left, person, scope.Member)
		c := h.As(person)
		oldest := testkit.NamedKey(t, c, tenant, "Needle of old", nil)
		testkit.InsertMany(t, h, 6_000, testkit.KeyRows(tenant, person, 10, "NULL"))
		testkit.InsertMany(t, h, 6_000, testkit.KeyRows(left, person, 20_000, "NULL"))
		_, err := h.Beside().ExecContext(t.Context(), "UPDATE keys SET created_at = 1 WHERE id = '"+oldest.Key.ID+"'")
		testkit.NoError(t, err)
		testkit.NamedKey(t, c, tenant, "Needle of now", nil)
		testkit.NoError(t, h.Tenancy.RemoveMember(t.Context(), principal.Operator(), left.ID, person.ID))

		inTenant := func(f client.KeyFilter) func(client.Page) ([]string, *string, error) {
			return func(p client.Page) (names []string, cursor *string, err error) {
				l, err := c.Keys(t.Context(), string(tenant.ID), f, p)
				for _, k := range l.Items {
					names = append(names, k.Name)
				}
				return names, l.NextCursor, err
			}
		}
		everywhere := func(f client.KeyFilter) func(client.Page) ([]string, *string, error) {
			return func(p client.Page) (names []string, cursor *string, err error) {
				l, err := c.OwnKeys(t.Context(), f, p)
				for _, k := range l.Items {
					names = append(names, k.Name)
				}
				return names, l.NextCursor, err
			}
		}
		first, last := []string{"Needle of now"}, []string{"Needle of old"}
		both := slices.Concat(first, last)
		for name, c := range map[string]struct {
			read func(client.Page) ([]string, *string, error)
			want [][]string
		}{
			"in a tenant": {inTenant(client.KeyFilter{Query: "needle"}), [][]string{both}},
			"in a tenant, of an owner": {
				inTenant(client.KeyFilter{Query: "needle", Owner: "me"}),
				[][]string{both},
			},
			"in a tenant, for nothing":   {inTenant(client.KeyFilter{Query: "haystack"}), [][]string{nil}},
			"in all tenants of a person": {everywhere(client.KeyFilter{Query: "needle"}), [][]string{first, nil, last}},
		} {
			if diff := cmp.Diff(c.want, namesByPage(t, c.read)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}

		_, err = h.Beside().ExecContext(t.Context(),
			"DELETE FROM keys WHERE tenant_id = '"+string(tenant.ID)+"' AND name = 'Key'")
		testkit.NoError(t, err)
		if diff := cmp.Diff([][]string{first, last}, namesByPage(t, everywhere(client.KeyFilter{}))); diff != "" {
			t.Errorf("all of a person whose other keys are in a tenant that they left: %s", diff)
		}
	})
}
