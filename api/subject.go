package api

import (
	"encoding/json"
	"time"
)

// Subject is a customer of the tenant's API. Its keys are cut to its plan at every request.
type Subject struct {
	ID     string `json:"id"`
	Number int64  `json:"number"`
	// ExternalID is the id by which your own system knows the subject.
	ExternalID string  `json:"external_id"`
	Name       *string `json:"name"`
	// Plan is the name of a plan. Without one, keys may use every scope that the tenant added and
	// that members may hold.
	Plan     *string         `json:"plan"`
	Metadata json.RawMessage `json:"metadata"`
	// Status is active or disabled. A disabled subject's keys are refused.
	Status    Status    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version changes with every edit. An edit that sends it in If-Match is refused if somebody
	// else edited the object meanwhile.
	Version string `json:"version"`
}

// CreateSubjectRequest is the body of POST /api/v1/tenants/{tenant}/subjects.
type CreateSubjectRequest struct {
	// ExternalID has 1 to 200 visible ASCII characters, without spaces. No other subject of the
	// tenant may have it, in this case. It cannot be changed.
	ExternalID string `json:"external_id"`
	Name       string `json:"name,omitempty"`
	// Plan is the name of a plan of the tenant.
	Plan string `json:"plan,omitempty"`
	// Metadata is a JSON object for your own programs, as that of a key. It must not contain a
	// secret: verify returns it.
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// UpdateSubjectRequest is the body of PATCH /api/v1/tenants/{tenant}/subjects/{subject}. Absent
// members stay as they are.
type UpdateSubjectRequest struct {
	Name Optional[string] `json:"name,omitzero"`
	// Plan null removes the plan.
	Plan Optional[string] `json:"plan,omitzero"`
	// Metadata is merged with the present object by RFC 7396: a member that is null is removed.
	// null in place of the object removes all members.
	Metadata Optional[json.RawMessage] `json:"metadata,omitzero"`
}
