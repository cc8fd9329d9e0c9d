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
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var serverGuarantees = []guarantee{
	{"a new database adopts the root secret, and knows it again", aRootIsAdoptedOnce},
	{"a wrong root secret is refused", aWrongRootIsRefused},
	{"a retired server key is not handed out", aRetiredKeyIsNotHandedOut},
	{"the latest time is the newest change's", theLatestTimeIsTheNewestChanges},
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

func theLatestTimeIsTheNewestChanges(h *house) {
	for i := range 3 {
		want := time.Time{}
		if i > 0 {
			want = h.clock.move(time.Hour)
			h.must(h.write(insertUser(h.user())))
		}
		h.clock.move(time.Hour)
		if got, err := h.store.Latest(h.Context()); err != nil || !got.Equal(want) {
			h.Errorf("after %d changes the latest time is %v, want %v (%v)", i, got, want, err)
		}
	}
}

func keyHeadersAreOfAllTenants(h *house) {
	account, _ := h.account()
	for _, name := range []string{"X-One-Key", "", "X-Two-Token"} {
		h.tenant(account.ID, func(s *policy.Settings) { s.KeyHeader = name })
	}
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
		"Ready":        s.Ready(ctx),
		"AdoptRoot":    second(s.AdoptRoot(ctx, credential.NewRoot(h.random))),
		"Latest":       second(s.Latest(ctx)),
		"Chains":       second(s.Chains(ctx)),
		"Chain":        s.Chain(ctx, audit.ServerChain, func(audit.Record) error { return nil }),
		"Tenant":       second(s.Tenant(ctx, "ten_x")),
		"TenantRules":  second(s.TenantRules(ctx, "ten_x")),
		"TenantFacts":  second(s.TenantFacts(ctx, "ten_x")),
		"KeyHeaders":   second(s.KeyHeaders(ctx)),
		"Application":  second(s.Application(ctx, "ten_x", "app_x")),
		"Applications": second(s.Applications(ctx, "ten_x", scope.Applications{All: true}, tenancy.Page{})),
		"Key":          second(s.Key(ctx, "ten_x", "key_x")),
		"Keys":         second(s.Keys(ctx, "ten_x", key.Filter{}, key.Page{})),
		"KeyFacts":     second(s.KeyFacts(ctx, "lookup")),
		"RecordUses":   s.RecordUses(ctx, nil),
		"Touch":        s.Touch(ctx, "ses_x", h.clock.Now()),
		"Session":      sessionError(ctx, s),
		"UserByEmail":  userError(ctx, s),
		"Write":        h.write(insertUser(h.user())),
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
