package dataplane

import (
	"bytes"
	"context"
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
	verifier, body, unread, err := a.Authenticator.Verifier(w, r, web.ReadBody)
	defer body.Release()
	if err != nil {
		return err
	}
	if unread != nil {
		return unread
	}
	buf := getBuffer()
	defer putBuffer(buf)
	req := getRequest()
	defer req.release()
	if err := a.answerRequest(r.Context(), buf, verifier, req, newItem(body.Bytes())); err != nil {
		return err
	}
	web.SetPrivateJSON(w.Header())
	_, _ = w.Write(buf.Bytes()) // the client may be gone
	return nil
}

// answerRequest makes the decision that a request to verify asks for, and appends the response. It
// reads the request into req.
func (a *API) answerRequest(ctx context.Context, dst *bytes.Buffer, verifier verify.Verifier, req *request,
	sent item,
) error {
	if err := req.read(sent, a.Authenticator); err != nil {
		return err
	}
	asked, err := req.verifyRequest()
	if err != nil {
		return err
	}
	presented := req.presentation(ctx, a.Authenticator)
	if presented.Location().Transport != "" {
		asked.Location = presented.Location()
	}
	decision, err := a.Authenticator.Verify.Engine.DecideFor(ctx, verifier, presented, asked)
	if err != nil {
		return err
	}
	writeAnswer(dst, &decision, presented, asked.Location.Transport)
	a.logRefused(&decision, asked.Location.Transport)
	return nil
}

// buffers are for responses.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

// keptBuffer is the size of the largest buffer that is kept for the next response, in bytes.
const keptBuffer = 1 << 20

func putBuffer(buf *bytes.Buffer) {
	if buf.Cap() > keptBuffer {
		return
	}
	buf.Reset()
	buffers.Put(buf)
}

// invalidResponse is the one response to every credential whose secret is not proven.
var invalidResponse = []byte(`{"active":false,"code":"api_key_invalid"}`)

// otherTenantResponse is the response to a key of another tenant, for a verifier that may inspect
// the keys of both.
var otherTenantResponse = []byte(`{"active":false,"code":"api_key_invalid","hint":"other_tenant"}`)

// writeAnswer appends the response to a request about the presented credential.
func writeAnswer(dst *bytes.Buffer, d *verify.Decision, presented verify.Presentation, via policy.Transport) {
	switch {
	case d.OtherTenant:
		dst.Write(otherTenantResponse)
	case d.Code == fault.KeyInvalid:
		dst.Write(invalidResponse)
	case d.Code != "":
		dst.Write(refusal(d, presented.Detail()))
	default:
		writeDecision(dst, d, via)
	}
}

// refusal returns the response to a credential that is not accepted. detail is what there is to say
// about an ambiguous one.
func refusal(d *verify.Decision, detail string) []byte {
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
