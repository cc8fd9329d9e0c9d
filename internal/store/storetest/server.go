package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/verify"
)

var serverGuarantees = []guarantee{
	{"a new database adopts the root secret, and knows it again", aRootIsAdoptedOnce},
	{"a wrong root secret is refused", aWrongRootIsRefused},
	{"a retired server key is not handed out", aRetiredKeyIsNotHandedOut},
	{"what is sealed under older versions is found row after row, and replaced where it is as it was read", sealedTextsAreReplaced},
	{"what is left under a version is counted", whatIsLeftIsCounted},
	{"a database knows whether it was adopted", aDatabaseKnowsWhetherItWasAdopted},
	{"the latest time is that of the newest change, of the last use or of the watermark", theLatestTimeIsOnRecord},
	{"the key headers are those of all tenants", keyHeadersAreOfAllTenants},
	{"an open store is ready", anOpenStoreIsReady},
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
	want := []credential.Version{{Purpose: credential.CopyPurpose, Number: 1}, {Purpose: credential.CursorPurpose, Number: 1}, {Purpose: credential.DigestPurpose, Number: 1}, {Purpose: credential.SessionPurpose, Number: 1}, {Purpose: credential.TagPurpose, Number: 2}}
	if !slices.Equal(got, want) {
		h.Errorf("server keys %v, want %v", got, want)
	}
}

func sealedTextsAreReplaced(h *house) {
	t := h.aTenant(0)
	owner := h.member(t, scope.Member)
	sealed := func(version int, text string) credential.Sealed {
		return credential.Sealed{Version: version, Bytes: []byte(text)}
	}
	var want []serverkey.Row
	for i := range 250 {
		k, s := h.stored(t, owner, int64(i+1))
		s.Digest, s.Copy = sealed(1+i%3, "digest"+s.Lookup), sealed(2, "copy"+s.Lookup)
		h.insert(k, s)
		if s.Digest.Version < 3 {
			want = append(want, serverkey.Row{Tenant: t.ID, Row: credential.Row{Key: k.ID, Serial: 1}, Sealed: s.Digest})
		}
	}
	walk := func(purpose credential.Purpose, version int) (rows []serverkey.Row) {
		h.Helper()
		for after := (credential.Row{}); ; after = rows[len(rows)-1].Row {
			more, err := h.store.SealedBefore(h.Context(), purpose, version, after)
			if h.must(err); len(more) == 0 {
				return rows
			}
			rows = append(rows, more...)
		}
	}
	slices.SortFunc(want, func(a, b serverkey.Row) int { return strings.Compare(string(a.Key), string(b.Key)) })
	found := walk(credential.DigestPurpose, 3)
	if diff := cmp.Diff(want, found); diff != "" {
		h.Errorf("the digests under older versions are otherwise:\n%s", diff)
	}
	if n := len(walk(credential.CopyPurpose, 2)); n != 0 {
		h.Errorf("%d copies are under versions before their own", n)
	}
	batch := make([]serverkey.Rewrapped, len(found))
	for i, r := range found {
		batch[i] = serverkey.Rewrapped{Row: r, Fresh: sealed(3, "anew")}
	}
	h.sql(`UPDATE key_secrets SET digest = copy WHERE key_id = $1`, found[0].Key) // as a refresh would meanwhile
	batch[1].Sealed.Version = 9
	changes := h.changes()
	h.must(h.store.Rewrap(h.Context(), credential.DigestPurpose, batch))
	h.must(h.store.Rewrap(h.Context(), credential.CopyPurpose, batch)) // none is as it was read
	if kept := walk(credential.DigestPurpose, 3); len(kept) != 2 || kept[0].Key != found[0].Key || kept[1].Key != found[1].Key {
		h.Errorf("%d are under older versions still", len(kept))
	}
	if got := ask[int64](h, `SELECT COUNT(*) FROM key_secrets WHERE digest = $1 AND digest_version = 3 AND copy_version = 2`, []byte("anew")); got != int64(len(found)-2) {
		h.Errorf("%d of %d were replaced", got, len(found)-2)
	}
	if h.changes() != changes {
		h.Error("wrapping anew counts as a change")
	}
}

func whatIsLeftIsCounted(h *house) {
	t := h.aTenant(0)
	owner := h.member(t, scope.Member)
	now := h.clock.Now()
	for i := range 4 {
		k, s := h.stored(t, owner, int64(i+1))
		s.TagVersion, s.Digest.Version = 5, 6
		if i > 1 { // of a key that waits for its owner; the last is revoked
			s.Digest, k.SecretSetAt = credential.Sealed{}, time.Time{}
		}
		h.insert(k, s)
		if i == 3 {
			h.in(func(ctx context.Context, tx *store.Tx) error { return tx.RevokeKey(ctx, k.ID, now, owner.ID, "") })
		}
	}
	h.sql(`UPDATE key_secrets SET copy = digest, copy_version = 7, position = 'previous', until = $1 WHERE key_id = (SELECT MIN(key_id) FROM key_secrets WHERE digest_version = 6)`, now.UnixMicro())
	h.as(owner)
	expect := func(purpose credential.Purpose, number int, used serverkey.Span, at time.Time, want int64) {
		h.Helper()
		v := credential.Version{Purpose: purpose, Number: number}
		got, err := h.store.Left(h.Context(), v, used, at)
		if err != nil || got != want {
			h.Errorf("under %s %d there are %d, want %d (%v)", purpose, number, got, want, err)
		}
		h.in(func(ctx context.Context, tx *store.Tx) error {
			if got, err := tx.Left(ctx, v, used, at); err != nil || got != want {
				h.Errorf("under %s %d a transaction counts %d, want %d (%v)", purpose, number, got, want, err)
			}
			return audit.ErrNothing
		})
	}
	ever := serverkey.Span{}
	expect(credential.DigestPurpose, 6, ever, now, 2)
	expect(credential.CopyPurpose, 7, ever, now, 1)
	expect(credential.CopyPurpose, 6, ever, now, 0)
	expect(credential.TagPurpose, 5, ever, now, 3)
	expect(credential.TagPurpose, 5, ever, now.Add(policy.Grace), 2) // the previous one is forgotten
	expect(credential.CursorPurpose, 1, ever, now, 0)
	expect(credential.SessionPurpose, 1, ever, now, 1)
	expect(credential.SessionPurpose, 1, ever, now.Add(policy.DefaultSessions.Absolute+time.Hour), 0)
	expect(credential.SessionPurpose, 1, serverkey.Span{From: h.later(time.Minute)}, now, 0)
	expect(credential.SessionPurpose, 1, serverkey.Span{Until: now}, now, 0)
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
	h.must(h.store.SetMark(h.Context(), clock.Mark{Time: h.clock.Now()}))
	latest(use, "a watermark of before")
	for range 2 {
		mark = mark.Add(time.Hour)
		h.must(h.store.SetMark(h.Context(), clock.Mark{Time: mark}))
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
	list, err := h.store.KeyHeaders(h.Context())
	h.must(err)
	var got []string
	for _, header := range list {
		got = append(got, header.Name)
	}
	slices.Sort(got)
	if want := []string{"X-One-Key", "X-Two-Token"}; !slices.Equal(got, want) {
		h.Errorf("key headers %v, want %v", got, want)
	}
}

func anOpenStoreIsReady(h *house) {
	h.must(h.store.Ready(h.Context()))
}

func aClosedDatabaseIsUnavailable(h *house) {
	h.must(h.store.Close())
	ctx, s := h.Context(), h.store
	for name, err := range map[string]error{
		"Ready":          s.Ready(ctx),
		"Adopted":        second(s.Adopted(ctx)),
		"SetMark":        s.SetMark(ctx, clock.Mark{}),
		"AdoptRoot":      second(s.AdoptRoot(ctx, credential.NewRoot(h.random))),
		"Latest":         second(s.Latest(ctx)),
		"LatestChange":   second(s.LatestChange(ctx)),
		"Mark":           second(s.Mark(ctx)),
		"Follow":         second(s.Follow(ctx, func(time.Time) {})),
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
		"HealthSummary":  second(s.HealthSummary(ctx, "ten_x", "", key.HealthBounds{})),
		"Claim":          second(s.Claim(ctx, sha256.Sum256(nil), "usr_x", h.clock.Now())),
		"ServerKeys":     second(s.ServerKeys(ctx)),
		"Left":           second(s.Left(ctx, credential.Version{Purpose: credential.TagPurpose}, serverkey.Span{}, h.clock.Now())),
		"SealedBefore":   second(s.SealedBefore(ctx, credential.CopyPurpose, 2, credential.Row{})),
		"Rewrap":         s.Rewrap(ctx, credential.CopyPurpose, nil),
		"Policy":         second(s.Policy(ctx, "acc_x")),
		"LivingKeys":     s.LivingKeys(ctx, "acc_x", nil),
		"Policies":       second(s.Policies(ctx)),
		"KeysExpiredBy":  second(s.KeysExpiredBy(ctx, h.clock.Now())),
		"KeysSetBy":      second(s.KeysSetBy(ctx, "acc_x", h.clock.Now())),
		"PreviousOverBy": second(s.PreviousOverBy(ctx, h.clock.Now())),
		"IdleTenants":    second(s.IdleTenants(ctx)),
		"IdleKeys":       second(s.IdleKeys(ctx, "ten_x", h.clock.Now(), key.Hold{})),
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
