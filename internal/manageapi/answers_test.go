package manageapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// form is a schema of the document, as far as ours go.
type form struct {
	Ref        string `json:"$ref"`
	Type       any
	Items      *form
	Properties map[string]*form
	Required   []string
	OneOf      []*form
}

// forms are the document's objects by name.
type forms map[string]*form

// misfit says where a value departs from a form; "" where it fits.
func (all forms) misfit(f *form, at string, v any) string {
	if name, ok := strings.CutPrefix(f.Ref, "#/components/schemas/"); ok {
		return all.misfit(all[name], at, v)
	}
	if len(f.OneOf) > 0 {
		return all.misfitOfEach(f.OneOf, at, v)
	}
	kind := kindOf(v)
	if !slices.Contains(strings.Fields(strings.Trim(fmt.Sprint(f.Type), "[]")), kind) {
		return fmt.Sprintf("%s is %s, not %v", at, kind, f.Type)
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			if wrong := all.misfit(f.Items, fmt.Sprintf("%s.%d", at, i), item); wrong != "" {
				return wrong
			}
		}
	case map[string]any:
		return all.misfitOfMembers(f, at, v)
	}
	return ""
}

func (all forms) misfitOfEach(choice []*form, at string, v any) string {
	var wrong []string
	for _, f := range choice {
		if m := all.misfit(f, at, v); m != "" {
			wrong = append(wrong, m)
		}
	}
	if len(wrong) == len(choice)-1 {
		return ""
	}
	return fmt.Sprintf("%s fits %d forms: %s", at, len(choice)-len(wrong), strings.Join(wrong, "; "))
}

func (all forms) misfitOfMembers(f *form, at string, v map[string]any) string {
	for _, name := range f.Required {
		if _, ok := v[name]; !ok {
			return at + " lacks " + name
		}
	}
	for name, member := range v {
		known := f.Properties[name]
		if known == nil {
			return at + " has " + name
		}
		if wrong := all.misfit(known, at+"."+name, member); wrong != "" {
			return wrong
		}
	}
	return ""
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

func TestAnswersHaveTheFormThatTheDocumentSays(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	h.Application(tenant, "Orders API")
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	other := h.As(h.Member(tenant, "Another Member", scope.Member))
	key, verifier := h.Key(owner, tenant, "applications:read"), h.Verifier()
	keys := "/api/v1/tenants/{tenant}/keys"
	for _, c := range []struct {
		by           *client.Client
		method, path string
		body         any
		status       string
	}{
		{
			h.Anyone(), http.MethodPost, "/api/v1/session",
			api.SignInRequest{Email: h.Owner.Email, Password: testkit.Password},
			"201",
		},
		{owner, http.MethodGet, "/api/v1/session", nil, "200"},
		{owner, http.MethodGet, "/api/v1/whoami", nil, "200"},
		{h.With(key), http.MethodGet, "/api/v1/whoami", nil, "200"},
		{verifier, http.MethodPost, "/api/v1/verify", api.VerifyRequest{Credential: key.Credential.Value}, "200"},
		{
			verifier, http.MethodPost, "/api/v1/verify",
			api.VerifyRequest{Credential: key.Credential.Value, SessionOnly: true},
			"200",
		},
		{verifier, http.MethodPost, "/api/v1/verify", api.VerifyRequest{Credential: "none"}, "200"},
		{
			owner, http.MethodPost, keys,
			api.CreateKeyRequest{Name: "Another key", Scopes: []string{"scopes:read"}, AllApplications: true},
			"201",
		},
		{owner, http.MethodGet, keys, nil, "200"},
		{other, http.MethodGet, keys, nil, "200"},
		{owner, http.MethodGet, keys + "/{key}", nil, "200"},
		{owner, http.MethodPost, keys + "/{key}/revoke", api.RevokeKeyRequest{Reason: "Lost"}, "200"},
		{owner, http.MethodGet, "/api/v1/tenants/{tenant}/applications", nil, "200"},
		{h.Anyone(), http.MethodGet, "/healthz", nil, "200"},
		{h.Anyone(), http.MethodGet, "/readyz", nil, "200"},
	} {
		all, answered := documentedAnswer(t, h, c.method, c.path, c.status)
		path := strings.NewReplacer("{tenant}", string(tenant.ID), "{key}", key.Key.ID).Replace(c.path)
		var got any
		if err := c.by.Do(t.Context(), c.method, path, c.body, &got); err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		if wrong := all.misfit(answered, "answer", got); wrong != "" {
			t.Errorf("%s %s: %s", c.method, c.path, wrong)
		}
	}
}

// documentedAnswer returns the form of an answer, and all those it may refer to.
func documentedAnswer(t *testing.T, h *testkit.Server, method, path, status string) (forms, *form) {
	t.Helper()
	var d struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema *form }
			}
		}
		Components struct{ Schemas forms }
	}
	_, text := testkit.Get(t, h.URL+"/openapi.json")
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	f := d.Paths[path][strings.ToLower(method)].Responses[status].Content["application/json"].Schema
	if f == nil {
		t.Fatalf("%s %s has no answer %s", method, path, status)
	}
	return d.Components.Schemas, f
}
