package testkit

import (
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// UnlimitedKeys removes the limit on the keys of a person. It is a change of settings.
func UnlimitedKeys(s *policy.Settings) { s.KeysPerUser = 0 }

// WithChecksum returns the token with the correct checksum in its last six characters.
func WithChecksum(token string) string {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	body := token[:len(token)-6]
	sum := []byte("000000")
	for i, crc := 5, crc32.ChecksumIEEE([]byte(body)); i >= 0; i, crc = i-1, crc/62 {
		sum[i] = base62[crc%62]
	}
	return body + string(sum)
}

// RouteCode returns the code of a request with the key on a route that needs applications:read.
func RouteCode(t testing.TB, h *Server, value string, tenant tenancy.Tenant, application string) api.Code {
	t.Helper()
	c := h.Anyone().WithKey(value)
	var err error
	if application == "" {
		_, err = c.Applications(t.Context(), string(tenant.ID), client.Page{})
	} else {
		_, err = c.Application(t.Context(), string(tenant.ID), application)
	}
	if err == nil {
		return api.OK
	}
	return Code(t, err)
}

// KeyByLink creates a key for a person who claims it by a link. It returns the token in the link.
func KeyByLink(t testing.TB, admin *client.Client, tenant tenancy.Tenant, owner principal.Person,
	expires *time.Time,
) (k api.IssuedKey, token string) {
	t.Helper()
	n := api.CreateKeyRequest{
		Name: "Handed over", OwnerID: string(owner.ID), Scopes: []string{"applications:read"},
		AllApplications: true, ExpiresAt: expires, Delivery: "link",
	}
	k, err := admin.CreateKey(t.Context(), string(tenant.ID), n)
	if err != nil {
		t.Fatal(err)
	}
	if k.Credential != nil || k.Link == nil {
		t.Fatalf("answered %+v", k)
	}
	_, token, found := strings.Cut(*k.Link.URL, "/claims/")
	if !found {
		t.Fatalf("the link leads elsewhere")
	}
	return k, token
}

// DisableIdleKeys runs the jobs that disable idle keys, the last one twice: the second run must
// find nothing to do.
func DisableIdleKeys(t testing.TB, h *Server) {
	t.Helper()
	NoError(t, h.Notices.Plan(t.Context()))
	Twice(t, h.KeySweeper.DisableIdle)
}

// NamedKey creates a key with the name.
func NamedKey(t testing.TB, c *client.Client, tenant tenancy.Tenant, name string, expires *time.Time) api.IssuedKey {
	t.Helper()
	k, err := c.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{
			Name: name, Scopes: []string{"applications:read"}, AllApplications: true,
			ExpiresAt: expires,
		})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// KeyNames returns the names of the keys in a list, reading all pages.
func KeyNames(t testing.TB, c *client.Client, tenant tenancy.Tenant, f client.KeyFilter, limit int) []string {
	t.Helper()
	names := []string{}
	for page := (client.Page{Limit: limit}); ; {
		l, err := c.Keys(t.Context(), string(tenant.ID), f, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range l.Items {
			names = append(names, k.Name)
		}
		if len(l.Items) > limit {
			t.Errorf("a page of %d holds %d", limit, len(l.Items))
		}
		if l.NextCursor == nil {
			return names
		}
		page.Cursor = *l.NextCursor
	}
}

// SetPolicy changes the policy of the server's account.
func SetPolicy(t testing.TB, h *Server, p api.UpdatePolicyRequest) api.Policy {
	t.Helper()
	return Must[api.Policy](t)(h.As(h.Owner).EditPolicy(t.Context(), string(h.Account.ID), p))
}

// AutoExpiry returns a change of policy: keys expire after so many days; 0 switches that off.
func AutoExpiry(days int) api.UpdatePolicyRequest {
	if days == 0 {
		return api.UpdatePolicyRequest{AutoExpiry: &api.AutoExpiryPatch{Enabled: api.To(false)}, AcknowledgeRisk: true}
	}
	return api.UpdatePolicyRequest{AutoExpiry: &api.AutoExpiryPatch{Enabled: api.To(true), Days: api.To(days)}}
}

// CountUntilLimited repeats a request until it is rate limited, and returns how often it was not.
func CountUntilLimited(t testing.TB, ask func() api.Code) int {
	t.Helper()
	for n := range 20 {
		switch code := ask(); code {
		case "", api.OK:
		case api.RateLimited:
			return n
		default:
			t.Fatalf("refused as %s", code)
		}
	}
	return 20
}

// AskWhoami returns a function that calls WhoamiCode, for CountUntilLimited.
func AskWhoami(t testing.TB, c *client.Client) func() api.Code {
	return func() api.Code { return WhoamiCode(t, c) }
}

// Presets are the presets of tenant settings.
var Presets = []policy.Preset{policy.Standard, policy.BlazeMeter, policy.LoadRunner, policy.Blazeauth, policy.Blancco}

// RefreshKey refreshes the key.
func RefreshKey(t testing.TB, c *client.Client, tenant tenancy.Tenant, k api.IssuedKey,
	r api.RefreshKeyRequest,
) api.IssuedKey {
	t.Helper()
	fresh, err := c.RefreshKey(t.Context(), string(tenant.ID), k.Key.ID, r)
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

// VerifyCode returns a function that returns the code by which a verifier of the account learns
// about a key.
func VerifyCode(t testing.TB, h *Server) func(api.IssuedKey) api.Code {
	verifier := h.Verifier()
	return func(k api.IssuedKey) api.Code {
		t.Helper()
		d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
		if err != nil {
			t.Fatal(err)
		}
		return d.Code
	}
}

// RecoverableTenant creates a tenant of the preset whose secrets can be revealed.
func RecoverableTenant(t testing.TB, h *Server, p policy.Preset) tenancy.Tenant {
	t.Helper()
	return h.Preset(p, func(s *policy.Settings) {
		s.Disclosure = policy.Recoverable
		s.KeysPerUser = 0
		s.Creators = []policy.Creator{policy.BySelf, policy.ByAdmin}
	})
}

// SetDisclosure sets whether secrets of the tenant can be revealed.
func SetDisclosure(t testing.TB, h *Server, tenant tenancy.Tenant, to policy.Disclosure) {
	t.Helper()
	_, err := h.Tenancy.ChangeTenant(t.Context(), principal.Operator(), tenant.ID,
		tenancy.TenantChange{Settings: func(s *policy.Settings) { s.Disclosure = to }})
	if err != nil {
		t.Fatal(err)
	}
}

// RevealCode returns the code of a request to reveal the key. It compares the revealed credential
// with the issued one.
func RevealCode(t testing.TB, owner *client.Client, tenant tenancy.Tenant, k api.IssuedKey) api.Code {
	t.Helper()
	shown, err := owner.RevealKey(t.Context(), string(tenant.ID), k.Key.ID)
	if err == nil && shown.Credential.Example != "" {
		shown.Credential.Example = k.Credential.Example // it names the port, which a restart changes
	}
	if err == nil && !cmp.Equal(*k.Credential, shown.Credential) {
		t.Errorf("shown is another credential than was issued: that of %s", shown.Credential.ID)
	}
	return Code(t, err)
}
