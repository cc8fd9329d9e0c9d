package verify_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Rows B1 and C1, invariant I7: in every state there is, a credential of each style gets one
// decision by every transport that its tenant allows, on our routes and from verify; a good one
// gets transport_forbidden by every other.
func TestAKeyIsDecidedAlikeByEveryTransportItsTenantAllows(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	verifier := h.Verifier()
	for _, p := range testkit.Presets {
		t.Run(string(p), func(t *testing.T) {
			everybody := func(s *policy.Settings) {
				s.Creators, s.KeysPerUser = []policy.Creator{policy.BySelf, policy.ByAdmin}, 0
			}
			tenant := h.Preset(p, everybody)
			a := &aging{
				Server: h, t: t, tenant: tenant, owner: h.As(h.Member(tenant, "Key Owner", scope.Admin)),
				member: h.Member(tenant, "A Member", scope.Member),
			}
			a.everyState()
			h.Clock.Move(time.Hour)
			for _, c := range a.credentials {
				a.decidedAlike(verifier, c)
			}
			a.disableTenant()
			for _, c := range a.credentials {
				if c.want == api.OK {
					c.want = api.APIKeyDisabled
				}
				c.state += ", of a disabled tenant"
				a.decidedAlike(verifier, c)
			}
		})
	}
}

// aging makes the credentials of a tenant in every state.
type aging struct {
	*testkit.Server
	t           *testing.T
	tenant      tenancy.Tenant
	owner       *client.Client
	member      principal.Person
	credentials []aged
}

// aged is a credential and what it must answer in an hour.
type aged struct {
	state             string
	id, secret, value string
	want              api.Code
	// current is the public id of the key now.
	current string
}

func (a *aging) add(state string, k api.IssuedKey, want api.Code) api.IssuedKey {
	a.credentials = append(a.credentials,
		aged{state, k.Credential.ID, k.Credential.Secret, k.Credential.Value, want, k.Key.PublicID})
	return k
}

func (a *aging) must(_ any, err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *aging) everyState() {
	ctx, in := a.t.Context(), string(a.tenant.ID)
	soon := func() *time.Time { return new(a.Clock.Now().Add(time.Hour)) }
	disable := func(k api.IssuedKey) { a.must(a.owner.DisableKey(ctx, in, k.Key.ID)) }
	revoke := func(k api.IssuedKey) { a.must(a.owner.RevokeKey(ctx, in, k.Key.ID, "")) }
	end := func(k api.IssuedKey) { a.must(nil, a.owner.EndPrevious(ctx, in, k.Key.ID)) }
	fresh := func(expires *time.Time) api.IssuedKey {
		return testkit.NamedKey(a.t, a.owner, a.tenant, "Test key", expires)
	}
	revoked := revokedCode(a.tenant.Settings)

	a.add("active", fresh(nil), api.OK)
	disable(a.add("disabled", fresh(nil), api.APIKeyDisabled))
	a.add("expired", fresh(soon()), api.APIKeyExpired)
	disable(a.add("disabled and expired", fresh(soon()), api.APIKeyExpired))
	revoke(a.add("revoked", fresh(nil), revoked))
	revoke(a.add("expired and revoked", fresh(soon()), revoked))
	disabled := a.add("disabled and revoked", fresh(nil), revoked)
	disable(disabled)
	revoke(disabled)
	deleted := a.add("deleted", fresh(nil), api.APIKeyInvalid)
	a.must(nil, a.owner.DeleteKey(ctx, in, deleted.Key.ID))
	a.unclaimed(deleted)
	a.chain(revoked)

	for state, keep := range map[string]bool{"with the id kept": true, "with a new id": false} {
		for name, c := range map[string]struct {
			overlap int
			then    func(api.IssuedKey)
			old     api.Code
			new     api.Code
		}{
			"replaced":                     {0, func(api.IssuedKey) {}, api.APIKeyInvalid, api.OK},
			"in overlap":                   {7200, func(api.IssuedKey) {}, api.OK, api.OK},
			"run out":                      {3000, func(api.IssuedKey) {}, api.APIKeyExpired, api.OK},
			"ended by hand":                {7200, end, api.APIKeyInvalid, api.OK},
			"in the overlap of a disabled": {7200, disable, api.APIKeyDisabled, api.APIKeyDisabled},
			"run out, of a disabled":       {3000, disable, api.APIKeyExpired, api.APIKeyDisabled},
			"in the overlap of a revoked":  {7200, revoke, revoked, revoked},
		} {
			old := fresh(nil)
			k := testkit.RefreshKey(a.t, a.owner, a.tenant, old,
				api.RefreshKeyRequest{KeepID: &keep, OverlapSeconds: c.overlap})
			c.then(k)
			old.Key.PublicID = k.Key.PublicID
			a.add("old, "+name+", "+state, old, c.old)
			a.add("new, "+name+", "+state, k, c.new)
		}
	}
}

// chain makes keys whose owner, or whose owner's membership, is no longer what it was.
func (a *aging) chain(revoked api.Code) {
	ctx, in := a.t.Context(), string(a.tenant.ID)
	for state, c := range map[string]struct {
		end  func(principal.Person) error
		want api.Code
	}{
		"of a disabled owner": {func(p principal.Person) error {
			_, err := a.Identity.SetDisabled(ctx, principal.Operator(), p.ID, true)
			return err
		}, api.APIKeyDisabled},
		"of a disabled member": {func(p principal.Person) error {
			_, err := a.owner.EditMember(ctx, in, string(p.ID),
				api.UpdateMemberRequest{Status: api.To(api.StatusDisabled)})
			return err
		}, api.APIKeyDisabled},
		"of a member who was removed": {func(p principal.Person) error {
			return a.owner.RemoveMember(ctx, in, string(p.ID))
		}, revoked},
		"of an auditor": {func(p principal.Person) error {
			_, err := a.owner.EditMember(ctx, in, string(p.ID), api.UpdateMemberRequest{Role: api.To(api.RoleAuditor)})
			return err
		}, api.OK},
	} {
		p := a.Member(a.tenant, "A Member", scope.Member)
		a.add(state, testkit.NamedKey(a.t, a.As(p), a.tenant, "Test key", nil), c.want)
		a.must(nil, c.end(p))
	}
}

func (a *aging) disableTenant() {
	off := true
	_, err := a.Tenancy.ChangeTenant(a.t.Context(), principal.Operator(), a.tenant.ID,
		tenancy.TenantChange{Disabled: &off})
	a.must(nil, err)
}

// unclaimed guesses at a key that has no secret yet, with one that is no key's any more.
func (a *aging) unclaimed(other api.IssuedKey) {
	k, _ := testkit.KeyByLink(a.t, a.owner, a.tenant, a.member, nil)
	value := strings.Replace(other.Credential.Value, other.Credential.ID, k.Key.PublicID, 1)
	if a.tenant.Settings.Style == credential.Token {
		value = testkit.WithChecksum(value)
	}
	a.credentials = append(a.credentials,
		aged{"unclaimed", k.Key.PublicID, other.Credential.Secret, value, api.APIKeyInvalid, ""})
	_, token := testkit.KeyByLink(a.t, a.owner, a.tenant, a.member, nil)
	claimed, err := a.As(a.member).ClaimKey(a.t.Context(), token)
	a.must(nil, err)
	a.add("claimed", claimed, api.OK)
}

func (a *aging) decidedAlike(verifier *client.Client, c aged) {
	a.t.Helper()
	header, basic := headerOf(a.tenant.Settings), "Basic "+base64.StdEncoding.EncodeToString([]byte(c.id+":"+c.secret))
	for via, sent := range map[policy.Transport][2]string{
		policy.Bearer: {"Authorization", "Bearer " + c.value}, policy.Basic: {"Authorization", basic},
		policy.Header: {header, c.value}, policy.OAuth: {},
	} {
		want := c.want
		if want == api.OK && !a.tenant.Settings.Allows(policy.Location{Transport: via}) {
			want = api.TransportForbidden
		}
		asked := map[string]api.VerifyRequest{"said": {Credential: c.value, Transport: api.Transport(via)}}
		if sent[0] != "" {
			asked["in headers"] = api.VerifyRequest{Headers: map[string][]string{sent[0]: {sent[1]}}}
			_, err := a.Anyone().WithHeader(sent[0], sent[1]).Whoami(a.t.Context())
			if got := testkit.Code(a.t, err); got != want && (err != nil || want != api.OK) {
				a.t.Errorf("%s, by %s: %q, want %q", c.state, via, got, want)
			}
		}
		for how, q := range asked {
			d, err := verifier.Verify(a.t.Context(), q)
			if err != nil || d.Code != want || want != api.APIKeyInvalid && d.PublicID != c.current {
				a.t.Errorf("%s, by %s %s: %+v of %s, want %q (%v)", c.state, via, how, d, c.current, want, err)
			}
		}
	}
}

// headerOf returns the tenant's key header, or another tenant's where it has none.
func headerOf(s policy.Settings) string {
	if s.KeyHeader == "" {
		return "X-API-Key"
	}
	return s.KeyHeader
}

// revokedCode is what a revoked key answers: where no tombstone is kept, there is nothing to tell.
func revokedCode(s policy.Settings) api.Code {
	if s.RevokeMode == policy.Delete {
		return api.APIKeyInvalid
	}
	return api.APIKeyRevoked
}

// Row B3: the example is a curl line that works as it stands, by a transport that the tenant
// allows.
func TestTheExampleOfACredentialIsByATransportThatItsTenantAllows(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	for _, c := range []struct {
		preset policy.Preset
		change func(*policy.Settings)
		want   string // {id}, {secret} and {value} stand for the credential's
	}{
		{policy.Standard, nil, `curl -H 'Authorization: Bearer {value}' '{url}/api/v1/whoami'`},
		{policy.Blazeauth, nil, `curl -H 'Authorization: Bearer {value}' '{url}/api/v1/whoami'`},
		{policy.BlazeMeter, nil, `curl --user '{id}:{secret}' '{url}/api/v1/whoami'`},
		{policy.Blancco, nil, `curl -H 'X-BLANCCO-API-KEY: {value}' '{url}/api/v1/whoami'`},
		{
			policy.LoadRunner, nil,
			`curl -d grant_type=client_credentials --data-urlencode 'client_id={id}' ` +
				`--data-urlencode 'client_secret={secret}' '{url}/oauth2/token'`,
		},
		{
			policy.Standard,
			func(s *policy.Settings) { s.Transports = []policy.Transport{policy.OAuth, policy.Header} },
			`curl -H 'X-API-Key: {value}' '{url}/api/v1/whoami'`,
		},
	} {
		both := func(s *policy.Settings) {
			s.Creators = []policy.Creator{policy.BySelf}
			if c.change != nil {
				c.change(s)
			}
		}
		tenant := h.Preset(c.preset, both)
		owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
		k := h.Key(owner, tenant, "applications:read")
		for what, k := range map[string]api.IssuedKey{
			"created":   k,
			"refreshed": testkit.RefreshKey(t, owner, tenant, k, api.RefreshKeyRequest{}),
		} {
			m := k.Credential
			want := strings.NewReplacer("{id}", m.ID, "{secret}", m.Secret, "{value}", m.Value, "{url}",
				h.URL).Replace(c.want)
			if m.Example != want {
				t.Errorf("%s in %s: not %s", what, c.preset, c.want)
			}
		}
	}
}
