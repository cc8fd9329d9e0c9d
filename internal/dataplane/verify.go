package dataplane

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// verify decides about the credential in the body, for a caller who may ask.
func (a *API) verify(w http.ResponseWriter, r *http.Request) error {
	verifier, body, unread, err := a.Authenticator.Verifier(w, r)
	defer body.Release()
	if err != nil {
		return err
	}
	if unread != nil {
		return unread
	}
	req, err := readRequest(body.Bytes(), a.Authenticator)
	defer req.release()
	if err != nil {
		return err
	}
	asked, err := req.verifyRequest()
	if err != nil {
		return err
	}
	presented := req.presentation(r.Context(), a.Authenticator)
	if presented.Location().Transport != "" {
		asked.Location = presented.Location()
	}
	decision, err := a.Authenticator.Verify.Engine.DecideFor(r.Context(), verifier, presented, asked)
	if err != nil {
		return err
	}
	answer(w, decision, presented.Detail(), asked.Location.Transport)
	a.logRefused(decision, asked.Location.Transport)
	return nil
}

// buffers are for responses.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func putBuffer(buf *bytes.Buffer) {
	buf.Reset()
	buffers.Put(buf)
}

// invalidResponse is the one response to every credential whose secret is not proven.
var invalidResponse = []byte(`{"active":false,"code":"api_key_invalid"}`)

// otherTenantResponse is the response to a key of another tenant, for a verifier that may inspect
// the keys of both.
var otherTenantResponse = []byte(`{"active":false,"code":"api_key_invalid","hint":"other_tenant"}`)

// answer writes a decision. detail is what there is to say about an ambiguous credential.
func answer(w http.ResponseWriter, d verify.Decision, detail string, via policy.Transport) {
	web.SetPrivateJSON(w.Header())
	switch {
	case d.OtherTenant:
		_, _ = w.Write(otherTenantResponse)
		return
	case d.Code == fault.KeyInvalid:
		_, _ = w.Write(invalidResponse) // here and below: the client may be gone
		return
	case d.Code != "":
		_, _ = w.Write(refusal(d, detail))
		return
	}
	buf := getBuffer()
	defer putBuffer(buf)
	writeDecision(buf, &d, via)
	_, _ = w.Write(buf.Bytes())
}

// refusal returns the response to a credential that is not accepted.
func refusal(d verify.Decision, detail string) []byte {
	r := api.Refusal{Code: api.Code(d.Code), Detail: detail}
	if d.Facts != nil {
		k := d.Facts.Key
		r.KeyID = string(k.ID)
		r.PublicID = k.PublicID
		r.TenantID = string(k.Tenant)
	}
	if d.Code == fault.RateLimited {
		r.RetryAfterSeconds = web.CeilSeconds(d.RetryAfter)
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic("dataplane: a refusal of plain strings did not marshal: " + err.Error())
	}
	return text
}
