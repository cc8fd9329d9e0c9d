package api

import (
	"encoding/json"
	"time"
)

// VerifyRequest asks for a decision about the credential of a request. It has exactly one of
// Credential and Headers; the rest is optional. What is left out is not checked, so an API MUST
// send everything that it knows about the request. A tenant can require members (see
// verify_requires in its settings).
type VerifyRequest struct {
	// Credential is a key's value or an access token. If it is empty or null, the code of the
	// decision is api_key_invalid.
	Credential string `json:"credential,omitempty"`
	// Headers are the headers of the request in question, such as an http.Header. Names are
	// compared without regard to case. A value is a string, a list of strings if the header was
	// sent several times, or null if it was not sent. Only headers that can carry a credential are
	// read; the others may have values of any type. Cookies are ignored.
	Headers map[string][]string `json:"headers,omitempty"`
	// Scopes are the scopes that the request needs, all of them. An API MUST name them: without
	// scopes every valid key is active.
	Scopes []string `json:"scopes,omitempty"`
	// ApplicationID is the id of the application that the request is for. An API that is one of the
	// tenant's applications MUST send its id: without it, a key that is restricted to other
	// applications is active.
	ApplicationID string `json:"application_id,omitempty"`
	// TenantID restricts the decision to keys of one tenant. An API that serves one tenant MUST
	// send it if its verifier may verify keys of several tenants. Such a verifier is a person, or a
	// key of an account owner or account admin who set its secret themselves. Without it, keys of
	// all these tenants are active.
	TenantID string `json:"tenant_id,omitempty"`
	// SessionOnly is true if the route accepts no keys.
	SessionOnly bool `json:"session_only,omitempty"`
	// Transport is how the request carried the credential. It is checked only if it is given or
	// follows from Headers.
	Transport Transport `json:"transport,omitempty"`
	// IP is the address of the protected API's client. It is stored with the key's last use. An
	// API MUST send it if keys may be restricted to addresses (allowed_cidrs): without it, such
	// keys get address_forbidden.
	IP string `json:"ip,omitempty"`
}

// Decision is the response to a VerifyRequest about a credential that is allowed. The Go client
// also reads a Refusal into a Decision.
type Decision struct {
	// Active is true.
	Active bool `json:"active"`
	// Code is ok.
	Code      Code          `json:"code"`
	KeyID     string        `json:"key_id"`
	PublicID  string        `json:"public_id"`
	TenantID  string        `json:"tenant_id"`
	AccountID string        `json:"account_id"`
	Owner     VerifiedOwner `json:"owner"`
	// Scopes are the effective scopes: the key's own, as far as its owner's role or plan allows
	// them now.
	Scopes             []string   `json:"scopes"`
	AllApplications    bool       `json:"all_applications"`
	ApplicationIDs     []string   `json:"application_ids"`
	Transport          *Transport `json:"transport"`
	EffectiveExpiresAt *time.Time `json:"effective_expires_at"`
	// Metadata is the object that was stored with the key, {} if none was.
	Metadata json.RawMessage `json:"metadata"`
	// Hint, RetryAfterSeconds and Detail are present only in a refusal.
	Hint              string `json:"hint,omitempty"`
	RetryAfterSeconds int    `json:"retry_after_seconds,omitempty"`
	Detail            string `json:"detail,omitempty"`
}

// VerifiedOwner is the owner of a verified key.
type VerifiedOwner struct {
	Party
	// Plan is the name of a subject's plan; null for none, and for other owners.
	Plan *string `json:"plan"`
	// Metadata is the object that was stored with a subject, {} if none was; null for other owners.
	Metadata json.RawMessage `json:"metadata" nullable:"true"`
}

// Refusal is the response to a VerifyRequest about a credential that is not allowed. It names the
// key only if the credential held the key's secret.
type Refusal struct {
	// Active is false.
	Active bool `json:"active"`
	// Code is the reason. /docs/errors explains each code.
	Code     Code   `json:"code"`
	KeyID    string `json:"key_id,omitempty"`
	PublicID string `json:"public_id,omitempty"`
	TenantID string `json:"tenant_id,omitempty"`
	// Hint is other_tenant if the key belongs to another tenant than tenant_id, of which the caller
	// may verify keys, too: a key of another environment, for example.
	Hint string `json:"hint,omitempty"`
	// RetryAfterSeconds comes with rate_limited: after so many whole seconds the key's next request
	// is allowed.
	RetryAfterSeconds int `json:"retry_after_seconds,omitempty"`
	// Detail comes with credential_ambiguous and names the headers that carry a credential.
	Detail string `json:"detail,omitempty"`
}

// MarshalJSON writes the credential even if it is empty, because a request without a credential
// needs a decision too. Headers that are present but empty are written as an empty object.
func (r VerifyRequest) MarshalJSON() ([]byte, error) {
	type request VerifyRequest // without this method
	if r.Headers == nil {
		return json.Marshal(struct {
			Credential string `json:"credential"`
			request
		}{r.Credential, request(r)})
	}
	return json.Marshal(struct {
		request
		Headers map[string][]string `json:"headers"`
	}{request(r), r.Headers})
}

// VerifyBatchRequest asks for several decisions at once.
type VerifyBatchRequest struct {
	// Items are 1 to 1,000 requests to verify.
	Items []VerifyRequest `json:"items"`
}

// VerifyBatchResponse is the response to a VerifyBatchRequest.
type VerifyBatchResponse struct {
	// Items are the responses to the items of the request, in their order.
	Items []VerifyBatchItem `json:"items"`
}

// VerifyBatchItem is the response to an item of a VerifyBatchRequest: what verify answers to the
// item alone. That is a Decision, a Refusal or, if the item is not a correct request, a Problem.
// The Go client also reads a Refusal into the Decision.
type VerifyBatchItem struct {
	Decision
	// Problem says why no decision was made; nil if one was.
	Problem *Problem `json:"-"`
}

// UnmarshalJSON reads whichever of the three forms it is.
func (i *VerifyBatchItem) UnmarshalJSON(text []byte) error {
	var form struct {
		Active *bool `json:"active"`
	}
	if err := json.Unmarshal(text, &form); err != nil {
		return err
	}
	*i = VerifyBatchItem{}
	if form.Active != nil {
		return json.Unmarshal(text, &i.Decision)
	}
	i.Problem = new(Problem)
	return json.Unmarshal(text, i.Problem)
}

// MarshalJSON writes the form that the item has.
func (i VerifyBatchItem) MarshalJSON() ([]byte, error) {
	if i.Problem != nil {
		return json.Marshal(i.Problem)
	}
	if i.Active {
		return json.Marshal(i.Decision)
	}
	return json.Marshal(Refusal{
		Code: i.Code, KeyID: i.KeyID, PublicID: i.PublicID, TenantID: i.TenantID, Hint: i.Hint,
		RetryAfterSeconds: i.RetryAfterSeconds, Detail: i.Detail,
	})
}

// Whoami describes the caller. Members that do not apply to the caller's kind are null.
type Whoami struct {
	Principal PrincipalKind `json:"principal"`
	// User is the signed-in person, or the owner of the key if that is a person.
	User               *Person             `json:"user"`
	TenantID           *string             `json:"tenant_id"`
	AccountID          *string             `json:"account_id"`
	KeyID              *string             `json:"key_id"`
	PublicID           *string             `json:"public_id"`
	Scopes             []string            `json:"scopes" nullable:"true"`
	AllApplications    *bool               `json:"all_applications"`
	ApplicationIDs     []string            `json:"application_ids" nullable:"true"`
	Transport          *Transport          `json:"transport"`
	EffectiveExpiresAt *time.Time          `json:"effective_expires_at"`
	Memberships        []Membership        `json:"memberships" nullable:"true"`
	Accounts           []AccountMembership `json:"accounts" nullable:"true"`
}
