package verify_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// A tenant says what every question about its keys, and every question of its verifiers, must name.
func TestACallThatLacksWhatTheTenantDemandsIsRefusedByField(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant, other := h.Tenant("Main tenant", testkit.UnlimitedKeys), h.Tenant("Other tenant", testkit.UnlimitedKeys)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	application := string(h.Application(tenant, "Orders API").ID)
	verifier, k := h.Key(owner, tenant, "keys:verify"), h.Key(owner, tenant, "applications:read")
	whole := map[string]string{
		"application_id": `"application_id":"` + application + `"`,
		"tenant_id":      `"tenant_id":"` + string(tenant.ID) + `"`,
		"scopes":         `"scopes":["applications:read"]`,
		"ip":             `"ip":"203.0.113.9"`,
	}
	all := []string{"application_id", "tenant_id", "scopes", "ip"}
	question := func(credential string, without string, how string) string {
		parts := []string{`"credential":"` + credential + `"`}
		for _, name := range all {
			switch {
			case name != without:
				parts = append(parts, whole[name])
			case how != "":
				parts = append(parts, `"`+name+`":`+how)
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	good := k.Credential.Value
	if a := testkit.AskVerify(t, h, verifier, `{"credential":"`+good+`"}`); a.Code != api.OK {
		t.Fatalf("where nothing is demanded: %s", a.Text)
	}
	for _, name := range all {
		testkit.EditSettings(t, h, tenant, `{"verify_requires":["`+name+`"]}`)
		absent := map[string][]string{"scopes": {"", "null", "[]"}}[name]
		if absent == nil {
			absent = []string{"", "null", `""`}
		}
		for _, how := range absent {
			for what, credential := range map[string]string{"a good key": good, "what is no key": "x"} {
				a := testkit.AskVerify(t, h, verifier, question(credential, name, how))
				if a.Status != http.StatusUnprocessableEntity || a.FieldErrors() != name+" required" {
					t.Errorf("%s absent as %q, of %s: %d %s", name, how, what, a.Status, a.Text)
				}
			}
		}
		if a := testkit.AskVerify(t, h, verifier, question(good, "", "")); a.Code != api.OK {
			t.Errorf("with %s: %s", name, a.Text)
		}
	}
	testkit.EditSettings(t, h, tenant, `{"verify_requires":["application_id","tenant_id","scopes","ip"]}`)
	a := testkit.AskVerify(t, h, verifier, `{"credential":"`+good+`"}`)
	if want := "application_id required, tenant_id required, scopes required, ip required"; a.FieldErrors() != want {
		t.Errorf("without all of them: %s, want %s", a.FieldErrors(), want)
	}
	// A verifier of the account, and a person, are asked the same once they ask about a key of the
	// tenant.
	elsewhere := h.Key(h.As(h.Member(other, "The Other", scope.Admin)), other, "applications:read")
	for who, c := range map[string]*client.Client{
		"a verifier of the account": h.Verifier(), "a person": h.As(h.Owner),
	} {
		_, err := c.Verify(t.Context(), api.VerifyRequest{
			Credential: good, ApplicationID: application, Scopes: []string{"applications:read"}, IP: "203.0.113.9",
		})
		if got := testkit.FieldErrors(t, err); got != "tenant_id required" {
			t.Errorf("%s about a key of the tenant: %s", who, got)
		}
		d, err := c.Verify(t.Context(), api.VerifyRequest{Credential: elsewhere.Credential.Value})
		if err != nil || !d.Active {
			t.Errorf("%s about a key of another tenant: %+v, %v", who, d, err)
		}
		d, err = c.Verify(t.Context(), api.VerifyRequest{Credential: "x"})
		if err != nil || d.Code != api.APIKeyInvalid {
			t.Errorf("%s about what is no key: %+v, %v", who, d, err)
		}
	}
	// Who may not learn of the key learns nothing of its tenant's settings.
	outsider := h.With(h.Key(h.As(h.Member(other, "Another One", scope.Admin)), other, "keys:verify"))
	d, err := outsider.Verify(t.Context(), api.VerifyRequest{Credential: good})
	if err != nil || d.Code != api.APIKeyInvalid {
		t.Errorf("a verifier of another tenant: %+v, %v", d, err)
	}
	testkit.EditSettings(t, h, tenant, `{"verify_requires":null}`)
	if a := testkit.AskVerify(t, h, verifier, `{"credential":"`+good+`"}`); a.Code != api.OK {
		t.Errorf("where nothing is demanded any more: %s", a.Text)
	}
}

// A call that lacks what is demanded is no use of the key.
func TestACallThatLacksWhatTheTenantDemandsLeavesNoTrace(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.RequestsPerMinute = 0, 1 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k := h.Key(owner, tenant, "applications:read")
	testkit.EditSettings(t, h, tenant, `{"verify_requires":["ip"]}`)
	_, err := h.As(h.Owner).Verify(t.Context(), api.VerifyRequest{
		Credential: k.Credential.Value, Scopes: []string{"applications:read"},
	})
	if got := testkit.FieldErrors(t, err); got != "ip required" {
		t.Fatal(got)
	}
	if err := h.Usage.Flush(t.Context(), h.Store); err != nil {
		t.Fatal(err)
	}
	if shown := testkit.Must[api.Key](t)(owner.Key(t.Context(), string(tenant.ID), k.Key.ID)); shown.LastUsedAt != nil {
		t.Errorf("used at %s", shown.LastUsedAt)
	}
	if got := testkit.CountUntilLimited(t, testkit.AskWhoami(t, h.With(k))); got != 1 {
		t.Errorf("%d requests of the key pass, want 1", got)
	}
}

func TestTheReferenceSaysWhatAnAPIMustSendToVerify(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	d, _, _ := testkit.ReadOpenAPI(t, h)
	members := d.Components.Schemas["VerifyRequest"].(map[string]any)["properties"].(map[string]any)
	for _, name := range []string{"scopes", "application_id", "tenant_id"} {
		if text := members[name].(map[string]any)["description"].(string); !strings.Contains(text, "MUST") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if _, page := testkit.Get(t, h.URL+"/docs/api/objects"); strings.Count(page, "MUST") < 3 {
		t.Errorf("the reference says MUST %d times", strings.Count(page, "MUST"))
	}
}
