package dataplane

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Responses are put together from texts. What people wrote is never taken for the ends of these
// texts, which are members with the value null.
func TestWhatPeopleWroteIsNotTakenForAMemberOfTheResponse(t *testing.T) {
	for _, wrote := range []string{
		`{"transport":null}`, `{"metadata":null,"transport":null}`, `{"owner":null,"metadata":{"transport":null}}`,
		`{"a":"null,\"metadata\":null,\"transport\":null}"}`, `{}`,
	} {
		noted, faults := metadata.Parse("metadata", json.RawMessage(wrote))
		if len(faults) > 0 {
			t.Fatalf("%s: %v", wrote, faults)
		}
		f := &verify.Facts{
			Key: principal.Key{
				ID: "key_1", PublicID: decisionEnd, Tenant: "ten_1", Scopes: scope.NewSet("films:read"),
				Applications: scope.Applications{IDs: []string{whoamiEnd}},
			},
			Metadata: noted,
			Owner: &verify.OwnerFacts{
				Party: principal.Party{ID: ident.PartyID("sub_1"), Name: decisionEnd, ExternalID: whoamiEnd},
				Plan:  transportKey, Metadata: noted,
			},
		}
		f.Grant = &verify.Grant{Tenant: f.Key.Tenant, Scopes: f.Key.Scopes, Applications: f.Key.Applications}
		f.Grant.Rendered, f.Owner.Rendered = RenderGrant(f.Grant), RenderOwner(f.Owner)
		var decision, whoami bytes.Buffer
		writeDecision(&decision, &verify.Decision{Facts: f}, policy.Bearer)
		writeWhoami(&whoami, &verify.Caller{Facts: f, Transport: policy.Bearer})
		for what, text := range map[string][]byte{"verify": decision.Bytes(), "whoami": whoami.Bytes()} {
			expectMembers(t, what+" with "+wrote, text, noted)
		}
		var owner struct {
			Owner struct {
				Name       string          `json:"name"`
				ExternalID string          `json:"external_id"`
				Plan       string          `json:"plan"`
				Metadata   json.RawMessage `json:"metadata"`
			} `json:"owner"`
		}
		if err := json.Unmarshal(decision.Bytes(), &owner); err != nil {
			t.Fatal(err)
		}
		o := owner.Owner
		if o.Name != decisionEnd || o.ExternalID != whoamiEnd || o.Plan != transportKey ||
			!cmp.Equal(o.Metadata, noted.JSON()) {
			t.Errorf("with %s the owner is %+v", wrote, o)
		}
	}
}

// A response that is put together from parts is the one that encoding/json makes of the whole.
func TestPartsMakeTheSameResponseAsTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]{0,30}`))
		k := principal.Key{
			ID: "key_1", PublicID: text.Draw(t, "public id"), Tenant: "ten_1", Account: "acc_1",
			Scopes:       scope.NewSet(rapid.SampledFrom([]scope.Scope{"films:read", "films:write"}).Draw(t, "scope")),
			Applications: scope.Applications{All: rapid.Bool().Draw(t, "all"), IDs: []string{"app_1"}},
			Owner: principal.Party{
				ID:    ident.PartyID(rapid.SampledFrom([]string{"usr_1", "sub_1"}).Draw(t, "owner")),
				Email: text.Draw(t, "address"), Name: text.Draw(t, "name"),
			},
		}
		if seconds := rapid.Int64Range(0, 1<<36).Draw(t, "expiry"); seconds > 0 {
			k.Expires = time.Unix(seconds, rapid.Int64Range(0, 999_999).Draw(t, "microseconds")*1000)
		}
		grant := &verify.Grant{Tenant: k.Tenant, Account: k.Account, Scopes: k.Scopes, Applications: k.Applications}
		grant.Rendered = RenderGrant(grant)
		f := &verify.Facts{Key: k, Grant: grant, Owner: &verify.OwnerFacts{Party: k.Owner, Rendered: "{}"}}
		var decision, whoami bytes.Buffer
		writeDecision(&decision, &verify.Decision{Facts: f}, policy.Bearer)
		writeWhoami(&whoami, &verify.Caller{Facts: f, Transport: policy.Bearer})
		if want := string(renderDecision(k)) + `{},"metadata":{},"transport":"bearer"}`; decision.String() != want {
			t.Errorf("verify:\n%s\nnot\n%s", decision.String(), want)
		}
		if want := string(renderWhoami(k)) + `"bearer"}`; whoami.String() != want {
			t.Errorf("whoami:\n%s\nnot\n%s", whoami.String(), want)
		}
	})
}

// expectMembers fails the test unless the text has each member once, the transport bearer and, if
// any, the metadata.
func expectMembers(t *testing.T, what string, text []byte, noted metadata.Metadata) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		t.Errorf("%s: %v: %s", what, err, text)
		return
	}
	d := json.NewDecoder(bytes.NewReader(text))
	var names []string
	testToken(t, d)
	for d.More() {
		name, _ := testToken(t, d).(string)
		names = append(names, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("%s: a member is there twice: %v", what, names)
	}
	if string(members["transport"]) != `"bearer"` {
		t.Errorf("%s: the transport is %s", what, members["transport"])
	}
	if got, found := members["metadata"]; found && !cmp.Equal(got, noted.JSON()) {
		t.Errorf("%s: the metadata is %s", what, got)
	}
}

func testToken(t *testing.T, d *json.Decoder) json.Token {
	t.Helper()
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
