package dataplane

import (
	"bytes"
	"encoding/json"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// rendered are a key's answers. Only the transport differs from one request to the next, so each answer is cut around it.
type rendered struct{ decision, whoami cut }

type cut struct{ before, after []byte }

// Render makes the answers of a key; it is the engine's Options.Render.
func Render(f *verify.Facts) any {
	k := f.Key
	owner := web.Person(k.Owner)
	apps := web.Strings(k.Applications.IDs)
	return &rendered{
		decision: around(api.Decision{
			Active: true, Code: api.OK, KeyID: string(k.ID), PublicID: k.PublicID, TenantID: string(k.Tenant), AccountID: string(k.Account), Owner: owner,
			Scopes: k.Scopes.Strings(), AllApplications: k.Applications.All, ApplicationIDs: apps, EffectiveExpiresAt: web.Time(k.Expires),
		}),
		whoami: around(api.Whoami{
			Principal: "key", User: &owner, TenantID: web.Optional(k.Tenant), AccountID: web.Optional(k.Account), KeyID: web.Optional(k.ID),
			PublicID: &k.PublicID, Scopes: k.Scopes.Strings(), AllApplications: &k.Applications.All, ApplicationIDs: apps, EffectiveExpiresAt: web.Time(k.Expires),
		}),
	}
}

// around marshals an answer and cuts it where its transport stands. Inside a string the quotes would be escaped, so the first find is the member.
func around(answer any) cut {
	text, err := json.Marshal(answer)
	if err != nil {
		panic("dataplane: an answer of plain fields did not marshal: " + err.Error())
	}
	before, after, found := bytes.Cut(text, []byte(`"transport":null`))
	if !found {
		panic("dataplane: an answer has no transport")
	}
	return cut{append(before, `"transport":`...), after}
}

// fill writes the answer for a transport; "" is null.
func (c cut) fill(dst *bytes.Buffer, via policy.Transport) {
	dst.Write(c.before)
	if via == "" {
		dst.WriteString("null")
	} else {
		dst.WriteByte('"')
		dst.WriteString(string(via))
		dst.WriteByte('"')
	}
	dst.Write(c.after)
}
