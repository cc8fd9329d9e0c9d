package web_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// limited starts a server on which one person may make so many changes at once, and next to none
// afterwards.
func limited(t *testing.T, changes config.Changes) *testkit.Server {
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

// alsoReduce are the operations that take authority away without being a DELETE.
var alsoReduce = []string{
	"revoke-key", "disable-key", "revoke-keys", "disable-keys", "revoke-management-key", "disable-subject",
	"disable-service-account", "change-password",
}

func TestEveryRouteThatChangesSomethingCountsAgainstThePerson(t *testing.T) {
	h := limited(t, 1)
	tenant := h.Tenant("Main", nil)
	_, operations, _ := testkit.ReadOpenAPI(t, h)
	tried := 0
	for _, o := range operations {
		if o.Method == http.MethodGet || len(o.Security) == 0 || strings.HasPrefix(o.OperationID, "verify") {
			continue
		}
		tried++
		c := h.As(h.Member(tenant, "Key Owner", scope.Admin))
		address := strings.ReplaceAll(o.Address(string(tenant.ID)), "{session}", "ses_01m7z51nbwq4nbffz5d4")
		before := changesOnRecord(t, h)
		spend(t, c, http.MethodPatch, "/api/v1/me")
		if o.Method == http.MethodDelete || slices.Contains(alsoReduce, o.OperationID) {
			spend(t, c, http.MethodDelete, "/api/v1/tenants/"+string(tenant.ID)+"/keys/key_01m7z51nc4y94zpp4er7")
		}
		if got := bodiless(t, c, o.Method, address); got != api.LimitOfChanges {
			t.Errorf("%s %s beyond the limit: %q, want %q", o.Method, o.Path, got, api.LimitOfChanges)
		}
		if after := changesOnRecord(t, h); after != before {
			t.Errorf("%s %s beyond the limit left %d changes", o.Method, o.Path, after-before)
		}
		if !strings.Contains(string(o.RateLimitCodes()), string(api.LimitOfChanges)) {
			t.Errorf("%s %s does not document the limit", o.Method, o.Path)
		}
	}
	if tried < 20 {
		t.Errorf("%d routes change something, which are too few", tried)
	}
}

func changesOnRecord(t *testing.T, h *testkit.Server) int64 {
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
	testkit.ExpectCode(t, "by one session", rename(t, first, "One"), "")
	testkit.ExpectCode(t, "by the other", rename(t, second, "Two"), "")
	_, err := key.CreateApplication(t.Context(), string(tenant.ID), api.CreateApplicationRequest{Name: "Three"})
	testkit.ExpectCode(t, "by a key", err, "")
	err = rename(t, second, "Four")
	testkit.ExpectCode(t, "the next one by the other", err, api.LimitOfChanges)
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Status != http.StatusTooManyRequests || p.RetryAfter <= 0 ||
		p.RetryAfter.Seconds() > 16 {
		t.Errorf("refused with %+v, want 429 and when the next change is due", p)
	}
	_, err = key.CreateApplication(t.Context(), string(tenant.ID), api.CreateApplicationRequest{Name: "Four"})
	testkit.ExpectCode(t, "the next one by the key", err, api.LimitOfChanges)
	testkit.ExpectCode(t, "somebody else", rename(t, h.As(h.Member(tenant, "Another", scope.Member)), "Other"), "")
	if _, err := first.Me(t.Context()); err != nil {
		t.Errorf("what only reads is refused: %v", err)
	}
	if _, err := h.Applications.CreateApplication(t.Context(), principal.Operator(), tenant.ID, "Five",
		""); err != nil {
		t.Errorf("an operator is refused: %v", err)
	}
}

func TestAPersonWhoHasUsedUpTheirChangesCanStillRevoke(t *testing.T) {
	h := limited(t, 3)
	tenant := h.Tenant("Main", nil)
	c := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k := h.Key(c, tenant, "applications:read")
	spend(t, c, http.MethodPatch, "/api/v1/me")
	_, err := c.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "leaked")
	testkit.ExpectCode(t, "revoke", err, "")
	testkit.ExpectCode(t, "delete", c.DeleteKey(t.Context(), string(tenant.ID), k.Key.ID), "")
	if _, err := h.With(k).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyInvalid {
		t.Errorf("the key answers %v", err)
	}
}

func TestAStolenSessionKeepsItsOwnerFromNothingThatEndsIt(t *testing.T) {
	h := limited(t, 2)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	thief := h.As(person)
	spend(t, thief, http.MethodDelete, "/api/v1/me/sessions/ses_01m7z51nbwq4nbffz5d4")
	own, _, err := h.Anyone().SignIn(t.Context(), person.Email, testkit.Password)
	testkit.ExpectCode(t, "sign in anew", err, "")
	list, err := own.Sessions(t.Context(), client.Page{})
	testkit.ExpectCode(t, "list the sessions", err, "")
	for _, s := range list.Items {
		if !s.Current {
			testkit.ExpectCode(t, "end a session", own.EndSession(t.Context(), s.ID), "")
		}
	}
	_, err = thief.Me(t.Context())
	testkit.ExpectCode(t, "the session that was ended", err, api.SessionEnded)
	spend(t, own, http.MethodPatch, "/api/v1/me")
	_, err = own.ChangePassword(t.Context(), testkit.Password, "another password that is long")
	testkit.ExpectCode(t, "change the password", err, "")
}

func TestDisablingAloneCountsAsTakingAway(t *testing.T) {
	h := limited(t, 1)
	tenant := h.Tenant("Main", nil)
	c := h.As(h.Owner)
	member := h.Member(tenant, "A Member", scope.Member)
	app, err := c.CreateApplication(t.Context(), string(tenant.ID),
		api.CreateApplicationRequest{Name: "An application"})
	testkit.ExpectCode(t, "an application", err, "")
	base := "/api/v1/tenants/" + string(tenant.ID)
	spend(t, c, http.MethodPatch, "/api/v1/me")
	for _, path := range []string{base + "/members/" + string(member.ID), base + "/applications/" + app.ID, base} {
		for body, want := range map[string]api.Code{
			`{"status":"active"}`:                       api.LimitOfChanges,
			`{"status":"disabled","name":"Another"}`:    api.LimitOfChanges,
			`{"status":"disabled","status":"disabled"}`: api.LimitOfChanges,
			`{"status":"disabled"}`:                     "",
		} {
			err := c.Do(t.Context(), http.MethodPatch, path, json.RawMessage(body), nil)
			testkit.ExpectCode(t, path+" "+body, err, want)
		}
	}
}
