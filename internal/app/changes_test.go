package app_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// limited starts a server on which one person may make so many changes at once, and next to none afterwards.
func limited(t *testing.T, changes config.Changes) *testkit.House {
	t.Helper()
	c := testkit.SQLite.Config(t)
	c.Limits.ChangesPerMinute = changes
	return testkit.StartIn(t, c)
}

// bodiless sends a request without a body and returns the code of the answer.
func bodiless(t *testing.T, c *client.Client, method, path string) api.Code {
	t.Helper()
	return testkit.Code(t, c.Do(t.Context(), method, path, nil, nil))
}

// rename changes one's own name.
func rename(t *testing.T, c *client.Client, name string) error {
	t.Helper()
	return c.Do(t.Context(), http.MethodPatch, "/api/v1/me", map[string]any{"name": name}, nil)
}

// spend sends a request until the person may send no more of its kind.
func spend(t *testing.T, c *client.Client, method, path string) {
	t.Helper()
	for range 100 {
		if bodiless(t, c, method, path) == api.LimitOfChanges {
			return
		}
	}
	t.Fatal("a hundred requests met no limit")
}

func TestEveryRouteThatChangesSomethingCountsAgainstThePerson(t *testing.T) {
	h := limited(t, 1)
	tenant := h.Tenant("Main", nil)
	_, operations, _ := readDocument(t, h)
	tried := 0
	for _, o := range operations {
		if o.method == http.MethodGet || len(o.Security) == 0 || o.OperationID == "verify" {
			continue
		}
		tried++
		c := h.As(h.Member(tenant, "Key Owner", scope.Admin))
		address := strings.ReplaceAll(o.address(string(tenant.ID)), "{session}", "ses_01m7z51nbwq4nbffz5d4")
		before := changesOnRecord(t, h)
		spend(t, c, http.MethodPatch, "/api/v1/me")
		if o.method == http.MethodDelete || o.OperationID == "revoke-key" || o.OperationID == "disable-key" {
			spend(t, c, http.MethodDelete, "/api/v1/tenants/"+string(tenant.ID)+"/keys/key_01m7z51nc4y94zpp4er7")
		}
		if got := bodiless(t, c, o.method, address); got != api.LimitOfChanges {
			t.Errorf("%s %s beyond the limit: %q, want %q", o.method, o.path, got, api.LimitOfChanges)
		}
		if after := changesOnRecord(t, h); after != before {
			t.Errorf("%s %s beyond the limit left %d changes", o.method, o.path, after-before)
		}
		if !strings.Contains(string(o.limits()), string(api.LimitOfChanges)) {
			t.Errorf("%s %s does not document the limit", o.method, o.path)
		}
	}
	if tried < 20 {
		t.Errorf("%d routes change something, which are too few", tried)
	}
}

func changesOnRecord(t *testing.T, h *testkit.House) int64 {
	t.Helper()
	n, err := h.Store.LastChange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestChangesCountOverAllSessionsAndKeysOfAPerson(t *testing.T) {
	h := limited(t, 4)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	first, second := h.As(person), h.As(person)
	key := h.With(h.Key(first, tenant, "applications:create"))
	expect(t, "by one session", rename(t, first, "One"), "")
	expect(t, "by the other", rename(t, second, "Two"), "")
	_, err := key.CreateApplication(t.Context(), string(tenant.ID), api.NewApplication{Name: "Three"})
	expect(t, "by a key", err, "")
	err = rename(t, second, "Four")
	expect(t, "the next one by the other", err, api.LimitOfChanges)
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Status != http.StatusTooManyRequests || p.RetryAfter <= 0 || p.RetryAfter.Seconds() > 16 {
		t.Errorf("refused with %+v, want 429 and when the next change is due", p)
	}
	_, err = key.CreateApplication(t.Context(), string(tenant.ID), api.NewApplication{Name: "Four"})
	expect(t, "the next one by the key", err, api.LimitOfChanges)
	expect(t, "somebody else", rename(t, h.As(h.Member(tenant, "Another", scope.Member)), "Other"), "")
	if _, err := first.Me(t.Context()); err != nil {
		t.Errorf("what only reads is refused: %v", err)
	}
	if _, err := h.Tenancy.CreateApplication(t.Context(), principal.Operator(), tenant.ID, "Five", ""); err != nil {
		t.Errorf("an operator is refused: %v", err)
	}
}

func TestWhoeverHasUsedUpTheirChangesCanStillRevoke(t *testing.T) {
	h := limited(t, 3)
	tenant := h.Tenant("Main", nil)
	c := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k := h.Key(c, tenant, "applications:read")
	spend(t, c, http.MethodPatch, "/api/v1/me")
	_, err := c.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "leaked")
	expect(t, "revoke", err, "")
	expect(t, "delete", c.DeleteKey(t.Context(), string(tenant.ID), k.Key.ID), "")
	if _, err := h.With(k).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyInvalid {
		t.Errorf("the key answers %v", err)
	}
}
