package dataplane

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// renderedGrant are the parts of responses that all keys with the same grant have in common.
type renderedGrant struct {
	// decision stands between the public id and the expiry in the response to a verify request.
	decision string
	// tenant stands between the owner and the id of the key in a description of the key, and grant
	// between the public id and the expiry.
	tenant, grant string
}

// Size implements verify.Rendered.
func (r *renderedGrant) Size() int { return 64 + len(r.decision) + len(r.tenant) + len(r.grant) }

// null is written for a member that a response adds at its end.
type null = *struct{}

// The ends of the responses that are rendered, without what goes into them.
const (
	decisionEnd = `null,"metadata":null,"transport":null}`
	whoamiEnd   = `null}`
)

// What stands between the parts of a response.
const (
	decisionBegin = `{"active":true,"code":"ok","key_id":`
	whoamiBegin   = `{"principal":"key","user":`
	publicIDKey   = `,"public_id":`
	ownerKey      = `,"owner":`
	metadataKey   = `,"metadata":`
	transportKey  = `,"transport":`
	whoamiRest    = `,"memberships":null,"accounts":null,"transport":`
)

// RenderOwner renders the owner of keys. It is the engine's Options.RenderOwner.
func RenderOwner(o *verify.OwnerFacts) string {
	owner := api.VerifiedOwner{Party: web.Party(o.Party), Plan: web.Optional(o.Plan)}
	if o.Party.Type() == ident.SubjectParty {
		owner.Metadata = o.Metadata.JSON()
	}
	return string(marshal(owner))
}

// RenderGrant renders what the responses to keys with the same grant have in common. It is the
// engine's Options.RenderGrant.
func RenderGrant(g *verify.Grant) verify.Rendered {
	k := principal.Key{Tenant: g.Tenant, Account: g.Account, Scopes: g.Scopes, Applications: g.Applications}
	whoami := between(renderWhoami(k), whoamiBegin+"null", "null"+whoamiRest)
	tenant, grant, found := strings.Cut(whoami, "null"+publicIDKey+`""`)
	if !found {
		panic("dataplane: a description of a key has no id")
	}
	return &renderedGrant{
		decision: between(renderDecision(k), decisionBegin+`""`+publicIDKey+`""`, "null"+ownerKey),
		tenant:   tenant, grant: grant,
	}
}

// between returns what stands between the begin and the end of a response.
func between(response []byte, begin, end string) string {
	text, begins := strings.CutPrefix(string(response), begin)
	text, ends := strings.CutSuffix(text, end)
	if !begins || !ends {
		panic("dataplane: a response does not begin with " + begin + " or does not end with " + end)
	}
	return text
}

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
		dst.WriteString(decisionBegin)
		writeText(dst, string(f.Key.ID))
		dst.WriteString(publicIDKey)
		writeText(dst, f.Key.PublicID)
		dst.WriteString(f.Grant.Rendered.(*renderedGrant).decision)
		writeTime(dst, f.Key.Expires)
		dst.WriteString(ownerKey)
	}
	dst.WriteString(f.Owner.Rendered)
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
		k, shared := &c.Facts.Key, c.Facts.Grant.Rendered.(*renderedGrant)
		dst.WriteString(whoamiBegin)
		writePerson(dst, &k.Owner)
		dst.WriteString(shared.tenant)
		writeText(dst, string(k.ID))
		dst.WriteString(publicIDKey)
		writeText(dst, k.PublicID)
		dst.WriteString(shared.grant)
		writeTime(dst, k.Expires)
		dst.WriteString(whoamiRest)
	}
	writeTransport(dst, c.Transport)
}

// writePerson writes the party as a person; null for every other party.
func writePerson(dst *bytes.Buffer, p *principal.Party) {
	if p.User() == "" {
		dst.WriteString("null")
		return
	}
	dst.WriteString(`{"id":`)
	writeText(dst, string(p.ID))
	dst.WriteString(`,"email":`)
	writeOptional(dst, p.Email)
	dst.WriteString(`,"name":`)
	writeOptional(dst, p.Name)
	dst.WriteByte('}')
}

// writeOptional writes a text; null for "".
func writeOptional(dst *bytes.Buffer, text string) {
	if text == "" {
		dst.WriteString("null")
		return
	}
	writeText(dst, text)
}

// writeText writes a text as a JSON string.
func writeText(dst *bytes.Buffer, text string) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			dst.Write(marshal(text)) // some of these are escaped
			return
		}
	}
	dst.WriteByte('"')
	dst.WriteString(text)
	dst.WriteByte('"')
}

// writeTime writes a time, as web.Time does; null for none.
func writeTime(dst *bytes.Buffer, t time.Time) {
	if t.IsZero() {
		dst.WriteString("null")
		return
	}
	dst.WriteByte('"')
	text, err := t.UTC().AppendText(dst.AvailableBuffer())
	if err != nil {
		panic("dataplane: a time did not marshal: " + err.Error())
	}
	dst.Write(text)
	dst.WriteByte('"')
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
