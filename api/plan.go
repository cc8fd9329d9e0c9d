package api

import "time"

// Plan is a named ceiling for the keys of subjects.
type Plan struct {
	Name string `json:"name"`
	// Scopes are scopes that the tenant added. ["*"] is all that members may hold.
	Scopes          []string  `json:"scopes"`
	AllApplications bool      `json:"all_applications"`
	ApplicationIDs  []string  `json:"application_ids"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// CreatePlanRequest is the body of POST /api/v1/tenants/{tenant}/plans.
type CreatePlanRequest struct {
	// Name has 1 to 64 of a-z 0-9 _ and -, with a letter at the beginning. It cannot be changed.
	Name string `json:"name"`
	// Scopes are 1 to 200 scopes that the tenant added. "*" must be the only one.
	Scopes []string `json:"scopes"`
	// AllApplications must be true, or ApplicationIDs must name 1 to 500 applications.
	AllApplications bool     `json:"all_applications,omitempty"`
	ApplicationIDs  []string `json:"application_ids,omitempty"`
}

// UpdatePlanRequest is the body of PATCH /api/v1/tenants/{tenant}/plans/{plan}. Absent members stay
// as they are.
type UpdatePlanRequest struct {
	// Scopes replace the whole list.
	Scopes Optional[[]string] `json:"scopes,omitzero"`
	// AllApplications true removes the restriction to applications. ApplicationIDs alone sets it.
	AllApplications Optional[bool]     `json:"all_applications,omitzero"`
	ApplicationIDs  Optional[[]string] `json:"application_ids,omitzero"`
}
