package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/usage"
)

var ageCases = []testCase{
	{
		"keys are found by how long ago their secret was set or they expired, unless they are revoked or forgotten",
		oldKeysAreFound,
	},
	{"keys are found by when their previous secret was to end", oldPreviousSecretsAreFound},
	{"a forgotten key keeps nothing that proves it, and no slot", aForgottenKeyProvesNothing},
	{"keys are found by their last sign of life, in tenants that ask for it", idleKeysAreFound},
	{"the rules of all accounts come in order", allPoliciesComeInOrder},
}

func oldKeysAreFound(fx *fixture) {
	t, elsewhere := fx.tenantWithCap(0), fx.tenantWithCap(0)
	at := fx.clock.Now().UnixMicro()
	var old key.Ref
	for i, c := range []string{
		"", "secret_set_at = secret_set_at + 1, expires_at = expires_at + 1", "revoked_at = 1",
		"forgotten_at = 1", "secret_set_at = NULL, expires_at = NULL",
	} {
		k, s := fx.newKey(t, fx.member(t, scope.Member), 1)
		fx.insertKey(k, s)
		fx.exec(`UPDATE keys SET secret_set_at = $2, expires_at = $2 WHERE id = $1`, k.ID, at)
		if i == 0 {
			old = key.Ref{Tenant: t.ID, Key: k.ID}
		} else {
			fx.exec(`UPDATE keys SET `+c+` WHERE id = $1`, k.ID)
		}
	}
	for name, c := range map[string]struct {
		find func(time.Time) ([]key.Ref, error)
		want []key.Ref
	}{
		"expired": {func(by time.Time) ([]key.Ref, error) {
			return fx.store.KeysExpiredBy(fx.Context(), by)
		}, []key.Ref{old}},
		"set": {func(by time.Time) ([]key.Ref, error) {
			return fx.store.KeysSetBy(fx.Context(), t.Account, by)
		}, []key.Ref{old}},
		"set in another account": {func(by time.Time) ([]key.Ref, error) {
			return fx.store.KeysSetBy(fx.Context(), elsewhere.Account, by)
		}, nil},
	} {
		for by, want := range map[time.Duration][]key.Ref{0: c.want, -time.Microsecond: nil} {
			if got, err := c.find(fx.after(by)); err != nil || !slices.Equal(got, want) {
				fx.Errorf("%s by %s from now: %v (%v), want %v", name, by, got, err, want)
			}
		}
	}
}

func oldPreviousSecretsAreFound(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, s := fx.newKey(t, fx.member(t, scope.Member), 1)
	fx.insertKey(k, s)
	fx.insertPrevious(k, "before")
	for by, want := range map[time.Duration][]key.Ref{
		time.Hour:                    {{Tenant: t.ID, Key: k.ID}},
		time.Hour - time.Microsecond: nil,
	} {
		if got, err := fx.store.KeysWithPreviousEndedBy(fx.Context(), fx.after(by)); err != nil || !slices.Equal(got,
			want) {
			fx.Errorf("over by %s from now: %v (%v), want %v", by, got, err, want)
		}
	}
}

func aForgottenKeyProvesNothing(fx *fixture) {
	t := fx.tenantWithCap(0)
	k, s := fx.newKey(t, fx.member(t, scope.Member), 1)
	fx.insertKey(k, s)
	fx.insertPrevious(k, "before")
	fx.exec(`UPDATE key_secrets SET copy = $1, copy_version = 1`, []byte("copy"))
	at := fx.after(time.Hour)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.ForgetDigests(ctx, k.ID, at) })
	if got := fx.queryRows(`SELECT digest, digest_version, copy, copy_version FROM key_secrets`); !slices.Equal(got,
		[]string{"-|-|-|-", "-|-|-|-"}) {
		fx.Errorf("of the secrets is stored %v", got)
	}
	got, err := fx.store.Key(fx.Context(), t.ID, k.ID)
	fx.must(err)
	if !got.ForgottenAt.Equal(at) || got.Slot != 0 || len(fx.facts(k.Lookups[0]).Secrets) > 0 {
		fx.Errorf("the key is %+v", got)
	}
}

func idleKeysAreFound(fx *fixture) {
	account, _ := fx.account()
	fx.tenant(account.ID, nil)
	t := fx.tenant(account.ID, func(s *policy.Settings) { s.IdleDays = 30 })
	if tenants, err := fx.store.IdleTenants(fx.Context()); err != nil || !slices.Equal(tenants,
		[]ident.TenantID{t.ID}) ||
		t.IdleSince.IsZero() {
		fx.Errorf("the tenants are %v (%v), since %v", tenants, err, t.IdleSince)
	}
	if rules := fx.tenantRules(t.ID); !rules.IdleSince.Equal(t.IdleSince) {
		fx.Errorf("idle since %v, want %v", rules.IdleSince, t.IdleSince)
	}
	at := fx.clock.Now()
	var idle []key.SlotHolder
	for i, c := range []string{
		"", "enabled_at = secret_set_at", "enabled_at = secret_set_at + 1", "disabled_at = 1", "secret_set_at = NULL",
		"secret_set_at = secret_set_at + 1", "revoked_at = 1", "forgotten_at = 1",
	} {
		k, s := fx.newKey(t, fx.member(t, scope.Member), 1)
		k.SecretSetAt = at
		fx.insertKey(k, s)
		if i < 2 {
			idle = append(idle, key.SlotHolder{Key: k.ID, Slot: 1, ExpiresAt: k.ExpiresAt, SecretSetAt: at})
		}
		if c != "" {
			fx.exec(`UPDATE keys SET `+c+` WHERE id = $1`, k.ID)
		}
	}
	slices.SortFunc(idle, func(a, b key.SlotHolder) int { return strings.Compare(string(a.Key), string(b.Key)) })
	find := func(since time.Time, after key.SlotHolder, want ...key.SlotHolder) {
		fx.Helper()
		got, last, err := fx.store.IdleKeys(fx.Context(), t.ID, since,
			key.Position{At: after.SecretSetAt, Key: after.Key})
		if err != nil || last != nil || !slices.Equal(got, want) {
			fx.Errorf("since %v after %v: %v until %v (%v), want %v", since, after, got, last, err, want)
		}
	}
	find(at, key.SlotHolder{}, idle...)
	find(at, idle[0], idle[1])
	find(at.Add(-time.Microsecond), key.SlotHolder{})
	fx.recordUses(usage.Use{Key: idle[0].Key, At: at.Add(time.Microsecond)}, usage.Use{Key: idle[1].Key, At: at})
	find(at, key.SlotHolder{}, idle[1])
}

func allPoliciesComeInOrder(fx *fixture) {
	first, _ := fx.account()
	second, _ := fx.account()
	p := policy.InitialPolicy(true, fx.clock.Now())
	p.Rules = policy.Revise(p.Rules, policy.ByAutoExpiry, 0, fx.after(120*policy.Day))
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.SetPolicy(ctx, first.ID, p) })
	all, err := fx.store.Policies(fx.Context())
	fx.must(err)
	if !slices.Equal(all[first.ID], p.Rules) || len(all[second.ID]) == 0 || len(all) != 2 {
		fx.Errorf("the rules are %v", all)
	}
}
