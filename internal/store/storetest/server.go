package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/verify"
)

var serverGuarantees = []guarantee{
	{"a new database adopts the root secret, and knows it again", aRootIsAdoptedOnce},
	{"a wrong root secret is refused", aWrongRootIsRefused},
	{"a retired server key is not handed out", aRetiredKeyIsNotHandedOut},
	{"a database knows whether it was adopted", aDatabaseKnowsWhetherItWasAdopted},
	{"the latest time is that of the newest change, of the last use or of the watermark", theLatestTimeIsOnRecord},
	{"the key headers are those of all tenants", keyHeadersAreOfAllTenants},
	{"an open store is ready and alone", anOpenStoreIsReady},
	{"a closed database is unavailable, and nothing is not found in it", aClosedDatabaseIsUnavailable},
}

func aRootIsAdoptedOnce(h *house) {
	root := credential.NewRoot(h.random)
	first, err := h.store.AdoptRoot(h.Context(), root)
	h.must(err)
	order := func(a, b credential.Version) int { return slices.Compare([]byte(a.Purpose), []byte(b.Purpose)) }
	if want := slices.SortedFunc(slices.Values(credential.FirstVersions()), order); !slices.Equal(slices.SortedFunc(slices.Values(first), order), want) {
		h.Errorf("a new database has server keys %v, want %v", first, want)
	}
	if want := map[string]int64{audit.ServerChain: 1}; !cmp.Equal(h.whole(), want) {
		h.Errorf("chains %v, want %v", h.whole(), want)
	}
	before := h.dump()
	again, err := h.store.AdoptRoot(h.Context(), root)
	if err != nil || !slices.Equal(again, first) {
		h.Errorf("the same root again gives %v, %v, want %v", again, err, first)
	}
	h.unchanged(before)
}

func aWrongRootIsRefused(h *house) {
	_, err := h.store.AdoptRoot(h.Context(), credential.NewRoot(h.random))
	h.must(err)
	before := h.dump()
	if got, err := h.store.AdoptRoot(h.Context(), credential.NewRoot(h.random)); !errors.Is(err, store.ErrWrongRoot) || got != nil {
		h.Errorf("another root gives %v, %v, want ErrWrongRoot", got, err)
	}
	h.unchanged(before)
}

func aRetiredKeyIsNotHandedOut(h *house) {
	root := credential.NewRoot(h.random)
	_, err := h.store.AdoptRoot(h.Context(), root)
	h.must(err)
	h.sql(`INSERT INTO server_keys (purpose, version, created_at) VALUES ('tag', 2, 0)`)
	h.sql(`UPDATE server_keys SET retired_at = 1 WHERE purpose = 'tag' AND version = 1`)
	got, err := h.store.AdoptRoot(h.Context(), root)
	h.must(err)
	want := []credential.Version{{Purpose: credential.CursorPurpose, Number: 1}, {Purpose: credential.DigestPurpose, Number: 1}, {Purpose: credential.SessionPurpose, Number: 1}, {Purpose: credential.TagPurpose, Number: 2}}
	if !slices.Equal(got, want) {
		h.Errorf("server keys %v, want %v", got, want)
	}
}

func theLatestTimeIsOnRecord(h *house) {
	latest := func(want time.Time, after string) {
		h.Helper()
		if got, err := h.store.Latest(h.Context()); err != nil || !got.Equal(want) {
			h.Errorf("after %s the latest time is %v, want %v (%v)", after, got, want, err)
		}
	}
	latest(time.Time{}, "nothing")
	for range 2 {
		want := h.clock.move(time.Hour)
		h.must(h.write(insertUser(h.user())))
		h.clock.move(time.Hour)
		latest(want, "a change")
	}
	changes, use, mark := h.changes(), h.later(time.Minute), h.later(time.Hour)
	h.use(verify.Use{Key: "key_1", At: use}, verify.Use{Key: "key_2", At: use.Add(-time.Second)})
	latest(use, "a use")
	h.must(h.store.SetWatermark(h.Context(), h.clock.Now()))
	latest(use, "a watermark of before")
	for range 2 {
		mark = mark.Add(time.Hour)
		h.must(h.store.SetWatermark(h.Context(), mark))
		latest(mark, "a watermark")
	}
	if h.changes() != changes {
		h.Error("a watermark or a use counts as a change")
	}
	want := h.clock.move(24 * time.Hour)
	h.must(h.write(insertUser(h.user())))
	latest(want, "a change after all")
}

func aDatabaseKnowsWhetherItWasAdopted(h *house) {
	for _, want := range []bool{false, true} {
		if got, err := h.store.Adopted(h.Context()); err != nil || got != want {
			h.Errorf("adopted: %t, want %t (%v)", got, want, err)
		}
		_, err := h.store.AdoptRoot(h.Context(), credential.NewRoot(newRandom()))
		h.must(err)
	}
}

func keyHeadersAreOfAllTenants(h *house) {
	account, _ := h.account()
	for _, name := range []string{"X-One-Key", "X-Two-Token"} {
		h.tenant(account.ID, func(s *policy.Settings) { s.KeyHeader = name })
	}
	h.tenant(account.ID, func(s *policy.Settings) { s.KeyHeader, s.Transports = "", []policy.Transport{policy.Bearer} })
	got, err := h.store.KeyHeaders(h.Context())
	h.must(err)
	slices.Sort(got)
	if want := []string{"X-One-Key", "X-Two-Token"}; !slices.Equal(got, want) {
		h.Errorf("key headers %v, want %v", got, want)
	}
}

func anOpenStoreIsReady(h *house) {
	h.must(h.store.Ready(h.Context()))
	h.must(h.store.Alone(h.Context()))
}

func aClosedDatabaseIsUnavailable(h *house) {
	h.must(h.store.Close())
	ctx, s := h.Context(), h.store
	for name, err := range map[string]error{
		"Ready":          s.Ready(ctx),
		"Adopted":        second(s.Adopted(ctx)),
		"SetWatermark":   s.SetWatermark(ctx, h.clock.Now()),
		"AdoptRoot":      second(s.AdoptRoot(ctx, credential.NewRoot(h.random))),
		"Latest":         second(s.Latest(ctx)),
		"Chains":         second(s.Chains(ctx)),
		"Chain":          s.Chain(ctx, audit.ServerChain, func(audit.Record) error { return nil }),
		"Tenant":         second(s.Tenant(ctx, "ten_x")),
		"TenantRules":    second(s.TenantRules(ctx, "ten_x")),
		"TenantFacts":    second(s.TenantFacts(ctx, "ten_x")),
		"KeyHeaders":     second(s.KeyHeaders(ctx)),
		"Application":    second(s.Application(ctx, "ten_x", "app_x")),
		"Applications":   second(s.Applications(ctx, "ten_x", scope.Applications{All: true}, tenancy.Page{})),
		"Key":            second(s.Key(ctx, "ten_x", "key_x")),
		"Keys":           second(s.Keys(ctx, "ten_x", key.Filter{}, key.Page{})),
		"KeyFacts":       second(s.KeyFacts(ctx, "lookup")),
		"RecordUses":     s.RecordUses(ctx, nil),
		"RecordScopes":   s.RecordScopeUses(ctx, nil),
		"ScopesUsed":     second(s.ScopesUsed(ctx, nil, h.clock.Now())),
		"Touch":          s.Touch(ctx, "ses_x", h.clock.Now()),
		"Session":        sessionError(ctx, s),
		"UserByEmail":    userError(ctx, s),
		"User":           second(s.User(ctx, "usr_x")),
		"Sessions":       second(s.Sessions(ctx, "usr_x", session.Bounds{}, session.Page{})),
		"Failures":       second(s.Failures(ctx, "nobody@claviger.example")),
		"ClaimAttempt":   second(s.ClaimAttempt(ctx, "nobody@claviger.example", identity.Failures{}, identity.Failures{Count: 1})),
		"CountAttempt":   s.CountAttempt(ctx, "?1", h.clock.Now()),
		"ForgetFailures": s.ForgetFailures(ctx, "nobody@claviger.example"),
		"Write":          h.write(insertUser(h.user())),
		"OwnKeys":        second(s.OwnKeys(ctx, key.Filter{}, key.Page{})),
		"Claim":          second(s.Claim(ctx, sha256.Sum256(nil), "usr_x", h.clock.Now())),
		"Policy":         second(s.Policy(ctx, "acc_x")),
		"LivingKeys":     s.LivingKeys(ctx, "acc_x", nil),
		"Policies":       second(s.Policies(ctx)),
		"KeysExpiredBy":  second(s.KeysExpiredBy(ctx, h.clock.Now())),
		"KeysSetBy":      second(s.KeysSetBy(ctx, "acc_x", h.clock.Now())),
		"PreviousOverBy": second(s.PreviousOverBy(ctx, h.clock.Now())),
		"IdleTenants":    second(s.IdleTenants(ctx)),
		"IdleKeys":       second(s.IdleKeys(ctx, "ten_x", h.clock.Now(), "")),
		"SessionBounds":  second(s.SessionBounds(ctx, "usr_x")),
		"LateClaims":     second(s.LateClaims(ctx, h.clock.Now())),
	} {
		if fault.KindOf(err) != fault.Unavailable {
			h.Errorf("%s of a closed database: %v, want unavailable", name, err)
		}
	}
}

func sessionError(ctx context.Context, s *store.Store) error {
	_, _, err := s.Session(ctx, sha256.Sum256(nil))
	return err
}

func userError(ctx context.Context, s *store.Store) error {
	_, _, err := s.UserByEmail(ctx, "nobody@claviger.example")
	return err
}
