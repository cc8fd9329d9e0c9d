package dataplane

import (
	"bytes"
	"encoding/json"
	"sync/atomic"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/forward"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// rendered are the responses to an accepted key, up to what the request and the owner add, and the
// values of the headers of forward-auth. Most keys are used in one of these ways alone, so each is
// rendered when it is needed first. It implements forward.Rendered.
type rendered struct {
	facts            *verify.Facts
	decision, whoami atomic.Pointer[[]byte]
	identity         atomic.Pointer[forward.Identity]
}

// renderedSize is about the size of everything that is rendered of a key, without the names of its
// scopes, applications and owner.
const renderedSize = 1200

// Size implements verify.Rendered. It is that of everything, rendered or not.
func (r *rendered) Size() int {
	k := &r.facts.Key
	names := 0
	for _, name := range k.Scopes {
		names += len(name) + 3
	}
	for _, id := range k.Applications.IDs {
		names += len(id) + 3
	}
	return renderedSize + 3*names + 2*(len(k.Owner.Email)+len(k.Owner.Name))
}

// Identity implements forward.Rendered.
func (r *rendered) Identity() *forward.Identity {
	if v := r.identity.Load(); v != nil {
		return v
	}
	v := forward.KeyIdentity(r.facts)
	r.identity.Store(v)
	return v
}

// lazily returns what was rendered, or renders it. Two requests may both do so: the result is the
// same.
func lazily(kept *atomic.Pointer[[]byte], k principal.Key, render func(principal.Key) []byte) []byte {
	if text := kept.Load(); text != nil {
		return *text
	}
	text := render(k)
	kept.Store(&text)
	return text
}

// null is written for a member that a response adds at its end.
type null = *struct{}

// The ends of the responses that are rendered, without what goes into them.
const (
	decisionEnd  = `null,"metadata":null,"transport":null}`
	whoamiEnd    = `null}`
	metadataKey  = `,"metadata":`
	transportKey = `,"transport":`
)

// RenderOwner renders the owner of keys. It is the engine's Options.RenderOwner.
func RenderOwner(o *verify.OwnerFacts) []byte {
	owner := api.VerifiedOwner{Party: web.Party(o.Party), Plan: web.Optional(o.Plan)}
	if o.Party.Type() == ident.SubjectParty {
		owner.Metadata = o.Metadata.JSON()
	}
	return marshal(owner)
}

// Render keeps the responses to an accepted key. It is the engine's Options.Render.
func Render(f *verify.Facts) verify.Rendered { return &rendered{facts: f} }

func renderDecision(k principal.Key) []byte {
	return cutEnd(struct {
		api.Decision
		Owner     null `json:"owner"`
		Metadata  null `json:"metadata"`
		Transport null `json:"transport"`
	}{Decision: api.Decision{
		Active: true, Code: api.OK, KeyID: string(k.ID), PublicID: k.PublicID, TenantID: string(k.Tenant),
		AccountID: string(k.Account), Scopes: k.Scopes.Strings(), AllApplications: k.Applications.All,
		ApplicationIDs: web.Strings(k.Applications.IDs), EffectiveExpiresAt: web.Time(k.Expires),
	}}, decisionEnd)
}

func renderWhoami(k principal.Key) []byte {
	return cutEnd(struct {
		api.Whoami
		Transport null `json:"transport"`
	}{Whoami: api.Whoami{
		Principal: "key", User: userOf(k.Owner), TenantID: web.Optional(k.Tenant),
		AccountID: web.Optional(k.Account), KeyID: web.Optional(k.ID), PublicID: &k.PublicID,
		Scopes: k.Scopes.Strings(), AllApplications: &k.Applications.All,
		ApplicationIDs: web.Strings(k.Applications.IDs), EffectiveExpiresAt: web.Time(k.Expires),
	}}, whoamiEnd)
}

// userOf returns the party as a person; nil for every other party.
func userOf(p principal.Party) *api.Person {
	if p.User() == "" {
		return nil
	}
	return &api.Person{ID: string(p.ID), Email: web.Optional(p.Email), Name: web.Optional(p.Name)}
}

// cutEnd marshals a response and cuts off its end. What people wrote stands before that end, so no
// text of theirs can be taken for it.
func cutEnd(response any, end string) []byte {
	text, found := bytes.CutSuffix(marshal(response), []byte(end))
	if !found {
		panic("dataplane: a response does not end with " + end)
	}
	return bytes.Clone(text)
}

func marshal(response any) []byte {
	text, err := json.Marshal(response)
	if err != nil {
		panic("dataplane: a response of plain fields did not marshal: " + err.Error())
	}
	return text
}

// writeDecision writes the response to a verify request about a key, or its token, that is allowed.
func writeDecision(dst *bytes.Buffer, d *verify.Decision, via policy.Transport) {
	f := d.Facts
	if t := d.Token(); t != nil {
		dst.Write(renderDecision(t.Limit(f.Key)))
	} else {
		dst.Write(lazily(&f.Rendered.(*rendered).decision, f.Key, renderDecision))
	}
	dst.Write(f.Owner.Rendered)
	dst.WriteString(metadataKey)
	dst.WriteString(f.Metadata.String())
	dst.WriteString(transportKey)
	writeTransport(dst, via)
}

// writeWhoami writes the description of a key or its token.
func writeWhoami(dst *bytes.Buffer, c *verify.Caller) {
	if t := c.Token(); t != nil {
		dst.Write(renderWhoami(t.Limit(c.Facts.Key)))
	} else {
		dst.Write(lazily(&c.Facts.Rendered.(*rendered).whoami, c.Facts.Key, renderWhoami))
	}
	writeTransport(dst, c.Transport)
}

// writeTransport writes the last member of a response and ends it.
func writeTransport(dst *bytes.Buffer, via policy.Transport) {
	if via == "" {
		dst.WriteString("null}")
		return
	}
	dst.WriteByte('"')
	dst.WriteString(string(via))
	dst.WriteString(`"}`)
}
