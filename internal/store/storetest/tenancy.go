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

var tenancyGuarantees = []guarantee{
	{"every noun is numbered on its own, without gap", everyNounIsNumbered},
	{"a tenant comes back as inserted, whatever its settings", aTenantComesBack},
	{"an unknown tenant is not found, by whatever way", anUnknownTenantIsNotFound},
	{"a tenant's rules are its account's, in the order in which they were made", rulesComeInOrder},
	{"a tenant's catalogue holds its own scopes, with their roles", theCatalogueHoldsOwnScopes},
	{"a tenant is open while neither it nor its account is disabled", aTenantIsOpen},
	{"an account lists its own tenants", anAccountListsItsTenants},
	{"a standing is one role, the last one given", aStandingIsOneRole},
	{"a disabled owner is an owner still", aDisabledOwnerIsAnOwnerStill},
	{"a person joins a tenant once", aPersonJoinsOnce},
}

func everyNounIsNumbered(h *house) {
	var got []string
	for range 2 {
		owner := h.person() // users 1 and 2
		a, err := h.services().tenancy.CreateAccount(h.Context(), principal.Operator(), "An account", owner, true)
		h.must(err)
		t := h.tenant(a.ID, nil)
		got = append(got, fmt.Sprint("account ", a.Number, ", tenant ", t.Number, ", application ", h.application(t).Number))
	}
	if want := []string{"account 1, tenant 1, application 1", "account 2, tenant 2, application 2"}; !slices.Equal(got, want) {
		h.Errorf("numbers: %v, want %v", got, want)
	}
	want := []string{"1|1", "2|2"}
	if got := h.rows(`SELECT a.number, t.number FROM accounts a JOIN tenants t ON t.account_id = a.id ORDER BY a.number`); !slices.Equal(got, want) {
		h.Errorf("stored numbers: %v, want %v", got, want)
	}
}

// inserted puts a tenant with the settings into the account.
func (h *house) inserted(account ident.AccountID, preset policy.Preset, s policy.Settings) tenancy.Tenant {
	h.Helper()
	now := h.clock.Now()
	t := tenancy.Tenant{
		ID: ident.New[ident.TenantID](now, h.random), Account: account, Name: "Ünïcode & <markup> '\"", Preset: preset, Settings: s, CreatedAt: now, UpdatedAt: now,
	}
	h.in(func(ctx context.Context, tx *store.Tx) (err error) {
		t.Number, err = tx.InsertTenant(ctx, t)
		return err
	})
	return t
}

func aTenantComesBack(h *house) {
	account, _ := h.account()
	check := func(preset policy.Preset, s policy.Settings) {
		want := h.inserted(account.ID, preset, s)
		got, err := h.store.Tenant(h.Context(), want.ID)
		h.must(err)
		if diff := cmp.Diff(want, got); diff != "" {
			h.Errorf("%s came back otherwise:\n%s", preset, diff)
		}
	}
	for _, preset := range []policy.Preset{policy.Standard, policy.BlazeMeter, policy.LoadRunner, policy.Blazeauth, policy.Blancco} {
		s, err := preset.Settings()
		h.must(err)
		check(preset, s)
	}
	check(policy.Standard, policy.Settings{})
	check(policy.Standard, policy.Settings{KeysPerUser: 7, AdminRefresh: true, IdleDays: 30, RequestsPerMinute: 60, DefaultScopes: []scope.Scope{"a:b", "c:d"}})
}

func anUnknownTenantIsNotFound(h *house) {
	h.aTenant(0)
	ctx, unknown := h.Context(), ident.TenantID("ten_unknown")
	_, tenant := h.store.Tenant(ctx, unknown)
	_, rules := h.store.TenantRules(ctx, unknown)
	_, facts := h.store.TenantFacts(ctx, unknown)
	account := h.write(changing(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.LockAccount(ctx, "acc_unknown")
		return err
	}))
	inChange := h.write(func(ctx context.Context, tx *store.Tx) (audit.Event, error) {
		_, err := tx.TenantRules(ctx, unknown)
		return event(audit.ActionNoticeRetry), err
	})
	for way, err := range map[string]error{"Tenant": tenant, "TenantRules": rules, "TenantFacts": facts, "TenantRules in a change": inChange, "LockAccount": account} {
		if !errors.Is(err, fault.NotFound) {
			h.Errorf("%s: %v, want not found", way, err)
		}
	}
}

// bothRules gives the rules of a tenant as read outside and inside of a change, which must be the same.
func (h *house) bothRules(id ident.TenantID) (rules policy.Tenant) {
	h.Helper()
	outside, err := h.store.TenantRules(h.Context(), id)
	h.must(err)
	h.in(func(ctx context.Context, tx *store.Tx) error {
		rules, err = tx.TenantRules(ctx, id)
		return err
	})
	if diff := cmp.Diff(outside, rules, cmp.AllowUnexported(scope.Catalogue{})); diff != "" {
		h.Errorf("rules outside (-) and inside (+) of a change:\n%s", diff)
	}
	return rules
}

func rulesComeInOrder(h *house) {
	first, _ := h.account()
	second, _ := h.account()
	t := h.tenant(first.ID, nil)
	since := h.clock.Now()
	want := policy.Policy{Sessions: policy.Sessions{Idle: 15 * time.Minute, Absolute: 8 * time.Hour}}
	for i, reason := range []policy.Reason{policy.ByAutoExpiry, policy.ByMaxLifetime, policy.ByAutoExpiry} {
		r := policy.Rule{Reason: reason, Days: 90 - i, Since: since.Add(-time.Duration(i) * policy.Day)}
		if i == 1 {
			r.Until = h.later(time.Hour)
		}
		want.Rules = append(want.Rules, r)
		other := policy.Policy{Rules: []policy.Rule{{Reason: reason, Days: 1, Since: since}}}
		h.in(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.SetPolicy(ctx, first.ID, want), tx.SetPolicy(ctx, second.ID, other))
		})
	}
	got := h.bothRules(t.ID)
	kept, err := h.store.Policy(h.Context(), first.ID)
	h.must(err)
	if diff := cmp.Diff(want, kept); diff != "" || !cmp.Equal(want.Rules, got.Rules) {
		h.Errorf("the policy came back otherwise:\n%s", diff)
	}
	if got.ID != t.ID || got.Account != first.ID || !cmp.Equal(got.Settings, t.Settings) {
		h.Errorf("the rules are of %s in %s with %+v", got.ID, got.Account, got.Settings)
	}
}

func theCatalogueHoldsOwnScopes(h *house) {
	account, _ := h.account()
	t, other := h.tenant(account.ID, nil), h.tenant(account.ID, nil)
	own := []scope.Entry{
		{Name: "films:delete", Description: "Delete films.", Roles: []scope.Role{scope.Admin}},
		{Name: "films:read", Description: "Read films.", Roles: []scope.Role{scope.Admin, scope.Auditor, scope.Member}},
		{Name: "reports:export", Roles: []scope.Role{scope.Auditor}},
	}
	for _, e := range own {
		h.sql(`INSERT INTO scopes (tenant_id, name, description) VALUES ($1, $2, $3)`, t.ID, string(e.Name), e.Description)
		for _, role := range e.Roles {
			h.sql(`INSERT INTO scope_roles (tenant_id, name, role) VALUES ($1, $2, $3)`, t.ID, string(e.Name), string(role))
		}
	}
	if diff := cmp.Diff(scope.NewCatalogue(own).Entries(), h.bothRules(t.ID).Catalogue.Entries()); diff != "" {
		h.Errorf("the catalogue came back otherwise:\n%s", diff)
	}
	if diff := cmp.Diff(scope.NewCatalogue(nil).Entries(), h.bothRules(other.ID).Catalogue.Entries()); diff != "" {
		h.Errorf("another tenant's catalogue:\n%s", diff)
	}
}

func aTenantIsOpen(h *house) {
	t := h.aTenant(0)
	h.aTenant(0)
	for _, c := range []struct {
		table, id string
	}{{"tenants", string(t.ID)}, {"accounts", string(t.Account)}} {
		for _, disabled := range []bool{false, true, false} {
			at := map[bool]string{false: "NULL", true: "1"}[disabled]
			h.sql(`UPDATE `+c.table+` SET disabled_at = `+at+` WHERE id = $1`, c.id)
			if got := h.bothRules(t.ID).Open; got == disabled {
				h.Errorf("with %s disabled: %t the tenant is open: %t", c.table, disabled, got)
			}
		}
	}
	h.sql(`UPDATE tenants SET disabled_at = 1 WHERE id = $1`, t.ID)
	if got, err := h.store.Tenant(h.Context(), t.ID); err != nil || !got.Disabled {
		h.Errorf("a disabled tenant comes back as a live one (%v)", err)
	}
}

func anAccountListsItsTenants(h *house) {
	account, _ := h.account()
	other := h.aTenant(0)
	want := []ident.TenantID{h.tenant(account.ID, nil).ID, h.tenant(account.ID, nil).ID}
	slices.Sort(want)
	for id, want := range map[ident.AccountID][]ident.TenantID{account.ID: want, other.Account: {other.ID}, "acc_unknown": nil} {
		h.in(func(ctx context.Context, tx *store.Tx) error {
			got, err := tx.LockTenantsOf(ctx, id)
			if !slices.Equal(got, want) {
				h.Errorf("%s has %v, want %v", id, got, want)
			}
			return err
		})
	}
}

func aStandingIsOneRole(h *house) {
	account, owner := h.account()
	p := h.person()
	for _, role := range []scope.AccountRole{scope.AccountAdmin, scope.AccountOwner, scope.AccountAdmin} {
		h.in(func(ctx context.Context, tx *store.Tx) error {
			return tx.SetStanding(ctx, account.ID, p.ID, role, h.clock.Now())
		})
		want := []string{string(p.ID) + "|" + string(role), string(owner.ID) + "|owner"}
		slices.Sort(want)
		if got := h.rows(`SELECT user_id, role FROM account_members ORDER BY user_id`); !slices.Equal(got, want) {
			h.Errorf("standings are %v, want %v", got, want)
		}
	}
}

func aDisabledOwnerIsAnOwnerStill(h *house) {
	account, owner := h.account()
	s := h.services().tenancy
	var others []principal.Person
	for _, role := range []scope.AccountRole{scope.AccountAdmin, scope.AccountOwner} {
		p := h.person()
		_, err := s.SetStanding(h.Context(), principal.Operator(), account.ID, p.ID, role)
		h.must(err)
		others = append(others, p)
	}
	admin, second := h.as(others[0]), h.as(others[1])
	h.sql(`UPDATE users SET disabled_at = 1 WHERE id = $1`, owner.ID)
	before := h.dump()
	_, lowered := s.SetStanding(h.Context(), admin, account.ID, owner.ID, scope.AccountAdmin)
	removed := s.RemoveStanding(h.Context(), admin, account.ID, owner.ID)
	for what, err := range map[string]error{"lowered": lowered, "removed": removed} {
		if fault.KindOf(err) != fault.Forbidden {
			h.Errorf("%s by an admin: %v, want forbidden", what, err)
		}
	}
	if err := s.RemoveStanding(h.Context(), second, account.ID, others[1].ID); fault.KindOf(err) != fault.Conflict {
		h.Errorf("the last live owner leaves: %v, want conflict", err)
	}
	h.unchanged(before)
	o, err := s.SetStanding(h.Context(), second, account.ID, owner.ID, scope.AccountAdmin)
	if err != nil || !o.Disabled || o.User != owner {
		h.Errorf("lowered by an owner they are %+v (%v)", o, err)
	}
}

func aPersonJoinsOnce(h *house) {
	t := h.aTenant(0)
	p := h.member(t, scope.Member)
	before := h.dump()
	err := h.services().tenancy.AddMember(h.Context(), principal.Operator(), t, p, scope.Admin)
	if fault.KindOf(err) != fault.Conflict {
		h.Errorf("joining again: %v, want conflict", err)
	}
	h.unchanged(before)
	gone := h.person()
	h.sql(`UPDATE users SET deleted_at = 1 WHERE id = $1`, gone.ID)
	if err := h.services().tenancy.AddMember(h.Context(), principal.Operator(), t, gone, scope.Member); fault.KindOf(err) != fault.NotFound {
		h.Errorf("someone who was deleted joins: %v, want not found", err)
	}
}
