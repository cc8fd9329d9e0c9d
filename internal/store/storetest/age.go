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
	"github.com/claviger-dev/claviger/internal/verify"
)

var ageGuarantees = []guarantee{
	{"keys are found by how long ago their secret was set or they expired, unless they are revoked or forgotten", oldKeysAreFound},
	{"keys are found by when their previous secret was to end", oldPreviousSecretsAreFound},
	{"a forgotten key keeps nothing that proves it, and no slot", aForgottenKeyProvesNothing},
	{"keys are found by their last sign of life, in tenants that ask for it", idleKeysAreFound},
	{"the rules of all accounts come in order", allPoliciesComeInOrder},
}

func oldKeysAreFound(h *house) {
	t, elsewhere := h.aTenant(0), h.aTenant(0)
	at := h.clock.Now().UnixMicro()
	var old key.Ref
	for i, c := range []string{"", "secret_set_at = secret_set_at + 1, expires_at = expires_at + 1", "revoked_at = 1", "forgotten_at = 1", "secret_set_at = NULL, expires_at = NULL"} {
		k, s := h.stored(t, h.member(t, scope.Member), 1)
		h.insert(k, s)
		h.sql(`UPDATE keys SET secret_set_at = $2, expires_at = $2 WHERE id = $1`, k.ID, at)
		if i == 0 {
			old = key.Ref{Tenant: t.ID, Key: k.ID}
		} else {
			h.sql(`UPDATE keys SET `+c+` WHERE id = $1`, k.ID)
		}
	}
	for name, c := range map[string]struct {
		find func(time.Time) ([]key.Ref, error)
		want []key.Ref
	}{
		"expired":                {func(by time.Time) ([]key.Ref, error) { return h.store.KeysExpiredBy(h.Context(), by) }, []key.Ref{old}},
		"set":                    {func(by time.Time) ([]key.Ref, error) { return h.store.KeysSetBy(h.Context(), t.Account, by) }, []key.Ref{old}},
		"set in another account": {func(by time.Time) ([]key.Ref, error) { return h.store.KeysSetBy(h.Context(), elsewhere.Account, by) }, nil},
	} {
		for by, want := range map[time.Duration][]key.Ref{0: c.want, -time.Microsecond: nil} {
			if got, err := c.find(h.later(by)); err != nil || !slices.Equal(got, want) {
				h.Errorf("%s by %s from now: %v (%v), want %v", name, by, got, err, want)
			}
		}
	}
}

func oldPreviousSecretsAreFound(h *house) {
	t := h.aTenant(0)
	k, s := h.stored(t, h.member(t, scope.Member), 1)
	h.insert(k, s)
	h.previous(k, "before")
	for by, want := range map[time.Duration][]key.Ref{time.Hour: {{Tenant: t.ID, Key: k.ID}}, time.Hour - time.Microsecond: nil} {
		if got, err := h.store.PreviousOverBy(h.Context(), h.later(by)); err != nil || !slices.Equal(got, want) {
			h.Errorf("over by %s from now: %v (%v), want %v", by, got, err, want)
		}
	}
}

func aForgottenKeyProvesNothing(h *house) {
	t := h.aTenant(0)
	k, s := h.stored(t, h.member(t, scope.Member), 1)
	h.insert(k, s)
	h.previous(k, "before")
	h.sql(`UPDATE key_secrets SET copy = $1, copy_version = 1`, []byte("copy"))
	at := h.later(time.Hour)
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.ForgetDigests(ctx, k.ID, at) })
	if got := h.rows(`SELECT digest, digest_version, copy, copy_version FROM key_secrets`); !slices.Equal(got, []string{"-|-|-|-", "-|-|-|-"}) {
		h.Errorf("of the secrets is stored %v", got)
	}
	got, err := h.store.Key(h.Context(), t.ID, k.ID)
	h.must(err)
	if !got.ForgottenAt.Equal(at) || got.Slot != 0 || len(h.facts(k.Lookups[0]).Secrets) > 0 {
		h.Errorf("the key is %+v", got)
	}
}

func idleKeysAreFound(h *house) {
	account, _ := h.account()
	h.tenant(account.ID, nil)
	t := h.tenant(account.ID, func(s *policy.Settings) { s.IdleDays = 30 })
	if tenants, err := h.store.IdleTenants(h.Context()); err != nil || !slices.Equal(tenants, []ident.TenantID{t.ID}) || t.IdleSince.IsZero() {
		h.Errorf("the tenants are %v (%v), since %v", tenants, err, t.IdleSince)
	}
	if rules := h.bothRules(t.ID); !rules.IdleSince.Equal(t.IdleSince) {
		h.Errorf("idle since %v, want %v", rules.IdleSince, t.IdleSince)
	}
	at := h.clock.Now()
	var idle []key.Hold
	for i, c := range []string{
		"", "enabled_at = secret_set_at", "enabled_at = secret_set_at + 1", "disabled_at = 1", "secret_set_at = NULL", "secret_set_at = secret_set_at + 1", "revoked_at = 1", "forgotten_at = 1",
	} {
		k, s := h.stored(t, h.member(t, scope.Member), 1)
		k.SecretSetAt = at
		h.insert(k, s)
		if i < 2 {
			idle = append(idle, key.Hold{Key: k.ID, Slot: 1, ExpiresAt: k.ExpiresAt, SecretSetAt: at})
		}
		if c != "" {
			h.sql(`UPDATE keys SET `+c+` WHERE id = $1`, k.ID)
		}
	}
	slices.SortFunc(idle, func(a, b key.Hold) int { return strings.Compare(string(a.Key), string(b.Key)) })
	find := func(since time.Time, after key.Hold, want ...key.Hold) {
		h.Helper()
		if got, err := h.store.IdleKeys(h.Context(), t.ID, since, after); err != nil || !slices.Equal(got, want) {
			h.Errorf("since %v after %v: %v (%v), want %v", since, after, got, err, want)
		}
	}
	find(at, key.Hold{}, idle...)
	find(at, idle[0], idle[1])
	find(at.Add(-time.Microsecond), key.Hold{})
	h.use(verify.Use{Key: idle[0].Key, At: at.Add(time.Microsecond)}, verify.Use{Key: idle[1].Key, At: at})
	find(at, key.Hold{}, idle[1])
}

func allPoliciesComeInOrder(h *house) {
	first, _ := h.account()
	second, _ := h.account()
	p := policy.FirstPolicy(true, h.clock.Now())
	p.Rules = policy.Revise(p.Rules, policy.ByAutoExpiry, 0, h.later(120*policy.Day))
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.SetPolicy(ctx, first.ID, p) })
	all, err := h.store.Policies(h.Context())
	h.must(err)
	if !slices.Equal(all[first.ID], p.Rules) || len(all[second.ID]) == 0 || len(all) != 2 {
		h.Errorf("the rules are %v", all)
	}
}
