package app_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAServiceAccountIsMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", nil)
		in := string(tenant.ID)
		person := h.Member(tenant, "Tenant Admin", scope.Admin)
		steward := h.Member(tenant, "Steward", scope.Member)
		c := h.As(person)
		made := testkit.Must[api.ServiceAccount](t)(c.CreateServiceAccount(t.Context(), in,
			api.CreateServiceAccountRequest{
				Name: " Nightly build ", Description: "Of\nCI", Role: api.RoleMember,
				Stewards: []string{string(steward.ID), string(steward.ID)},
			}))
		if made.Name != "Nightly build" || made.Number != 1 || made.Status != api.StatusActive ||
			len(made.Stewards) != 1 || made.Stewards[0].ID != string(steward.ID) ||
			*made.Stewards[0].Email != steward.Email || made.CreatedBy.ID != string(person.ID) {
			t.Errorf("made %+v", made)
		}
		edited := testkit.Must[api.ServiceAccount](t)(c.EditServiceAccount(t.Context(), in, made.ID,
			api.UpdateServiceAccountRequest{Role: api.To(api.RoleAuditor)}))
		if edited.Role != api.RoleAuditor || edited.Description != made.Description || len(edited.Stewards) != 1 {
			t.Errorf("with another role: %+v", edited)
		}
		edited = testkit.Must[api.ServiceAccount](t)(c.EditServiceAccount(t.Context(), in, made.ID,
			api.UpdateServiceAccountRequest{
				Name: api.To("Weekly build"), Description: api.Cleared[string](), Stewards: api.Cleared[[]string](),
			}))
		if edited.Name != "Weekly build" || edited.Description != "" || len(edited.Stewards) != 0 {
			t.Errorf("cleared: %+v", edited)
		}
		listed := testkit.Must[api.List[api.ServiceAccount]](t)(c.ServiceAccounts(t.Context(), in, client.Page{}))
		if len(listed.Items) != 1 || listed.Items[0].Name != "Weekly build" {
			t.Errorf("listed %+v", listed)
		}
		testkit.NoError(t, c.DeleteServiceAccount(t.Context(), in, made.ID))
		_, err := c.ServiceAccount(t.Context(), in, made.ID)
		testkit.ExpectCode(t, "show what was deleted", err, api.NotFound)
		testkit.ExpectCode(t, "delete again", c.DeleteServiceAccount(t.Context(), in, made.ID), api.NotFound)
	})
}

func TestWhatIsWrongWithAServiceAccountIsNamed(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	in := string(tenant.ID)
	c := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	stranger := h.Person("Stranger")
	member := h.Member(tenant, "Colleague", scope.Member)
	off := h.Member(tenant, "Former colleague", scope.Member)
	testkit.Must[api.Member](t)(c.EditMember(t.Context(), in, string(off.ID),
		api.UpdateMemberRequest{Status: api.To(api.StatusDisabled)}))
	many := slices.Repeat([]string{string(stranger.ID)}, 11)
	made := testkit.ServiceAccount(t, c, tenant, "Build", api.RoleMember)
	for _, n := range []struct {
		name string
		n    api.CreateServiceAccountRequest
		want string
	}{
		{"no name", api.CreateServiceAccountRequest{Role: api.RoleMember}, "name too_short"},
		{"no role", api.CreateServiceAccountRequest{Name: "Build"}, "role unknown"},
		{"an unknown role", api.CreateServiceAccountRequest{Name: "Build", Role: "owner"}, "role unknown"},
		{
			"a role above the giver's",
			api.CreateServiceAccountRequest{Name: "Build", Role: api.RoleAdmin},
			"role beyond_role",
		},
		{
			"11 stewards",
			api.CreateServiceAccountRequest{Name: "Build", Role: api.RoleMember, Stewards: many},
			"stewards too_many",
		},
		{
			"no id",
			api.CreateServiceAccountRequest{Name: "Build", Role: api.RoleMember, Stewards: []string{"ada"}},
			"stewards.0 form",
		},
		{
			"no member",
			api.CreateServiceAccountRequest{
				Name: "Build", Role: api.RoleMember, Stewards: []string{string(stranger.ID)},
			},
			"stewards.0 not_a_member",
		},
		{
			"a member and nobody",
			api.CreateServiceAccountRequest{
				Name: "Build", Role: api.RoleMember,
				Stewards: []string{string(member.ID), "usr_00000000000000000000", string(member.ID), string(off.ID)},
			},
			"stewards.1 not_a_member, stewards.3 not_a_member",
		},
		{
			"a disabled member",
			api.CreateServiceAccountRequest{Name: "Build", Role: api.RoleMember, Stewards: []string{string(off.ID)}},
			"stewards.0 not_a_member",
		},
	} {
		_, err := c.CreateServiceAccount(t.Context(), in, n.n)
		if got := testkit.FieldErrors(t, err); got != n.want {
			t.Errorf("create with %s: %q, want %q", n.name, got, n.want)
		}
		if n.n.Role == "" || n.n.Name == "" {
			continue
		}
		_, err = c.EditServiceAccount(t.Context(), in, made.ID,
			api.UpdateServiceAccountRequest{Role: api.To(n.n.Role), Stewards: api.To(n.n.Stewards)})
		if got := testkit.FieldErrors(t, err); got != n.want {
			t.Errorf("edit with %s: %q, want %q", n.name, got, n.want)
		}
	}
	if got := testkit.Must[api.ServiceAccount](t)(c.ServiceAccount(t.Context(), in, made.ID)); got.Role != made.Role ||
		len(got.Stewards) > 0 {
		t.Errorf("refused changes changed it: %+v", got)
	}
}

func TestATenantHasAtMost200ServiceAccounts(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	c := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	last := testkit.ServiceAccount(t, c, tenant, "Build", api.RoleMember)
	testkit.InsertMany(t, h, 199, `INSERT INTO service_accounts (id, number, tenant_id, name, description, role,
		created_by, created_at, updated_at) SELECT 'sva_' || i, 1000 + i, '`+string(tenant.ID)+`', 'Build', '',
		'member', 'operator', 1, 1 FROM n`)
	n := api.CreateServiceAccountRequest{Name: "One more", Role: api.RoleMember}
	_, err := c.CreateServiceAccount(t.Context(), string(tenant.ID), n)
	if testkit.Code(t, err) != api.Conflict || !strings.Contains(err.Error(), "200 of 200") {
		t.Errorf("201st: %v", err)
	}
	testkit.NoError(t, c.DeleteServiceAccount(t.Context(), string(tenant.ID), last.ID))
	testkit.Must[api.ServiceAccount](t)(c.CreateServiceAccount(t.Context(), string(tenant.ID), n))
}

func TestOnlyAccountAdminsMakeAServiceAccountAnAdmin(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	in := string(tenant.ID)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	officer := h.As(h.AccountMember("Account Admin", scope.AccountAdmin))
	toAdmin := api.UpdateServiceAccountRequest{Role: api.To(api.RoleAdmin)}
	made := testkit.ServiceAccount(t, admin, tenant, "Deployer", api.RoleMember)
	_, err := admin.EditServiceAccount(t.Context(), in, made.ID, toAdmin)
	testkit.ExpectCode(t, "a tenant admin raises the role", err, api.ValidationFailed)
	testkit.Must[api.ServiceAccount](t)(officer.EditServiceAccount(t.Context(), in, made.ID, toAdmin))
	renamed := testkit.Must[api.ServiceAccount](t)(admin.EditServiceAccount(t.Context(), in, made.ID,
		api.UpdateServiceAccountRequest{Name: api.To("Releaser")}))
	if renamed.Role != api.RoleAdmin {
		t.Errorf("renamed: %+v", renamed)
	}
	testkit.ServiceAccount(t, officer, tenant, "Second deployer", api.RoleAdmin)
}

func TestKeysOfADisabledServiceAccountAreRefusedAtOnceAndComeBack(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", nil)
		in := string(tenant.ID)
		c := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
		code := testkit.VerifyCode(t, h)
		of := testkit.ServiceAccount(t, c, tenant, "Build", api.RoleMember)
		other := testkit.KeyOfServiceAccount(t, c, tenant,
			testkit.ServiceAccount(t, c, tenant, "Other", api.RoleMember), "applications:read")
		active := testkit.KeyOfServiceAccount(t, c, tenant, of, "applications:read")
		off := testkit.KeyOfServiceAccount(t, c, tenant, of, "applications:read")
		testkit.Must[api.Key](t)(c.DisableKey(t.Context(), in, off.Key.ID))
		expect := func(when string, wantActive, wantOff api.Code) {
			t.Helper()
			for range 2 {
				if got := []api.Code{code(active), code(off), code(other)}; !slices.Equal(got,
					[]api.Code{wantActive, wantOff, api.OK}) {
					t.Errorf("%s: %v", when, got)
				}
			}
		}
		expect("at first", api.OK, api.APIKeyDisabled)
		shown := testkit.Must[api.ServiceAccount](t)(c.DisableServiceAccount(t.Context(), in, of.ID))
		if shown.Status != api.StatusDisabled {
			t.Errorf("disabled: %+v", shown)
		}
		expect("disabled", api.APIKeyDisabled, api.APIKeyDisabled)
		_, err := c.CreateKey(t.Context(), in, api.CreateKeyRequest{
			Name: "No key", Owner: &api.KeyOwner{Type: api.PartyServiceAccount, ID: of.ID},
			Scopes: []string{"applications:read"}, AllApplications: true,
		})
		testkit.ExpectCode(t, "a key of a disabled service account", err, api.Conflict)
		testkit.Must[api.ServiceAccount](t)(c.EnableServiceAccount(t.Context(), in, of.ID))
		expect("enabled", api.OK, api.APIKeyDisabled)
	})
}

func TestKeysOfADeletedServiceAccountAreRevokedAtOnce(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		for _, mode := range []policy.RevokeMode{policy.Tombstone, policy.Delete} {
			tenant := h.Tenant("Main", func(s *policy.Settings) { s.RevokeMode = mode })
			c := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
			code := testkit.VerifyCode(t, h)
			of := testkit.ServiceAccount(t, c, tenant, "Build", api.RoleMember)
			k := testkit.KeyOfServiceAccount(t, c, tenant, of, "applications:read")
			if got := code(k); got != api.OK {
				t.Fatalf("a new key: %s", got)
			}
			testkit.NoError(t, c.DeleteServiceAccount(t.Context(), string(tenant.ID), of.ID))
			want, rows := api.APIKeyRevoked, 1
			if mode == policy.Delete {
				want, rows = api.APIKeyInvalid, 0
			}
			if got := code(k); got != want {
				t.Errorf("%s: after the service account was deleted: %s, want %s", mode, got, want)
			}
			revoked := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM keys WHERE owner_id = '`+of.ID+
				`' AND revoked_at IS NOT NULL`)
			if revoked != rows {
				t.Errorf("%s: %d rows of revoked keys, want %d", mode, revoked, rows)
			}
		}
	})
}

func TestTheRoleOfAServiceAccountLimitsItsKeysAtOnce(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", nil)
		in := string(tenant.ID)
		officer := h.As(h.AccountMember("Account Admin", scope.AccountAdmin))
		of := testkit.ServiceAccount(t, officer, tenant, "Deployer", api.RoleAdmin)
		k := testkit.KeyOfServiceAccount(t, officer, tenant, of, "*")
		scopes := func() []string {
			return testkit.Must[api.Whoami](t)(h.With(k).Whoami(t.Context())).Scopes
		}
		if got := scopes(); !slices.Contains(got, "applications:create") {
			t.Errorf("as an admin: %v", got)
		}
		testkit.Must[api.ServiceAccount](t)(officer.EditServiceAccount(t.Context(), in, of.ID,
			api.UpdateServiceAccountRequest{Role: api.To(api.RoleMember)}))
		if got := scopes(); slices.Contains(got, "applications:create") ||
			!slices.Contains(got, "applications:read") {
			t.Errorf("as a member: %v", got)
		}
		_, err := h.With(k).CreateApplication(t.Context(), in, api.CreateApplicationRequest{Name: "Orders"})
		testkit.ExpectCode(t, "what a member may not", err, api.InsufficientScope)
		_, err = h.With(k).Account(t.Context(), string(h.Account.ID))
		if err == nil {
			t.Error("a service account reaches the account")
		}
	})
}

func TestAStewardSeesTheKeysOfAServiceAccountAndNothingElse(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", func(s *policy.Settings) { s.Visibility = policy.SeeOwn })
		in := string(tenant.ID)
		admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
		person := h.Member(tenant, "Steward", scope.Member)
		steward := h.As(person)
		of := testkit.ServiceAccount(t, admin, tenant, "Build", api.RoleMember, person)
		second := testkit.ServiceAccount(t, admin, tenant, "Second build", api.RoleMember, person)
		foreign := testkit.ServiceAccount(t, admin, tenant, "Not theirs", api.RoleMember)
		own := testkit.NamedKey(t, steward, tenant, "Own key", nil)
		var stewarded []string
		for _, s := range []api.ServiceAccount{of, second} {
			stewarded = append(stewarded, testkit.KeyOfServiceAccount(t, admin, tenant, s, "applications:read").Key.ID)
		}
		hidden := testkit.KeyOfServiceAccount(t, admin, tenant, foreign, "applications:read")
		list := func(f client.KeyFilter) (ids []string) {
			for k, err := range steward.AllKeys(t.Context(), in, f) {
				testkit.NoError(t, err)
				ids = append(ids, k.ID)
			}
			slices.Sort(ids)
			return ids
		}
		all := slices.Sorted(slices.Values(append(slices.Clone(stewarded), own.Key.ID)))
		if got := list(client.KeyFilter{}); !slices.Equal(got, all) {
			t.Errorf("a steward lists %v, want %v", got, all)
		}
		if got := list(client.KeyFilter{Query: "key"}); !slices.Equal(got, all) {
			t.Errorf("a steward searches %v, want %v", got, all)
		}
		if got := list(client.KeyFilter{Owner: "service_account:" + of.ID}); !slices.Equal(got, stewarded[:1]) {
			t.Errorf("a steward lists the keys of one service account: %v", got)
		}
		if got := list(client.KeyFilter{Owner: "service_account:" + foreign.ID}); len(got) > 0 {
			t.Errorf("a steward lists the keys of another's service account: %v", got)
		}
		if k := testkit.Must[api.Key](t)(steward.Key(t.Context(), in, stewarded[0])); k.KeyDetails == nil {
			t.Error("a steward sees less than the whole key")
		}
		_, err := steward.Key(t.Context(), in, hidden.Key.ID)
		testkit.ExpectCode(t, "a key of another service account", err, api.NotFound)
		for what, err := range map[string]error{
			"edits": testkit.ErrorOf(steward.EditKey(t.Context(), in, stewarded[0],
				api.UpdateKeyRequest{Name: api.To("Mine now")})),
			"refreshes": testkit.ErrorOf(steward.RefreshKey(t.Context(), in, stewarded[0],
				api.RefreshKeyRequest{})),
			"disables":                    testkit.ErrorOf(steward.DisableKey(t.Context(), in, stewarded[0])),
			"revokes":                     testkit.ErrorOf(steward.RevokeKey(t.Context(), in, stewarded[0], "")),
			"deletes":                     steward.DeleteKey(t.Context(), in, stewarded[0]),
			"lists":                       testkit.ErrorOf(steward.ServiceAccounts(t.Context(), in, client.Page{})),
			"shows":                       testkit.ErrorOf(steward.ServiceAccount(t.Context(), in, of.ID)),
			"deletes the service account": steward.DeleteServiceAccount(t.Context(), in, of.ID),
		} {
			testkit.ExpectCode(t, "a steward "+what, err, api.Forbidden)
		}
		testkit.NoError(t, admin.RemoveMember(t.Context(), in, string(person.ID)))
		h.Join(tenant, person, scope.Member)
		if got := list(client.KeyFilter{}); slices.Contains(got, stewarded[0]) {
			t.Errorf("back in the tenant a former steward lists %v", got)
		}
	})
}

// The rows of keys of an owner, whose first 10,000 hold a slot.
func manyKeysOf(tenant tenancy.Tenant, owner string) string {
	return fmt.Sprintf(`INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications,
		delivery, slot, created_at, updated_at, secret_set_at)
		SELECT 'key_%s_' || i, '%s', '%s', 'operator', 'Key', '', TRUE, 'direct',
		CASE WHEN i <= 10000 THEN i + 10 END, 1000000, 1000000, %d FROM n`, owner, tenant.ID, owner,
		time.Now().UnixMicro())
}

func TestAnOwnerOfManyKeysIsDisabledEnabledAndDeletedInShortWrites(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", nil)
		in := string(tenant.ID)
		c := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
		code := testkit.VerifyCode(t, h)
		of := testkit.ServiceAccount(t, c, tenant, "Fleet", api.RoleMember)
		k := testkit.KeyOfServiceAccount(t, c, tenant, of, "applications:read")
		const keys = 10 * tenancy.MaxEndedAtOnce
		testkit.InsertMany(t, h, keys, manyKeysOf(tenant, of.ID))
		written := func() int {
			return testkit.QueryInt(t, h, `SELECT COUNT(*) FROM keys WHERE owner_id = '`+of.ID+
				`' AND (updated_at > 1000000 OR disabled_at IS NOT NULL)`)
		}
		testkit.Must[api.ServiceAccount](t)(c.DisableServiceAccount(t.Context(), in, of.ID))
		if got := code(k); got != api.APIKeyDisabled || written() != 1 {
			t.Errorf("disabled: %s, and %d keys written", got, written())
		}
		testkit.Must[api.ServiceAccount](t)(c.EnableServiceAccount(t.Context(), in, of.ID))
		if got := code(k); got != api.OK || written() != 1 {
			t.Errorf("enabled: %s, and %d keys written", got, written())
		}
		testkit.NoError(t, c.DeleteServiceAccount(t.Context(), in, of.ID))
		if got := code(k); got != api.APIKeyRevoked {
			t.Errorf("deleted: %s", got)
		}
		if got := testkit.Must[api.Key](t)(c.Key(t.Context(), in, k.Key.ID)); got.Status != api.KeyRevoked {
			t.Errorf("deleted: the key is %s", got.Status)
		}
		testkit.Await(t, func() string {
			left := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM keys WHERE owner_id = '`+of.ID+
				`' AND (revoked_at IS NULL OR slot IS NOT NULL)`)
			return map[bool]string{true: "done"}[left == 0 && testkit.CountRows(t, h, "ended_owners") == 0]
		})
		swept := 0
		for _, r := range testkit.TenantRecords(t, h, tenant, "key.sweep") {
			n, _ := strconv.Atoi(r.Details["keys"])
			if n < 1 || n > tenancy.MaxEndedAtOnce || r.Actor.Type != "system" {
				t.Errorf("one sweep: %+v", r.Event)
			}
			swept += n
		}
		if swept != keys+1-tenancy.MaxEndedAtOnce {
			t.Errorf("%d keys swept", swept)
		}
		if got := code(k); got != api.APIKeyRevoked {
			t.Errorf("swept: %s", got)
		}
	})
}

func TestAMemberWithManyKeysLeavesAtOnceAndNoKeyComesBack(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", testkit.UnlimitedKeys)
		in := string(tenant.ID)
		admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
		person := h.Member(tenant, "Key Owner", scope.Member)
		code := testkit.VerifyCode(t, h)
		k := testkit.NamedKey(t, h.As(person), tenant, "A key", nil)
		testkit.InsertMany(t, h, 2*tenancy.MaxEndedAtOnce, manyKeysOf(tenant, string(person.ID)))
		testkit.Exec(t, h, `UPDATE keys SET created_at = created_at - 1000000 WHERE name = 'Key'`)
		if got := code(k); got != api.OK {
			t.Fatalf("before: %s", got)
		}
		testkit.NoError(t, admin.RemoveMember(t.Context(), in, string(person.ID)))
		if got := code(k); got != api.APIKeyRevoked {
			t.Errorf("at once: %s", got)
		}
		testkit.Await(t, func() string {
			err := h.Tenancy.AddMember(t.Context(), principal.Operator(), tenant, person, scope.Member)
			return map[bool]string{true: "joined"}[err == nil]
		})
		if left := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM keys WHERE owner_id = '`+string(person.ID)+
			`' AND revoked_at IS NULL`); left != 0 {
			t.Errorf("joined with %d keys", left)
		}
		if got := code(k); got != api.APIKeyRevoked {
			t.Errorf("joined again: %s", got)
		}
		testkit.NamedKey(t, h.As(person), tenant, "A new key", nil)
	})
}

func TestACapOfAServiceAccountIsNamedWithTheSettingThatRaisesIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerServiceAccount = 1 })
	c := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	of := testkit.ServiceAccount(t, c, tenant, "Build", api.RoleMember)
	testkit.KeyOfServiceAccount(t, c, tenant, of, "applications:read")
	n := api.CreateKeyRequest{
		Name: "One more", Owner: &api.KeyOwner{Type: api.PartyServiceAccount, ID: of.ID},
		Scopes: []string{"applications:read"}, AllApplications: true,
	}
	_, err := c.CreateKey(t.Context(), string(tenant.ID), n)
	if testkit.Code(t, err) != api.KeyLimitReached || !strings.Contains(err.Error(), "keys_per_service_account") {
		t.Errorf("beyond the cap: %v", err)
	}
	n.Owner.ID = testkit.ServiceAccount(t, c, tenant, "Other", api.RoleMember).ID
	testkit.Must[api.IssuedKey](t)(c.CreateKey(t.Context(), string(tenant.ID), n))
}

func TestATenantMayKeepKeysToPeople(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	in := string(tenant.ID)
	officer := h.As(h.AccountMember("Account Admin", scope.AccountAdmin))
	set := func(s api.SettingsPatch) (api.Settings, error) {
		t, err := officer.EditTenant(t.Context(), in, api.UpdateTenantRequest{Settings: &s})
		return t.Settings, err
	}
	got := testkit.Must[api.Settings](t)(set(api.SettingsPatch{
		Owners: api.To([]api.PartyType{api.PartyUser}), KeysPerSubject: api.To(5), KeysPerServiceAccount: api.To(7),
	}))
	if !slices.Equal(got.Owners, []api.PartyType{api.PartyUser}) || *got.KeysPerSubject != 5 ||
		*got.KeysPerServiceAccount != 7 {
		t.Errorf("set: %+v", got)
	}
	c := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	of := testkit.ServiceAccount(t, c, tenant, "Build", api.RoleMember)
	_, err := c.CreateKey(t.Context(), in, api.CreateKeyRequest{
		Name: "No key", Owner: &api.KeyOwner{Type: api.PartyServiceAccount, ID: of.ID},
		Scopes: []string{"applications:read"}, AllApplications: true,
	})
	if got := testkit.FieldErrors(t, err); got != "owner type_not_allowed" {
		t.Errorf("a key of a type that is not allowed: %q", got)
	}
	got = testkit.Must[api.Settings](t)(set(api.SettingsPatch{
		Owners: api.Cleared[[]api.PartyType](), KeysPerSubject: api.Cleared[int](),
	}))
	if len(got.Owners) != 3 || got.KeysPerSubject != nil {
		t.Errorf("cleared: %+v", got)
	}
	for want, s := range map[string]api.SettingsPatch{
		"settings.owners required":                {Owners: api.To([]api.PartyType{})},
		"settings.owners.0 unknown":               {Owners: api.To([]api.PartyType{"operator"})},
		"settings.keys_per_service_account range": {KeysPerServiceAccount: api.To(0)},
		"settings.keys_per_subject range":         {KeysPerSubject: api.To(10_001)},
	} {
		if _, err := set(s); testkit.FieldErrors(t, err) != want {
			t.Errorf("%q, want %q", testkit.FieldErrors(t, err), want)
		}
	}
}

func TestWhoWasShownASecretOfAServiceAccountIsListed(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	in := string(tenant.ID)
	person := h.Member(tenant, "Leaving Admin", scope.Admin)
	stays := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	of := testkit.ServiceAccount(t, stays, tenant, "Build", api.RoleMember)
	k := testkit.KeyOfServiceAccount(t, h.As(person), tenant, of, "applications:read")
	testkit.NoError(t, stays.RemoveMember(t.Context(), in, string(person.ID)))
	list := testkit.Must[api.List[api.Key]](t)(stays.Keys(t.Context(), in,
		client.KeyFilter{ShownTo: string(person.ID)}, client.Page{}))
	if len(list.Items) != 1 || list.Items[0].ID != k.Key.ID {
		t.Errorf("shown to the person who left: %+v", list.Items)
	}
	testkit.Must[api.IssuedKey](t)(stays.RefreshKey(t.Context(), in, k.Key.ID, api.RefreshKeyRequest{}))
	list = testkit.Must[api.List[api.Key]](t)(stays.Keys(t.Context(), in,
		client.KeyFilter{ShownTo: string(person.ID)}, client.Page{}))
	if len(list.Items) != 0 {
		t.Errorf("after a refresh: %+v", list.Items)
	}
}

func TestKeyHealthNamesServiceAccountsWithoutASteward(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", nil)
		in := string(tenant.ID)
		c := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
		person := h.Member(tenant, "Steward", scope.Member)
		with := testkit.KeyOfServiceAccount(t, c, tenant,
			testkit.ServiceAccount(t, c, tenant, "Build", api.RoleMember, person), "applications:read")
		without := testkit.KeyOfServiceAccount(t, c, tenant,
			testkit.ServiceAccount(t, c, tenant, "Orphan", api.RoleMember), "applications:read")
		expect := func(want ...string) {
			t.Helper()
			list := testkit.Must[api.KeyHealthList](t)(c.KeyHealth(t.Context(), in, client.Page{}))
			var found []string
			for _, k := range list.Items {
				if slices.Contains(k.Findings, api.FindingNoSteward) {
					found = append(found, k.Key.ID)
				}
			}
			slices.Sort(found)
			slices.Sort(want)
			counted := 0
			for _, f := range list.Summary.Findings {
				if f.Finding == api.FindingNoSteward {
					counted = f.Keys
				}
			}
			if !slices.Equal(found, want) || counted != len(want) {
				t.Errorf("without a steward are %v, counted %d, want %v", found, counted, want)
			}
		}
		expect(without.Key.ID)
		testkit.Must[api.Member](t)(c.EditMember(t.Context(), in, string(person.ID),
			api.UpdateMemberRequest{Status: api.To(api.StatusDisabled)}))
		expect(without.Key.ID, with.Key.ID)
	})
}
