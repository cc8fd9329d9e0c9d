package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var tenancyCases = []testCase{
	{"every noun is numbered on its own, without gap", everyNounIsNumbered},
	{"a tenant comes back as inserted, whatever its settings", aTenantComesBack},
	{"an unknown tenant is not found, by whatever way", anUnknownTenantIsNotFound},
	{"tenants are found by their whole name, on all of the server", tenantsAreFoundByName},
	{"a tenant's rules are its account's, in the order in which they were made", rulesComeInOrder},
	{"a tenant's catalogue holds its own scopes, with their roles", theCatalogueHoldsOwnScopes},
	{"a tenant is open while neither it nor its account is disabled", aTenantIsOpen},
	{"an account lists its own tenants", anAccountListsItsTenants},
	{"a standing is one role, the last one given", anAccountMemberHasOneRole},
	{"a disabled owner is an owner still", aDisabledOwnerIsAnOwnerStill},
	{"a person joins a tenant once", aPersonJoinsOnce},
	{"the members of a tenant are counted up to a number", membersAreCounted},
}

func tenantsAreFoundByName(fx *fixture) {
	one := fx.tenantWithCap(0)
	fx.clock.move(time.Second)
	other := fx.tenantWithCap(0)
	for name, want := range map[string]int{one.Name: 2, "A": 0, "a tenant": 0, "%": 0, "": 0} {
		found, err := fx.store.TenantsNamed(fx.Context(), name, 10)
		fx.must(err)
		if len(found) != want {
			fx.Errorf("%q is the name of %d tenants, want %d", name, len(found), want)
		}
	}
	found, err := fx.store.TenantsNamed(fx.Context(), one.Name, 10)
	fx.must(err)
	if diff := cmp.Diff([]tenancy.Tenant{one, other}, found); diff != "" {
		fx.Errorf("the tenants are otherwise:\n%s", diff)
	}
	found, err = fx.store.TenantsNamed(fx.Context(), one.Name, 1)
	if err != nil || len(found) != 1 {
		fx.Errorf("of one at most: %d (%v)", len(found), err)
	}
}

func everyNounIsNumbered(fx *fixture) {
	var got []string
	for range 2 {
		owner := fx.person() // users 1 and 2
		a, err := fx.services().accounts.CreateAccount(fx.Context(), principal.Operator(), "An account", owner, true)
		fx.must(err)
		t := fx.tenant(a.ID, nil)
		got = append(got,
			fmt.Sprint("account ", a.Number, ", tenant ", t.Number, ", application ", fx.application(t).Number))
	}
	if want := []string{"account 1, tenant 1, application 1", "account 2, tenant 2, application 2"}; !slices.Equal(got,
		want) {
		fx.Errorf("numbers: %v, want %v", got, want)
	}
	want := []string{"1|1", "2|2"}
	if got := fx.queryRows(`SELECT a.number, t.number FROM accounts a JOIN tenants t ON t.account_id = a.id
		ORDER BY a.number`); !slices.Equal(got, want) {
		fx.Errorf("stored numbers: %v, want %v", got, want)
	}
}

// insertTenant inserts a tenant with the settings into the account.
func (fx *fixture) insertTenant(account ident.AccountID, preset policy.Preset, s policy.Settings) tenancy.Tenant {
	fx.Helper()
	now := fx.clock.Now()
	t := tenancy.Tenant{
		ID: ident.New[ident.TenantID](now, fx.random), Account: account, Name: "Ünïcode & <markup> '\"", Preset: preset,
		Settings: s, CreatedAt: now, UpdatedAt: now,
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) (err error) {
		t.Number, err = tx.InsertTenant(ctx, t)
		return err
	})
	return t
}

func aTenantComesBack(fx *fixture) {
	account, _ := fx.account()
	check := func(preset policy.Preset, s policy.Settings) {
		want := fx.insertTenant(account.ID, preset, s)
		got, err := fx.store.Tenant(fx.Context(), want.ID)
		fx.must(err)
		if diff := cmp.Diff(want, got); diff != "" {
			fx.Errorf("%s came back otherwise:\n%s", preset, diff)
		}
	}
	for _, preset := range []policy.Preset{
		policy.Standard, policy.BlazeMeter, policy.LoadRunner, policy.Blazeauth,
		policy.Blancco,
	} {
		s, err := preset.Settings()
		fx.must(err)
		check(preset, s)
	}
	check(policy.Standard, policy.Settings{})
	check(policy.Standard, policy.Settings{
		KeysPerUser: 7, AdminRefresh: true, IdleDays: 30, RequestsPerMinute: 60, VerifyRequestsPerMinute: 600,
		VerifyRequires: []policy.VerifyField{"ip"}, DefaultScopes: []scope.Scope{"a:b", "c:d"},
	})
}

func anUnknownTenantIsNotFound(fx *fixture) {
	fx.tenantWithCap(0)
	ctx, unknown := fx.Context(), ident.TenantID("ten_unknown")
	_, tenant := fx.store.Tenant(ctx, unknown)
	_, rules := fx.store.TenantRules(ctx, unknown)
	_, facts := fx.store.TenantFacts(ctx, unknown)
	account := fx.write(asChange(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.LockAccount(ctx, "acc_unknown")
		return err
	}))
	inChange := fx.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		_, err := tx.TenantRules(ctx, unknown)
		return event(audit.ActionNoticeRetry), err
	})
	for way, err := range map[string]error{
		"Tenant": tenant, "TenantRules": rules, "TenantFacts": facts,
		"TenantRules in a change": inChange, "LockAccount": account,
	} {
		if !errors.Is(err, fault.NotFound) {
			fx.Errorf("%s: %v, want not found", way, err)
		}
	}
}

// tenantRules returns the rules of a tenant. It checks that a change reads the same rules.
func (fx *fixture) tenantRules(id ident.TenantID) (rules policy.Tenant) {
	fx.Helper()
	outside, err := fx.store.TenantRules(fx.Context(), id)
	fx.must(err)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		rules, err = tx.TenantRules(ctx, id)
		return err
	})
	if diff := cmp.Diff(outside, rules, cmp.AllowUnexported(scope.Catalogue{})); diff != "" {
		fx.Errorf("rules outside (-) and inside (+) of a change:\n%s", diff)
	}
	return rules
}

func rulesComeInOrder(fx *fixture) {
	first, _ := fx.account()
	second, _ := fx.account()
	t := fx.tenant(first.ID, nil)
	since := fx.clock.Now()
	want := policy.Policy{Sessions: policy.Sessions{Idle: 15 * time.Minute, Absolute: 8 * time.Hour}}
	for i, reason := range []policy.Reason{policy.ByAutoExpiry, policy.ByMaxLifetime, policy.ByAutoExpiry} {
		r := policy.Rule{Reason: reason, Days: 90 - i, Since: since.Add(-time.Duration(i) * policy.Day)}
		if i == 1 {
			r.Until = fx.after(time.Hour)
		}
		want.Rules = append(want.Rules, r)
		other := policy.Policy{Rules: []policy.Rule{{Reason: reason, Days: 1, Since: since}}}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.SetPolicy(ctx, first.ID, want), tx.SetPolicy(ctx, second.ID, other))
		})
	}
	got := fx.tenantRules(t.ID)
	kept, err := fx.store.Policy(fx.Context(), first.ID)
	fx.must(err)
	if diff := cmp.Diff(want, kept); diff != "" || !cmp.Equal(want.Rules, got.Rules) {
		fx.Errorf("the policy came back otherwise:\n%s", diff)
	}
	if got.ID != t.ID || got.Account != first.ID || !cmp.Equal(got.Settings, t.Settings) {
		fx.Errorf("the rules are of %s in %s with %+v", got.ID, got.Account, got.Settings)
	}
}

func theCatalogueHoldsOwnScopes(fx *fixture) {
	account, _ := fx.account()
	t, other := fx.tenant(account.ID, nil), fx.tenant(account.ID, nil)
	own := []scope.Entry{
		{Name: "films:delete", Description: "Delete films.", Roles: []scope.Role{scope.Admin}},
		{Name: "films:read", Description: "Read films.", Roles: []scope.Role{scope.Admin, scope.Auditor, scope.Member}},
		{Name: "reports:export", Roles: []scope.Role{scope.Auditor}},
	}
	for _, e := range own {
		fx.exec(`INSERT INTO scopes (tenant_id, name, description) VALUES ($1, $2, $3)`, t.ID, string(e.Name),
			e.Description)
		for _, role := range e.Roles {
			fx.exec(`INSERT INTO scope_roles (tenant_id, name, role) VALUES ($1, $2, $3)`, t.ID, string(e.Name),
				string(role))
		}
	}
	if diff := cmp.Diff(scope.NewCatalogue(own).Entries(), fx.tenantRules(t.ID).Catalogue.Entries()); diff != "" {
		fx.Errorf("the catalogue came back otherwise:\n%s", diff)
	}
	if diff := cmp.Diff(scope.NewCatalogue(nil).Entries(), fx.tenantRules(other.ID).Catalogue.Entries()); diff != "" {
		fx.Errorf("another tenant's catalogue:\n%s", diff)
	}
}

func aTenantIsOpen(fx *fixture) {
	t := fx.tenantWithCap(0)
	fx.tenantWithCap(0)
	for _, c := range []struct {
		table, id string
	}{{"tenants", string(t.ID)}, {"accounts", string(t.Account)}} {
		for _, disabled := range []bool{false, true, false} {
			at := map[bool]string{false: "NULL", true: "1"}[disabled]
			fx.exec(`UPDATE `+c.table+` SET disabled_at = `+at+` WHERE id = $1`, c.id)
			if got := fx.tenantRules(t.ID).Active; got == disabled {
				fx.Errorf("with %s disabled: %t the tenant is open: %t", c.table, disabled, got)
			}
		}
	}
	fx.exec(`UPDATE tenants SET disabled_at = 1 WHERE id = $1`, t.ID)
	if got, err := fx.store.Tenant(fx.Context(), t.ID); err != nil || !got.Disabled {
		fx.Errorf("a disabled tenant comes back as a live one (%v)", err)
	}
}

func anAccountListsItsTenants(fx *fixture) {
	account, _ := fx.account()
	other := fx.tenantWithCap(0)
	want := []ident.TenantID{fx.tenant(account.ID, nil).ID, fx.tenant(account.ID, nil).ID}
	slices.Sort(want)
	for id, want := range map[ident.AccountID][]ident.TenantID{
		account.ID: want, other.Account: {other.ID},
		"acc_unknown": nil,
	} {
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			got, err := tx.LockTenantsOf(ctx, id)
			if !slices.Equal(got, want) {
				fx.Errorf("%s has %v, want %v", id, got, want)
			}
			return err
		})
	}
}

func anAccountMemberHasOneRole(fx *fixture) {
	account, owner := fx.account()
	p := fx.person()
	for _, role := range []scope.AccountRole{scope.AccountAdmin, scope.AccountOwner, scope.AccountAdmin} {
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			return tx.SetAccountMember(ctx, account.ID, p.ID, role, fx.clock.Now())
		})
		want := []string{string(p.ID) + "|" + string(role), string(owner.ID) + "|owner"}
		slices.Sort(want)
		if got := fx.queryRows(`SELECT user_id, role FROM account_members ORDER BY user_id`); !slices.Equal(got, want) {
			fx.Errorf("standings are %v, want %v", got, want)
		}
	}
}

func aDisabledOwnerIsAnOwnerStill(fx *fixture) {
	account, owner := fx.account()
	s := fx.services().accounts
	var others []principal.Person
	for _, role := range []scope.AccountRole{scope.AccountAdmin, scope.AccountOwner} {
		p := fx.person()
		_, err := s.SetAccountMember(fx.Context(), principal.Operator(), account.ID, p.ID, role, "")
		fx.must(err)
		others = append(others, p)
	}
	admin, second := fx.signIn(others[0]), fx.signIn(others[1])
	fx.exec(`UPDATE users SET disabled_at = 1 WHERE id = $1`, owner.ID)
	before := fx.dump()
	_, lowered := s.SetAccountMember(fx.Context(), admin, account.ID, owner.ID, scope.AccountAdmin, "")
	removed := s.RemoveAccountMember(fx.Context(), admin, account.ID, owner.ID)
	for what, err := range map[string]error{"lowered": lowered, "removed": removed} {
		if fault.KindOf(err) != fault.Forbidden {
			fx.Errorf("%s by an admin: %v, want forbidden", what, err)
		}
	}
	if err := s.RemoveAccountMember(fx.Context(), second, account.ID,
		others[1].ID); fault.KindOf(err) != fault.Conflict {
		fx.Errorf("the last live owner leaves: %v, want conflict", err)
	}
	fx.isUnchanged(before)
	o, err := s.SetAccountMember(fx.Context(), second, account.ID, owner.ID, scope.AccountAdmin, "")
	if err != nil || !o.Disabled || o.User != owner {
		fx.Errorf("lowered by an owner they are %+v (%v)", o, err)
	}
}

func aPersonJoinsOnce(fx *fixture) {
	t := fx.tenantWithCap(0)
	p := fx.member(t, scope.Member)
	before := fx.dump()
	err := fx.services().tenancy.AddMember(fx.Context(), principal.Operator(), t, p, scope.Admin)
	if fault.KindOf(err) != fault.Conflict {
		fx.Errorf("joining again: %v, want conflict", err)
	}
	fx.isUnchanged(before)
	gone := fx.person()
	fx.exec(`UPDATE users SET deleted_at = 1 WHERE id = $1`, gone.ID)
	if err := fx.services().tenancy.AddMember(fx.Context(), principal.Operator(), t, gone,
		scope.Member); fault.KindOf(err) != fault.NotFound {
		fx.Errorf("someone who was deleted joins: %v, want not found", err)
	}
}

func membersAreCounted(fx *fixture) {
	t, other := fx.tenantWithCap(0), fx.tenantWithCap(0)
	for range 3 {
		fx.member(t, scope.Member)
	}
	for _, c := range []struct {
		tenant     ident.TenantID
		most, want int
	}{{t.ID, 10, 3}, {t.ID, 3, 3}, {t.ID, 2, 2}, {other.ID, 10, 0}, {"ten_unknown", 10, 0}} {
		n, err := fx.store.CountMembers(fx.Context(), c.tenant, c.most)
		if err != nil || n != c.want {
			fx.Errorf("%s has %d of at most %d members (%v), want %d", c.tenant, n, c.most, err, c.want)
		}
	}
}
