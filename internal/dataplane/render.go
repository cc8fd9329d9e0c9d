package dataplane

import (
	"bytes"
	"encoding/json"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// rendered are the responses to an accepted key. Only the transport differs from one request to the
// next, so that each response is a template with one gap.
type rendered struct{ decision, whoami template }

// template is JSON before and after the value of its member transport.
type template struct{ before, after []byte }

// Render renders the responses to an accepted key. It is the engine's Options.Render.
func Render(f *verify.Facts) any {
	k := f.Key
	owner := web.Party(k.Owner)
	apps := web.Strings(k.Applications.IDs)
	return &rendered{
		decision: split(api.Decision{
			Active: true, Code: api.OK, KeyID: string(k.ID), PublicID: k.PublicID, TenantID: string(k.Tenant),
			AccountID: string(k.Account), Owner: owner,
			Scopes: k.Scopes.Strings(), AllApplications: k.Applications.All, ApplicationIDs: apps,
			EffectiveExpiresAt: web.Time(k.Expires),
		}),
		whoami: split(api.Whoami{
			Principal: "key", User: userOf(k.Owner), TenantID: web.Optional(k.Tenant), AccountID: web.Optional(k.Account),
			KeyID:    web.Optional(k.ID),
			PublicID: &k.PublicID, Scopes: k.Scopes.Strings(), AllApplications: &k.Applications.All,
			ApplicationIDs: apps, EffectiveExpiresAt: web.Time(k.Expires),
		}),
	}
}

// userOf returns the party as a person; nil for every other party.
func userOf(p principal.Party) *api.Person {
	if p.User() == "" {
		return nil
	}
	return &api.Person{ID: string(p.ID), Email: web.Optional(p.Email), Name: web.Optional(p.Name)}
}

// split marshals a response and splits it at its transport, which is null. The quotes of a string
// would be escaped, so that the first match is the member.
func split(response any) template {
	text, err := json.Marshal(response)
	if err != nil {
		panic("dataplane: a response of plain fields did not marshal: " + err.Error())
	}
	before, after, found := bytes.Cut(text, []byte(`"transport":null`))
	if !found {
		panic("dataplane: a response has no transport")
	}
	return template{append(before, `"transport":`...), after}
}

// render appends the response for a transport; "" is null.
func (t template) render(dst *bytes.Buffer, via policy.Transport) {
	dst.Write(t.before)
	if via == "" {
		dst.WriteString("null")
	} else {
		dst.WriteByte('"')
		dst.WriteString(string(via))
		dst.WriteByte('"')
	}
	dst.Write(t.after)
}
