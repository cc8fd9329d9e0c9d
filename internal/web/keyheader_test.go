package web_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// randomUUID is one that another system made.
func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func TestAKeyHeaderOfOneAccountHarmsNoRequestOfAnother(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	mine := h.Tenant("Mine", testkit.UnlimitedKeys)
	owner := h.As(h.Member(mine, "Key Owner", scope.Admin))
	k, verifier := h.Key(owner, mine, "applications:read"), h.Verifier()
	value := k.Credential.Value
	other, _ := testkit.TenantOfOtherAccount(t, h, "X-Trip-Token")
	for name, junk := range map[string]string{
		"nothing": "", "a word": "x", "a UUID": randomUUID(), "another UUID": randomUUID(),
		"a session": strings.Repeat("A", 59), "most of a key": value[:len(value)-1],
		"two values in one": value + ", " + value, "a pair that is none": "a:b", "much": strings.Repeat("_", 8000),
	} {
		for who, c := range map[string]*client.Client{
			"a key by bearer": h.With(k), "a session": owner,
			"a key in its own header": h.Anyone().WithHeader("X-API-Key", value),
		} {
			if _, err := c.WithHeader("X-Trip-Token", junk).Whoami(t.Context()); err != nil {
				t.Errorf("%s beside %s: %v", who, name, err)
			}
		}
		headers := map[string][]string{"X-Trip-Token": {junk}, "Authorization": {"Bearer " + value}}
		if d, err := verifier.Verify(t.Context(), api.VerifyRequest{Headers: headers}); err != nil || !d.Active ||
			*d.Transport != "bearer" {
			t.Errorf("verify beside %s: %+v, %v", name, d, err)
		}
	}
	alone := func(what, header, sent string, want api.Code) {
		t.Helper()
		_, err := h.Anyone().WithHeader(header, sent).Whoami(t.Context())
		testkit.ExpectCode(t, what+" alone", err, want)
		d, err := verifier.Verify(t.Context(), api.VerifyRequest{Headers: map[string][]string{header: {sent}}})
		if err != nil || d.Code != want {
			t.Errorf("verify of %s alone: %+v, %v, want %s", what, d, err, want)
		}
	}
	alone("junk in its own header", "X-API-Key", "x", api.APIKeyInvalid)
	alone("junk in another's header", "X-Trip-Token", "x", api.APIKeyInvalid)
	alone("a UUID of nobody's", "X-Trip-Token", randomUUID(), api.APIKeyInvalid)
	alone("a key in another's header", "X-Trip-Token", value, api.TransportForbidden)
	for what, c := range map[string]*client.Client{
		"two keys": h.With(k).WithHeader("X-Trip-Token",
			h.Key(owner, mine, "tenants:read").Credential.Value),
		"a key twice":               h.With(k).WithHeader("X-Trip-Token", value),
		"a key in two key headers":  h.Anyone().WithHeader("X-API-Key", value).WithHeader("X-Trip-Token", value),
		"a key beside a bad bearer": h.Anyone().WithKey("x").WithHeader("X-API-Key", value),
		"a key beside an unknown basic": h.Anyone().WithHeader("Authorization", "Basic eDp5").WithHeader("X-API-Key",
			value),
	} {
		_, err := c.Whoami(t.Context())
		testkit.ExpectCode(t, what, err, api.CredentialAmbiguous)
	}
	_, err := owner.WithHeader("X-Trip-Token", value).Whoami(t.Context())
	testkit.ExpectCode(t, "a session beside a key in another's header", err, api.TransportForbidden)
	_, err = owner.WithHeader("Authorization", "Bearer x").WithHeader("X-Trip-Token", "x").Whoami(t.Context())
	testkit.ExpectCode(t, "a session beside a bad bearer", err, api.APIKeyInvalid)
	_ = other
}

// A UUID that Claviger issued is a key, beside whatever else.
func TestAUUIDInAKeyHeaderIsAKeyWhereItWasIssued(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Preset(policy.Blancco, nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := testkit.Must[api.IssuedKey](t)(owner.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{Name: "Test key"}))
	value := k.Credential.Value
	in := func(c *client.Client) *client.Client { return c.WithHeader("X-BLANCCO-API-KEY", value) }
	me := testkit.Must[api.Whoami](t)(in(owner).Whoami(t.Context()))
	if me.Principal != "key" {
		t.Errorf("beside a session it is a %s", me.Principal)
	}
	_, err := in(h.Anyone().WithKey("x")).Whoami(t.Context())
	testkit.ExpectCode(t, "beside a bad bearer", err, api.CredentialAmbiguous)
	if _, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""); err != nil { // which deletes it here
		t.Fatal(err)
	}
	_, err = in(h.Anyone()).Whoami(t.Context())
	testkit.ExpectCode(t, "deleted, alone", err, api.APIKeyInvalid)
}

func TestAKeyHeaderIsForgottenWhenTheLastTenantGivesItUp(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	mine := h.Tenant("Mine", nil)
	value := h.Key(h.As(h.Member(mine, "Key Owner", scope.Member)), mine, "applications:read").Credential.Value
	first, admin := testkit.TenantOfOtherAccount(t, h, "X-Trip-Token")
	second := h.Tenant("Second", func(s *policy.Settings) { s.KeyHeader = "x-trip-token" })
	known := func(when string, want api.Code) {
		t.Helper()
		_, err := h.Anyone().WithHeader("X-Trip-Token", value).Whoami(t.Context())
		testkit.ExpectCode(t, when, err, want)
	}
	known("two tenants have it", api.TransportForbidden)
	edit(t, admin, first, api.SettingsPatch{KeyHeader: api.To("X-Trap-Token")})
	known("one has it", api.TransportForbidden)
	disabled := true
	change := func(c tenancy.TenantChange) {
		t.Helper()
		testkit.Must[tenancy.Tenant](t)(h.Tenancy.ChangeTenant(t.Context(), principal.Operator(), second.ID, c))
	}
	change(tenancy.TenantChange{Disabled: &disabled})
	known("the one that has it is disabled", api.TransportForbidden)
	h.Restart()
	known("the one that has it is disabled, after a restart", api.TransportForbidden)
	change(tenancy.TenantChange{Settings: func(s *policy.Settings) {
		s.KeyHeader, s.Transports = "", []policy.Transport{policy.Bearer}
	}})
	known("nobody has it", api.APIKeyInvalid)
	h.Restart()
	known("nobody has it, after a restart", api.APIKeyInvalid)
	change(tenancy.TenantChange{Settings: func(s *policy.Settings) { s.KeyHeader = "X-Trip-Token" }})
	known("it is back", api.TransportForbidden)
}

func TestEveryNodeLearnsAndForgetsKeyHeaders(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	value := p.Key.Credential.Value
	known := func(when string, h *testkit.Server, header string, want api.Code) {
		t.Helper()
		begun := time.Now()
		for {
			_, err := h.Anyone().WithHeader(header, value).Whoami(t.Context())
			got := testkit.Code(t, err)
			if got == want {
				return
			}
			if time.Since(begun) > time.Duration(h.Config.Database.MaxStaleness) {
				t.Errorf("%s: %q, want %q", when, got, want)
				return
			}
		}
	}
	set := func(by *testkit.Server, header string) {
		t.Helper()
		testkit.Must[tenancy.Tenant](t)(by.Tenancy.ChangeTenant(t.Context(), principal.Operator(), p.Tenant.ID,
			tenancy.TenantChange{
				Settings: func(s *policy.Settings) { s.KeyHeader = header },
			}))
	}
	both := func(when, header string, want api.Code) {
		t.Helper()
		known(when+", here", p.First, header, want)
		known(when+", there", p.Second, header, want)
	}
	for i, by := range []*testkit.Server{p.First, p.Second, p.Second, p.First} {
		set(by, fmt.Sprintf("X-N%d-Key", i))
		both("the new one", fmt.Sprintf("X-N%d-Key", i), "")
		if i > 0 {
			both("the one before", fmt.Sprintf("X-N%d-Key", i-1), api.APIKeyInvalid)
		}
	}
	third := p.First.Node(p.First.Config.Database.URL.Reveal())
	known("the newest, by a node that begins", third, "X-N3-Key", "")
	known("an older one, by a node that begins", third, "X-N2-Key", api.APIKeyInvalid)
}

func TestAKeyHeaderThatOtherSystemsUseIsRefused(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner, tenant := h.As(h.Owner), h.Tenant("Main tenant", nil)
	try := func(header string) string {
		t.Helper()
		_, err := owner.EditTenant(t.Context(), string(tenant.ID),
			api.UpdateTenantRequest{Settings: &api.SettingsPatch{KeyHeader: api.To(header)}})
		if err == nil {
			return ""
		}
		return testkit.FieldErrors(t, err)
	}
	for _, name := range []string{
		"X-CSRF-Token", "x-csrf-token", "X-Xsrf-Token", "X-AMZ-Security-Token", "X-Goog-Api-Key", "X-Vault-Token",
		"X-GitHub-Token", "X-Gitlab-Token",
		"X-Auth-Token", "X-Idempotency-Key", "X-Forwarded-Access-Token", "X-Claviger-Key", "X-Session-Token",
	} {
		if got := try(name); got != "settings.key_header reserved" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, name := range []string{"X-Orders-Key", "X-My-CSRF-Token", "X-API-Token", "X-BLANCCO-API-KEY", "X-API-Key"} {
		if got := try(name); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	// One from before this rule works on, whatever else is changed.
	value := h.Key(h.As(h.Member(tenant, "Key Owner", scope.Member)), tenant, "applications:read").Credential.Value
	if _, err := h.Beside().ExecContext(t.Context(),
		`UPDATE tenants SET settings = replace(settings, 'X-API-Key', 'X-CSRF-Token')`); err != nil {
		t.Fatal(err)
	}
	h.Restart()
	owner = h.As(h.Owner)
	edit(t, owner, tenant, api.SettingsPatch{KeysPerUser: api.To(7)})
	_, err := h.Anyone().WithHeader("X-CSRF-Token", value).Whoami(t.Context())
	testkit.ExpectCode(t, "a key in a header of before", err, "")
	if got := try("X-csrf-token"); got != "" {
		t.Errorf("its own name again: %q", got)
	}
	if got := try("X-Orders-Key") + try("X-CSRF-Token"); got != "settings.key_header reserved" {
		t.Errorf("back from another: %q", got)
	}
}

func TestAnAccountUsesAtMostEightKeyHeadersOfItsOwn(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	owner := h.As(h.Owner)
	var tenants []tenancy.Tenant
	for i := range 10 {
		tenants = append(tenants, h.Tenant(fmt.Sprintf("Tenant %d", i), nil))
	}
	try := func(tenant tenancy.Tenant, header string) string {
		t.Helper()
		_, err := owner.EditTenant(t.Context(), string(tenant.ID),
			api.UpdateTenantRequest{Settings: &api.SettingsPatch{KeyHeader: api.To(header)}})
		if err == nil {
			return ""
		}
		return testkit.FieldErrors(t, err)
	}
	is := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	for i := range 8 {
		is("one of eight", try(tenants[i], fmt.Sprintf("X-N%d-Key", i)), "")
	}
	is("the ninth", try(tenants[8], "X-N8-Key"), "settings.key_header limit")
	_, err := h.Tenancy.CreateTenant(t.Context(), principal.Operator(), h.Account.ID, "One more", policy.Standard,
		func(s *policy.Settings) { s.KeyHeader = "X-N8-Key" })
	is("the ninth, of a new tenant", fieldOf(err), "settings.key_header limit")
	is("one that another tenant has", try(tenants[8], "x-n0-key"), "")
	is("that of a preset", try(tenants[9], "X-BLANCCO-API-KEY"), "")
	is("another in the place of one's own", try(tenants[7], "X-Other-Key"), "")
	is("the ninth again", try(tenants[9], "X-N8-Key"), "settings.key_header limit")
	is("one less", try(tenants[1], "X-API-Key"), "")
	is("the eighth again", try(tenants[9], "X-N8-Key"), "")
	other, admin := testkit.TenantOfOtherAccount(t, h, "X-API-Key")
	edit(t, admin, other, api.SettingsPatch{KeyHeader: api.To("X-Ninth-Key")})
}

func fieldOf(err error) string {
	var all []string
	for _, f := range fault.Fields(err) {
		all = append(all, f.Name+" "+f.Code)
	}
	return strings.Join(all, ", ")
}

func edit(t *testing.T, c *client.Client, tenant tenancy.Tenant, p api.SettingsPatch) {
	t.Helper()
	testkit.Must[api.Tenant](t)(c.EditTenant(t.Context(), string(tenant.ID), api.UpdateTenantRequest{Settings: &p}))
}

// A node learns a key header while the time on record is two years ahead. After the repair it must
// follow later changes.
func TestAKeyHeaderIsFollowedAfterTheTimeOnRecordWasPutBack(t *testing.T) {
	t.Parallel()
	boot := "first"
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.Machine.Boot = boot })
	boot = "second"
	h.Clock.Step(2 * 365 * policy.Day)
	h.Restart()
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.KeyHeader = 0, "X-First-Key" })
	person := h.Member(tenant, "Key Owner", scope.Admin)
	h.Clock.Step(-2 * 365 * policy.Day)
	testkit.AwaitClockDoubt(t, h, "stepped back")
	testkit.Must[api.RepairClockResponse](t)(testkit.RepairClock(t, h,
		api.RepairClockRequest{Time: new(h.Clock.Now())}))
	h.Clock.Move(time.Second)
	value := h.Key(h.As(person), tenant, "applications:read").Credential.Value
	edit(t, h.As(h.Owner), tenant, api.SettingsPatch{KeyHeader: api.To("X-Second-Key")})
	try := func(when string) {
		t.Helper()
		_, err := h.Anyone().WithHeader("X-Second-Key", value).Whoami(t.Context())
		testkit.ExpectCode(t, "the new name, "+when, err, "")
		_, err = h.Anyone().WithHeader("X-First-Key", value).Whoami(t.Context())
		testkit.ExpectCode(t, "the old one, "+when, err, api.APIKeyInvalid)
	}
	try("at once")
	h.Restart()
	try("after a restart")
}
