package api

import "time"

// ServiceAccount owns keys in a tenant as a member does, without being a person.
type ServiceAccount struct {
	ID string `json:"id"`
	// Number is a stable integer.
	Number      int64  `json:"number"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// Role limits what its keys may do. It has none in the account.
	Role Role `json:"role" values:"admin,member,auditor"`
	// Stewards are people who get the notices about its keys and see these keys.
	Stewards []Person `json:"stewards"`
	// Status disabled refuses all its keys, and leaves them unchanged.
	Status    Status    `json:"status"`
	CreatedBy Party     `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// CreateServiceAccountRequest is the body of POST /api/v1/tenants/{tenant}/service-accounts.
type CreateServiceAccountRequest struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Role limits what its keys may do. Only owners and admins of the account may give the role
	// admin.
	Role Role `json:"role" values:"admin,member,auditor"`
	// Stewards are ids of up to 10 active members of the tenant.
	Stewards []string `json:"stewards,omitempty"`
}

// UpdateServiceAccountRequest is the body of PATCH
// /api/v1/tenants/{tenant}/service-accounts/{service_account}. Absent members stay as they are,
// null clears, lists replace.
type UpdateServiceAccountRequest struct {
	Name        Optional[string]   `json:"name,omitzero"`
	Description Optional[string]   `json:"description,omitzero"`
	Role        Optional[Role]     `json:"role,omitzero" values:"admin,member,auditor"`
	Stewards    Optional[[]string] `json:"stewards,omitzero"`
}
