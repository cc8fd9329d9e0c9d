package manageapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A statement that the database does not take fails again at every other attempt.
func TestWhatTheDatabaseRejectsIsNeverAnsweredAsTryAgain(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	owner, signedIn := h.As(person), testkit.SessionHeader(t, h, person)
	verifier, k := h.Key(owner, tenant, "keys:verify"), h.Key(owner, tenant, "applications:read")
	if a := testkit.AskVerify(t, h, verifier, `{"credential":"x"}`); a.Code != api.APIKeyInvalid {
		t.Fatal(a.Text) // what is known of the verifier is cached now
	}
	beside := h.Beside()
	for _, table := range []string{"applications", "key_secrets"} {
		if _, err := beside.ExecContext(t.Context(), `ALTER TABLE `+table+` RENAME TO `+table+`_away`); err != nil {
			t.Fatal(err)
		}
	}
	for what, ask := range map[string]func() (int, http.Header, []byte){
		"a read": func() (int, http.Header, []byte) {
			return testkit.Send(t, h, http.MethodGet, testkit.TenantPath(tenant.ID)+"/applications", signedIn, "")
		},
		"a change": func() (int, http.Header, []byte) {
			return testkit.Post(t, h, testkit.TenantPath(tenant.ID)+"/applications", signedIn,
				`{"name":"An application"}`)
		},
		"a decision": func() (int, http.Header, []byte) {
			a := testkit.AskVerify(t, h, verifier, `{"credential":"`+k.Credential.Value+`"}`)
			return a.Status, a.Header, []byte(a.Text)
		},
		"a caller": func() (int, http.Header, []byte) {
			header := http.Header{"Authorization": {"Bearer " + k.Credential.Value}}
			return testkit.Send(t, h, http.MethodGet, "/api/v1/whoami", header, "")
		},
	} {
		status, header, text := ask()
		internal := strings.Contains(string(text), `"code":"internal"`)
		if status != http.StatusInternalServerError || header.Get("Retry-After") != "" || !internal {
			t.Errorf("%s: %d, Retry-After %q, %s", what, status, header.Get("Retry-After"), text)
		}
		if id := header.Get("X-Request-Id"); id == "" || !strings.Contains(h.Log.String(), id) {
			t.Errorf("%s: request %s is not in the log", what, id)
		}
	}
}
