package dataplane

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"sync"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// verify answers about the credential in its body, for a caller who may ask.
func (p *Plane) verify(w http.ResponseWriter, r *http.Request) error {
	verifier, body, unread, err := p.door.Verifier(w, r)
	defer body.Release()
	if err != nil {
		return err
	}
	if unread != nil {
		return unread
	}
	var req api.VerifyRequest
	if err := web.Unmarshal(body.Bytes(), &req); err != nil {
		return err
	}
	asked, err := requestOf(&req)
	if err != nil {
		return err
	}
	return p.decide(w, r, verifier, &req, asked)
}

// decide answers about the credential that was sent along.
func (p *Plane) decide(w http.ResponseWriter, r *http.Request, verifier verify.Verifier, req *api.VerifyRequest, asked verify.Request) error {
	shown := p.presented(r.Context(), req)
	if shown.Way().Transport != "" {
		asked.Way = shown.Way()
	}
	decision, err := p.door.Authenticator.Engine.DecideFor(r.Context(), verifier, shown, asked)
	if err != nil {
		return err
	}
	answer(w, decision, asked.Way.Transport)
	p.refused(decision, asked.Way.Transport)
	return nil
}

// requestOf checks the request as far as no credential is needed for it.
func requestOf(req *api.VerifyRequest) (verify.Request, error) {
	var faults []fault.Field
	if (req.Credential == "") == (req.Headers == nil) {
		faults = append(faults, fault.Field{Name: "credential", Code: "exclusive", Message: "Give exactly one of credential and headers."})
	}
	via := policy.Transport(req.Transport)
	switch {
	case via == "", via.Valid():
	default:
		faults = append(faults, fault.Field{Name: "transport", Code: "unknown", Message: "Use bearer, basic, header or oauth."})
	}
	ip, known := address(req.IP)
	if !known {
		faults = append(faults, fault.Field{Name: "ip", Code: "form", Message: "Use an IPv4 or IPv6 address, without a zone."})
	}
	asked := verify.Request{Way: policy.Way{Transport: via}, IP: ip, Requirement: verify.Requirement{
		SessionOnly: req.SessionOnly, Tenant: ident.TenantID(req.TenantID), Application: req.ApplicationID, Scopes: scopes(req.Scopes),
	}}
	return asked, fault.Refuse(append(faults, headerFaults(req.Headers)...)...)
}

// address gives the usual spelling of an address; "" is fine.
func address(text string) (ip string, ok bool) {
	if text == "" {
		return "", true
	}
	parsed, err := netip.ParseAddr(text)
	if err != nil || parsed.Zone() != "" {
		return "", false
	}
	return parsed.Unmap().String(), true
}

func scopes(names []string) []scope.Scope {
	list := make([]scope.Scope, len(names))
	for i, name := range names {
		list[i] = scope.Scope(name)
	}
	return list
}

// headerFaults finds names that differ by case alone: which of the two the protected API would have seen cannot be told.
func headerFaults(headers map[string]string) (faults []fault.Field) {
	seen := make(map[string]bool, len(headers))
	for name := range headers {
		canonical := http.CanonicalHeaderKey(name)
		if seen[canonical] {
			faults = append(faults, fault.Field{Name: "headers", Code: "duplicate", Message: "Give each header once, without regard to case."})
		}
		seen[canonical] = true
	}
	return faults
}

// presented reads the credential to judge, through the one reader there is.
func (p *Plane) presented(ctx context.Context, req *api.VerifyRequest) verify.Presentation {
	if req.Headers == nil {
		return web.Value(req.Credential)
	}
	h := make(http.Header, len(req.Headers))
	for name, value := range req.Headers {
		h.Set(name, value)
	}
	h.Del("Cookie")
	return p.door.Read(ctx, h)
}

var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func borrow() *bytes.Buffer { return answers.Get().(*bytes.Buffer) }

func giveBack(buf *bytes.Buffer) {
	buf.Reset()
	answers.Put(buf)
}

// unproven is the one answer for every credential of which nothing is proven.
var unproven = []byte(`{"active":false,"code":"api_key_invalid"}`)

func answer(w http.ResponseWriter, d verify.Decision, via policy.Transport) {
	web.PrivateJSON(w.Header())
	switch {
	case d.Code == fault.KeyInvalid:
		_, _ = w.Write(unproven) // here and below: the client may be gone
		return
	case d.Code != "":
		_, _ = w.Write(refusal(d))
		return
	}
	buf := borrow()
	defer giveBack(buf)
	d.Facts.Rendered.(*rendered).decision.fill(buf, via)
	_, _ = w.Write(buf.Bytes())
}

func refusal(d verify.Decision) []byte {
	r := api.Refusal{Code: api.Code(d.Code)}
	if d.Facts != nil {
		k := d.Facts.Key
		r.KeyID, r.PublicID, r.TenantID = string(k.ID), k.PublicID, string(k.Tenant)
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic("dataplane: a refusal of plain strings did not marshal: " + err.Error())
	}
	return text
}
