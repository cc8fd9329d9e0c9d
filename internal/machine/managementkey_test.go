package machine_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// program is a management key of a service account.
type program struct {
	h       *testkit.Server
	tenant  tenancy.Tenant
	admin   *client.Client
	account api.ServiceAccount
	key     api.IssuedManagementKey
	client  *client.Client
}

// everything are all permissions but those over the whole tenant.
var everything = []api.Permission{
	api.PermissionKeysRead, api.PermissionKeysCreate, api.PermissionKeysUpdate, api.PermissionKeysRefresh,
	api.PermissionKeysDisable, api.PermissionKeysRevoke,
}

// wide is a management key that may do everything for service accounts and subjects.
func wide() api.CreateManagementKeyRequest {
	return api.CreateManagementKeyRequest{
		Name: "Terraform", Permissions: everything, Owners: []api.PartyType{api.PartyServiceAccount, api.PartySubject},
		Ceilings: api.ManagementCeilingsRequest{Scopes: []string{"*"}, AllApplications: true},
	}
}

// newProgram creates a tenant, a service account and a management key of it.
func newProgram(t *testing.T, h *testkit.Server, name string, n api.CreateManagementKeyRequest) *program {
	t.Helper()
	p := &program{h: h, tenant: h.Tenant("Tenant of "+name, nil)}
	p.admin = h.As(h.Member(p.tenant, "Admin of "+name, scope.Admin))
	var err error
	p.account, err = p.admin.CreateServiceAccount(t.Context(), string(p.tenant.ID), api.CreateServiceAccountRequest{
		Name: name, Role: api.RoleMember,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.issue(t, n)
	return p
}

// issue creates another management key of the program.
func (p *program) issue(t *testing.T, n api.CreateManagementKeyRequest) {
	t.Helper()
	var err error
	p.key, err = p.admin.CreateManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, n)
	if err != nil {
		t.Fatal(err)
	}
	p.client = p.h.Anyone().WithKey(*p.key.Value)
}

// newKey is a request for a key of the program's own service account.
func (p *program) newKey(scopes ...string) api.CreateKeyRequest {
	return api.CreateKeyRequest{
		Name: "Machine", Scopes: scopes, AllApplications: true,
		Owner: &api.KeyOwner{Type: api.PartyServiceAccount, ID: p.account.ID},
	}
}

func (p *program) create(ctx context.Context, n api.CreateKeyRequest) (api.IssuedKey, error) {
	return p.client.CreateKey(ctx, string(p.tenant.ID), n)
}

func TestAProgramManagesKeysWithAManagementKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	ctx, tenant := t.Context(), string(p.tenant.ID)
	if !strings.HasPrefix(*p.key.Value, "clv_mk_") || p.key.Status != api.KeyActive {
		t.Errorf("the management key is %s, %s", p.key.PublicID, p.key.Status)
	}
	self, err := p.client.ManagementSelf(ctx)
	testkit.ExpectCode(t, "self", err, "")
	if self.ID != p.key.ID || self.CreatedBy.Email != nil || self.ServiceAccount.ID != p.account.ID {
		t.Errorf("self is %+v", self)
	}
	k, err := p.create(ctx, p.newKey("applications:read"))
	testkit.ExpectCode(t, "create", err, "")
	if k.Key.KeyDetails.CreatedBy.ID != p.key.ID || k.Key.Owner.ID != p.account.ID {
		t.Errorf("created by %+v for %+v", k.Key.KeyDetails.CreatedBy, k.Key.Owner)
	}
	if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
		t.Errorf("the new key is %s", got)
	}
	_, err = p.client.EditKey(ctx, tenant, k.Key.ID, api.UpdateKeyRequest{Name: api.To("Renamed")})
	testkit.ExpectCode(t, "edit", err, "")
	refreshed, err := p.client.RefreshKey(ctx, tenant, k.Key.ID, api.RefreshKeyRequest{OverlapSeconds: 60})
	testkit.ExpectCode(t, "refresh", err, "")
	testkit.ExpectCode(t, "end previous", p.client.EndPrevious(ctx, tenant, k.Key.ID), "")
	_, err = p.client.DisableKey(ctx, tenant, k.Key.ID)
	testkit.ExpectCode(t, "disable", err, "")
	_, err = p.client.EnableKey(ctx, tenant, k.Key.ID)
	testkit.ExpectCode(t, "enable", err, "")
	list, err := p.client.Keys(ctx, tenant, client.KeyFilter{}, client.Page{})
	if err != nil || len(list.Items) != 1 || list.Items[0].KeyDetails == nil {
		t.Errorf("the list has %d keys, %v", len(list.Items), err)
	}
	health, err := p.client.KeyHealth(ctx, tenant, client.Page{})
	if err != nil || len(health.Items) != 1 || health.Summary != nil {
		t.Errorf("the health of %d keys, %v", len(health.Items), err)
	}
	_, err = p.client.RevokeKey(ctx, tenant, refreshed.Key.ID, "done")
	testkit.ExpectCode(t, "revoke", err, "")
	testkit.ExpectCode(t, "delete", p.client.DeleteKey(ctx, tenant, refreshed.Key.ID), "")

	h.Clock.Move(2 * time.Minute)
	_, err = p.client.ManagementSelf(ctx)
	testkit.ExpectCode(t, "self again", err, "")
	shown, err := p.admin.ManagementKey(ctx, tenant, p.account.ID, p.key.ID)
	if err != nil || shown.LastUsedAt == nil || shown.LastUsedIP == nil {
		t.Errorf("last used %v from %v, %v", shown.LastUsedAt, shown.LastUsedIP, err)
	}
}

func TestARevokedManagementKeyIsRefusedAtOnceAndItsHolderLearnsWhy(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, c := range map[string]struct {
		do   func(*program) error
		code api.Code
	}{
		"revoked": {func(p *program) error {
			_, err := p.admin.RevokeManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, p.key.ID, "")
			return err
		}, api.APIKeyRevoked},
		"deleted": {func(p *program) error {
			return p.admin.DeleteManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, p.key.ID)
		}, api.APIKeyInvalid},
		"expired": {func(p *program) error {
			h.Clock.Move(91 * 24 * time.Hour)
			return nil
		}, api.APIKeyExpired},
		"refreshed": {func(p *program) error {
			_, err := p.admin.RefreshManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, p.key.ID,
				api.RefreshManagementKeyRequest{})
			return err
		}, api.APIKeyInvalid},
		"of a disabled service account": {func(p *program) error {
			_, err := p.admin.DisableServiceAccount(t.Context(), string(p.tenant.ID), p.account.ID)
			return err
		}, api.APIKeyDisabled},
		"of a deleted service account": {func(p *program) error {
			return p.admin.DeleteServiceAccount(t.Context(), string(p.tenant.ID), p.account.ID)
		}, api.APIKeyRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, h, "Builds "+name, wide())
			testkit.ExpectCode(t, "do", c.do(p), "")
			_, err := p.client.ManagementSelf(t.Context())
			testkit.ExpectCode(t, "self", err, c.code)
			_, err = p.create(t.Context(), p.newKey("applications:read"))
			testkit.ExpectCode(t, "create", err, c.code)
		})
	}
}

func TestAManagementKeyIsNoAPIKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	value := *p.key.Value
	for name, header := range map[string]http.Header{
		"whoami":         {"Authorization": {"Bearer " + value}},
		"the key header": {"X-Api-Key": {value}},
	} {
		status, _, body := testkit.Send(t, h, http.MethodGet, "/api/v1/whoami", header, "")
		if status != http.StatusUnauthorized || !strings.Contains(string(body), "api_key_invalid") {
			t.Errorf("by %s: %d %s", name, status, body)
		}
	}
	decision, err := h.Verifier().Verify(t.Context(), api.VerifyRequest{Credential: value})
	if err != nil || decision.Active || decision.Code != api.APIKeyInvalid {
		t.Errorf("verified as %+v, %v", decision, err)
	}
	_, err = p.client.Tenant(t.Context(), string(p.tenant.ID))
	testkit.ExpectCode(t, "a route without M", err, api.SessionRequired)
	_, err = p.client.CreateManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, wide())
	testkit.ExpectCode(t, "one of its kind", err, api.SessionRequired)
}

func TestAManagementKeyIsCreatedSoonAfterASignInOnly(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	h.Clock.Move(6 * time.Minute)
	_, err := p.admin.CreateManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, wide())
	testkit.ExpectCode(t, "create", err, api.SignInAgain)
	_, err = p.admin.RefreshManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, p.key.ID,
		api.RefreshManagementKeyRequest{})
	testkit.ExpectCode(t, "refresh", err, api.SignInAgain)
	_, err = p.admin.RevokeManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, p.key.ID, "")
	testkit.ExpectCode(t, "revoke", err, "")
}

func TestAServiceAccountHasFiveManagementKeysAlive(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	first := p.key.ID
	for range 4 {
		p.issue(t, wide())
	}
	_, err := p.admin.CreateManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, wide())
	testkit.ExpectCode(t, "the sixth", err, api.KeyLimitReached)
	_, err = p.admin.RevokeManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, first, "")
	testkit.ExpectCode(t, "revoke", err, "")
	p.issue(t, wide())
	list, err := p.admin.ManagementKeys(t.Context(), string(p.tenant.ID), p.account.ID, client.Page{Limit: 4})
	if err != nil || len(list.Items) != 4 || list.NextCursor == nil {
		t.Errorf("a page has %d items, %v", len(list.Items), err)
	}
}

func TestAManagementKeyIsOnlyNarrowed(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	n := wide()
	n.Ceilings = api.ManagementCeilingsRequest{
		Scopes: []string{"applications:read", "scopes:read"}, AllApplications: true, CreatesPerHour: 10,
	}
	p := newProgram(t, h, "Builds", n)
	ctx, tenant := t.Context(), string(p.tenant.ID)
	edit := func(e api.UpdateManagementKeyRequest) error {
		_, err := p.admin.EditManagementKey(ctx, tenant, p.account.ID, p.key.ID, e)
		return err
	}
	for name, wider := range map[string]api.UpdateManagementKeyRequest{
		"a scope": {Ceilings: &api.ManagementCeilingsRequest{
			Scopes: []string{"applications:read", "audit:read"}, AllApplications: true, CreatesPerHour: 10,
		}},
		"more an hour": {Ceilings: &api.ManagementCeilingsRequest{CreatesPerHour: 11}},
		"users":        {Owners: api.To([]api.PartyType{api.PartyUser, api.PartySubject})},
		"a permission": {Permissions: api.To([]api.Permission{api.PermissionScopesRead})},
		"a later end":  {ExpiresAt: api.To(p.key.ExpiresAt.Add(time.Hour))},
	} {
		testkit.ExpectCode(t, name, edit(wider), api.ValidationFailed)
	}
	testkit.ExpectCode(t, "narrow", edit(api.UpdateManagementKeyRequest{
		Permissions: api.To([]api.Permission{api.PermissionKeysCreate}),
		Ceilings: &api.ManagementCeilingsRequest{
			Scopes: []string{"applications:read"}, AllApplications: true, CreatesPerHour: 1, MaxLifetimeDays: new(7),
		},
	}), "")
	_, err := p.create(ctx, p.newKey("scopes:read"))
	testkit.ExpectCode(t, "beyond the scopes", err, api.Forbidden)
	k, err := p.create(ctx, p.newKey("applications:read"))
	testkit.ExpectCode(t, "within", err, "")
	if d := k.Key.KeyDetails; d.ExpiresAt == nil || d.ExpiresAt.Sub(*d.SecretSetAt) > 7*24*time.Hour {
		t.Errorf("the key expires at %v", d.ExpiresAt)
	}
	_, err = p.create(ctx, p.newKey("applications:read"))
	testkit.ExpectCode(t, "the second within the hour", err, api.RateLimited)
	h.Clock.Move(time.Hour)
	_, err = p.create(ctx, p.newKey("applications:read"))
	testkit.ExpectCode(t, "an hour later", err, "")
	_, err = p.client.Keys(ctx, tenant, client.KeyFilter{}, client.Page{})
	testkit.ExpectCode(t, "list without keys:read", err, api.Forbidden)
}

func TestAManagementKeyWorksFromItsAddressesOnly(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	n := wide()
	n.AllowedCIDRs = []string{"192.0.2.0/24"}
	p := newProgram(t, h, "Builds", n)
	_, err := p.client.ManagementSelf(t.Context())
	testkit.ExpectCode(t, "from elsewhere", err, api.AddressForbidden)
	n.AllowedCIDRs = []string{"127.0.0.0/8"}
	p.issue(t, n)
	_, err = p.client.ManagementSelf(t.Context())
	testkit.ExpectCode(t, "from its network", err, "")
}

// request is one to create a management key.
type request = api.CreateManagementKeyRequest

func TestWhatIsWrongWithANewManagementKeyIsSaidFieldByField(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	for want, change := range map[string]func(*request){
		"permissions required":  func(n *request) { n.Permissions = nil },
		"permissions.0 unknown": func(n *request) { n.Permissions = []api.Permission{"keys:reveal"} },
		"permissions.1 unknown": func(n *request) {
			n.Permissions = []api.Permission{"keys:read", "portal:open"}
		},
		"permissions.0 beyond_role":        func(n *request) { n.Permissions = []api.Permission{"audit:read"} },
		"owners.0 unknown":                 func(n *request) { n.Owners = []api.PartyType{"operator"} },
		"ceilings.scopes.0 unknown":        func(n *request) { n.Ceilings.Scopes = []string{"no:scope"} },
		"ceilings.max_lifetime_days range": func(n *request) { n.Ceilings.MaxLifetimeDays = new(0) },
		"ceilings.creates_per_hour range":  func(n *request) { n.Ceilings.CreatesPerHour = -1 },
		"ceilings.allowed_cidrs.0 host_bits": func(n *request) {
			n.Ceilings.AllowedCIDRs = []string{"192.0.2.1/24"}
		},
		"expires_at range": func(n *request) {
			n.ExpiresAt = new(h.Clock.Now().Add(366 * 24 * time.Hour))
		},
	} {
		n := wide()
		change(&n)
		_, err := p.admin.CreateManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, n)
		if got := testkit.FieldErrors(t, err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The count of an hour is on the row of the management key, so two nodes never allow more together.
func TestTheHourlyCeilingIsExactOverTwoNodes(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.Postgres)
	n := wide()
	n.Ceilings.CreatesPerHour = 7
	p := newProgram(t, h, "Builds", n)
	other := h.Node(h.Config.Database.URL.Reveal())
	var acts []func() error
	for i := range 20 {
		at := h
		if i%2 == 1 {
			at = other
		}
		c := at.Anyone().WithKey(*p.key.Value)
		acts = append(acts, func() error {
			_, err := c.CreateKey(t.Context(), string(p.tenant.ID), p.newKey("applications:read"))
			return err
		})
	}
	codes := testkit.Concurrently(t, acts...)
	if codes[""] != 7 || codes[api.RateLimited] != 13 {
		t.Errorf("the answers are %v, want 7 keys and 13 refusals", codes)
	}
}

func TestAnIdempotencyKeyCountsForTheServiceAccount(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	first := *p.key.Value
	p.issue(t, wide())
	body := `{"name":"Machine","scopes":["applications:read"],"all_applications":true,` +
		`"owner":{"type":"service_account","id":"` + p.account.ID + `"}}`
	var ids []string
	for _, value := range []string{first, *p.key.Value} {
		status, header, text := testkit.Send(t, h, http.MethodPost, "/api/v1/tenants/"+string(p.tenant.ID)+"/keys",
			http.Header{
				"Authorization": {"Bearer " + value}, "Content-Type": {"application/json"}, "Idempotency-Key": {"once"},
			}, body)
		if status != http.StatusCreated {
			t.Fatalf("%d %s", status, text)
		}
		ids = append(ids, header.Get("Location")+" "+header.Get("Idempotent-Replayed"))
	}
	if ids[0]+"true" != ids[1] {
		t.Errorf("the answers are %q", ids)
	}
}

// What a management key reads about people is their id.
func TestAManagementKeyLearnsNothingOfPeopleButTheirIDs(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	n := wide()
	n.Permissions = []api.Permission{api.PermissionKeysRead, api.PermissionKeysDisable, api.PermissionAuditRead}
	n.Owners = []api.PartyType{api.PartyUser}
	p := newProgram(t, h, "Builds", wide())
	ctx, tenant := t.Context(), string(p.tenant.ID)
	_, err := p.admin.EditServiceAccount(ctx, tenant, p.account.ID, api.UpdateServiceAccountRequest{
		Role: api.To(api.RoleAuditor),
	})
	testkit.ExpectCode(t, "role", err, "")
	p.issue(t, n)
	person := h.Member(p.tenant, "Ada Victim", scope.Member)
	k := h.Key(h.As(person), p.tenant, "applications:read")
	testkit.ExpectCode(t, "used", func() error { _, err := h.With(k).Whoami(ctx); return err }(), "")
	for _, path := range []string{"/keys", "/keys/" + k.Key.ID, "/key-health", "/audit"} {
		status, _, body := testkit.Send(t, h, http.MethodGet, "/api/v1/tenants/"+tenant+path,
			http.Header{"Authorization": {"Bearer " + *p.key.Value}}, "")
		text := string(body)
		if status != http.StatusOK || !strings.Contains(text, k.Key.ID) {
			t.Errorf("%s: %d %s", path, status, text)
		}
		for _, secret := range []string{person.Email, person.Name, `"127.0.0.1"`} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s: %s", path, secret, text)
			}
		}
	}
	for query, want := range map[string]int{person.Email: 0, "Test": 1} {
		list, err := p.client.Keys(ctx, tenant, client.KeyFilter{Query: query}, client.Page{})
		if err != nil || len(list.Items) != want {
			t.Errorf("a search for %q finds %d keys, %v", query, len(list.Items), err)
		}
	}
	_, err = p.client.DisableKey(ctx, tenant, k.Key.ID)
	testkit.ExpectCode(t, "disable", err, "")
	_, err = p.client.RefreshKey(ctx, tenant, k.Key.ID, api.RefreshKeyRequest{})
	testkit.ExpectCode(t, "refresh", err, api.Forbidden)
	audit, err := p.admin.TenantEvents(ctx, tenant, client.EventFilter{Action: "key.disable"}, client.Page{})
	if err != nil || len(audit.Items) != 1 || audit.Items[0].Actor.Type != "management_key" ||
		*audit.Items[0].Actor.Name != "Terraform" || audit.Items[0].Details["service_account"] != p.account.ID {
		t.Errorf("the audit trail says %+v, %v", audit.Items, err)
	}
}

func TestALeakIsAnsweredByRevokingWhatTheManagementKeyCreated(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	var ids []string
	for range 3 {
		k, err := p.create(t.Context(), p.newKey("applications:read"))
		testkit.ExpectCode(t, "create", err, "")
		ids = append(ids, k.Key.ID)
	}
	done, err := p.admin.RevokeKeys(t.Context(), string(p.tenant.ID), api.BulkKeysRequest{
		IDs: append(ids, "key_01m7z51nc4y94zpp4er7"), Reason: "Leaked",
	})
	testkit.ExpectCode(t, "revoke", err, "")
	want := []api.Code{api.OK, api.OK, api.OK, api.NotFound}
	for i, r := range done.Results {
		if r.Code != want[i] {
			t.Errorf("result %d is %s", i, r.Code)
		}
	}
	for name, bad := range map[string][]string{
		"none": nil, "twice": {ids[0], ids[0]}, "too many": make([]string, 201),
	} {
		_, err := p.admin.DisableKeys(t.Context(), string(p.tenant.ID), api.BulkKeysRequest{IDs: bad})
		testkit.ExpectCode(t, name, err, api.ValidationFailed)
	}
}

// To call a good management key invalid because this node cannot read what is stored of it would be
// wrong: a program would be told to give up.
func TestAManagementKeyThatCannotBeReadIsUnavailable(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for name, damage := range map[string]string{
		"a digest of another row":               "digest = (SELECT digest FROM key_secrets LIMIT 1)",
		"a version of the server key not known": "digest_version = 999",
		"a digest that is cut":                  "digest = substr(digest, 1, 20)",
	} {
		p := newProgram(t, h, "Builds with "+name, wide())
		testkit.Must[api.IssuedKey](t)(p.create(t.Context(), p.newKey("applications:read")))
		testkit.Exec(t, h, "UPDATE management_key_secrets SET "+damage+" WHERE key_id = $1", p.key.ID)
		_, err := p.client.ManagementSelf(t.Context())
		testkit.ExpectCode(t, name, err, api.Unavailable)
		_, err = p.create(t.Context(), p.newKey("applications:read"))
		testkit.ExpectCode(t, name+", create", err, api.Unavailable)
	}
}

// Each request counts, reads included, and all routes together.
func TestAManagementKeyThatSendsTooManyRequestsIsLimited(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p, other := newProgram(t, h, "Builds", wide()), newProgram(t, h, "Others", wide())
	sent, code := 0, api.Code("")
	for ; code == "" && sent < 3000; sent++ {
		_, err := p.client.ManagementSelf(t.Context())
		code = testkit.Code(t, err)
	}
	if code != api.RateLimited || sent <= 600 {
		t.Errorf("after %d requests: %q", sent, code)
	}
	_, err := other.client.ManagementSelf(t.Context())
	testkit.ExpectCode(t, "another management key", err, "")
	_, err = p.admin.ManagementKey(t.Context(), string(p.tenant.ID), p.account.ID, p.key.ID)
	testkit.ExpectCode(t, "an admin", err, "")
}

// The default of 90 days is cut to what the account allows. A time that somebody chose is not.
func TestTheDefaultExpiryOfAManagementKeyIsCutToThePolicy(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	ctx, tenant := t.Context(), string(p.tenant.ID)
	long := p.key
	testkit.Must[api.Policy](t)(h.As(h.Owner).EditPolicy(ctx, string(h.Account.ID),
		api.UpdatePolicyRequest{MaxLifetimeDays: api.To(30)}))
	h.Clock.Move(time.Minute)
	p.issue(t, wide())
	if got := p.key.ExpiresAt.Sub(p.key.SecretSetAt); got != 30*24*time.Hour {
		t.Errorf("a new one lives for %s", got)
	}
	chosen := wide()
	chosen.ExpiresAt = new(h.Clock.Now().Add(31 * 24 * time.Hour))
	_, err := p.admin.CreateManagementKey(ctx, tenant, p.account.ID, chosen)
	testkit.ExpectCode(t, "a longer time that was chosen", err, api.ValidationFailed)
	refreshed, err := p.admin.RefreshManagementKey(ctx, tenant, p.account.ID, long.ID,
		api.RefreshManagementKeyRequest{})
	testkit.ExpectCode(t, "refresh one of 90 days", err, "")
	if got := refreshed.ExpiresAt.Sub(refreshed.SecretSetAt); got != 30*24*time.Hour {
		t.Errorf("after the refresh it lives for %s", got)
	}
	_, err = p.admin.RefreshManagementKey(ctx, tenant, p.account.ID, long.ID,
		api.RefreshManagementKeyRequest{ExpiresAt: chosen.ExpiresAt})
	testkit.ExpectCode(t, "refresh with a longer time", err, api.ValidationFailed)
}

// After the retention the holder of an expired value gets the answer of one that was never issued.
func TestTheDigestsOfExpiredManagementKeysAreDeleted(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	old := p.client
	self := func(c *client.Client, want api.Code) {
		t.Helper()
		testkit.ExpectCode(t, "self", h.ManagementKeys.ForgetExpired(t.Context()), "")
		_, err := c.ManagementSelf(t.Context())
		testkit.ExpectCode(t, "self", err, want)
	}
	h.Clock.Move(90 * 24 * time.Hour)
	h.ManagementKeys.Horizon = h.Clock.Now
	self(old, api.APIKeyExpired)
	h.Clock.Move(90*24*time.Hour - time.Second)
	self(old, api.APIKeyExpired)
	later := newProgram(t, h, "Later builds", wide())
	h.Clock.Move(time.Second)
	self(old, api.APIKeyInvalid)
	self(later.client, "")
	if n := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM audit_events WHERE action = 'management_key.forget'`); n != 1 {
		t.Errorf("%d events say that digests were deleted", n)
	}
}

// The holder of a previous secret is told for 30 days after its overlap that it expired.
func TestAPreviousSecretOfAManagementKeyThatEndedLongAgoIsDeleted(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		p := newProgram(t, h, "Builds", wide())
		old := p.client
		refreshed := testkit.Must[api.IssuedManagementKey](t)(p.admin.RefreshManagementKey(t.Context(),
			string(p.tenant.ID), p.account.ID, p.key.ID, api.RefreshManagementKeyRequest{OverlapSeconds: 60}))
		current := h.Anyone().WithKey(*refreshed.Value)
		h.ManagementKeys.Horizon = h.Clock.Now
		for _, c := range []struct {
			after time.Duration
			want  api.Code
			kept  int
		}{
			{0, "", 1},
			{time.Minute, api.APIKeyExpired, 1},
			{policy.Grace - time.Second, api.APIKeyExpired, 1},
			{time.Second, api.APIKeyInvalid, 0},
		} {
			h.Clock.Move(c.after)
			testkit.Twice(t, h.ManagementKeys.ForgetExpired)
			_, err := old.ManagementSelf(t.Context())
			testkit.ExpectCode(t, "after "+c.after.String()+" more, the previous secret", err, c.want)
			if n := testkit.CountRows(t, h, "management_key_secrets"); n != c.kept+1 {
				t.Errorf("after %s more, %d secrets are kept, want %d", c.after, n, c.kept+1)
			}
		}
		_, err := current.ManagementSelf(t.Context())
		testkit.ExpectCode(t, "the current secret", err, "")
		events := testkit.TenantRecords(t, h, p.tenant, "management_key.forget_previous")
		if len(events) != 1 || events[0].Actor.Type != "system" || events[0].Target.ID != p.key.ID ||
			events[0].Details["ended_at"] == "" {
			t.Errorf("on record: %+v", events)
		}
	})
}

// staleManagementKeys lists management keys that have changed since they were found.
type staleManagementKeys struct {
	machine.ManagementKeyStore
	refs []machine.ManagementKeyRef
}

func (l staleManagementKeys) ManagementKeysExpiredBy(context.Context, time.Time) ([]machine.ManagementKeyRef, error) {
	return l.refs, nil
}

func (l staleManagementKeys) ManagementKeysWithPreviousEndedBy(context.Context,
	time.Time,
) ([]machine.ManagementKeyRef, error) {
	return l.refs, nil
}

func TestForgettingDecidesUnderTheLockOfTheManagementKey(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := newProgram(t, h, "Builds", wide())
	in, overlapping := string(p.tenant.ID), p.key.ID
	old := p.client
	testkit.Must[api.IssuedManagementKey](t)(p.admin.RefreshManagementKey(t.Context(), in, p.account.ID, overlapping,
		api.RefreshManagementKeyRequest{OverlapSeconds: 60}))
	p.issue(t, wide())
	gone := p.key.ID
	testkit.NoError(t, p.admin.DeleteManagementKey(t.Context(), in, p.account.ID, gone))
	p.issue(t, wide())
	found := staleManagementKeys{ManagementKeyStore: h.ManagementKeys.Store}
	for _, id := range []string{overlapping, gone, p.key.ID} {
		found.refs = append(found.refs, machine.ManagementKeyRef{
			Tenant: p.tenant.ID, Account: ident.ServiceAccountID(p.account.ID), ID: ident.ManagementKeyID(id),
		})
	}
	h.ManagementKeys.Store = found
	testkit.Twice(t, h.ManagementKeys.ForgetExpired)
	for what, c := range map[string]*client.Client{"a previous secret": old, "a key without one": p.client} {
		_, err := c.ManagementSelf(t.Context())
		testkit.ExpectCode(t, what, err, "")
	}
}
