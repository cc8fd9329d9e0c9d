package testkit

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// EditSettings changes settings of a tenant by the API. They are a JSON object.
func EditSettings(t testing.TB, h *Server, tenant tenancy.Tenant, settings string) {
	t.Helper()
	err := SendBody(t, h.As(h.Owner), http.MethodPatch, TenantPath(tenant.ID), `{"settings":`+settings+`}`)
	if err != nil {
		t.Fatalf("%s: %v", settings, err)
	}
}

// VerifyAnswer is an answer of verify.
type VerifyAnswer struct {
	Status int
	Header http.Header
	Text   string
	api.Code
	Problem api.Problem
}

// AskVerify sends a body to verify with the key of the verifier.
func AskVerify(t testing.TB, h *Server, verifier api.IssuedKey, body string) (a VerifyAnswer) {
	t.Helper()
	header := http.Header{
		"Authorization": {"Bearer " + verifier.Credential.Value}, "Content-Type": {"application/json"},
	}
	status, answered, text := Send(t, h, http.MethodPost, "/api/v1/verify", header, body)
	a = VerifyAnswer{Status: status, Header: answered, Text: string(text)}
	if err := json.Unmarshal(text, &a.Problem); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	a.Code = a.Problem.Code
	return a
}

// FieldErrors returns the faults of fields as "name code, …".
func (a VerifyAnswer) FieldErrors() string {
	var parts []string
	for _, f := range a.Problem.Errors {
		parts = append(parts, f.Field+" "+f.Code)
	}
	return strings.Join(parts, ", ")
}
