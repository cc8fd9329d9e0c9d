package policy

import "github.com/claviger-dev/claviger/internal/fault"

// VerifyField is a field of a verify request that a tenant can require ([Settings.VerifyRequires]).
type VerifyField string

// The fields that can be required.
const (
	VerifyApplication VerifyField = "application_id"
	VerifyTenant      VerifyField = "tenant_id"
	VerifyScopes      VerifyField = "scopes"
	VerifyIP          VerifyField = "ip"
)

// verifyFields returns the fields that can be required.
func verifyFields() []VerifyField {
	return []VerifyField{VerifyApplication, VerifyTenant, VerifyScopes, VerifyIP}
}

// VerifyFields says which fields a verify request has.
type VerifyFields struct{ Application, Tenant, Scopes, IP bool }

// has reports whether the request has the field.
func (f VerifyFields) has(name VerifyField) bool {
	switch name {
	case VerifyApplication:
		return f.Application
	case VerifyTenant:
		return f.Tenant
	case VerifyScopes:
		return f.Scopes
	case VerifyIP:
		return f.IP
	}
	return false
}

// RequireVerifyFields returns a fault.Invalid with each required field that the request lacks, or
// nil if it lacks none.
func RequireVerifyFields(required []VerifyField, request VerifyFields) error {
	var faults []fault.Field
	for _, name := range required {
		if !request.has(name) {
			faults = append(faults, fault.Field{
				Name: string(name), Code: "required",
				Message: "Send this field: the tenant requires it in every verify request (`verify_requires`).",
			})
		}
	}
	return fault.Refuse(faults...)
}
