package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/clock"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/usage"
)

var serverCases = []testCase{
	{"a new database adopts the root secret, and knows it again", aRootIsAdoptedOnce},
	{"a wrong root secret is refused", aWrongRootIsRefused},
	{"a retired server key is not handed out", aRetiredKeyIsNotHandedOut},
	{
		"what is sealed under older versions is found row after row, and replaced where it is as it was read",
		sealedTextsAreReplaced,
	},
	{"what is left under a version is counted", whatIsLeftIsCounted},
	{"a database knows whether it was adopted", aDatabaseKnowsWhetherItWasAdopted},
	{"the latest time is that of the newest change, of the last use or of the watermark", theLatestTimeIsOnRecord},
	{"the key headers are those of all tenants", keyHeadersAreOfAllTenants},
	{"a key header is told with the number of its change, if that is kept", keyHeadersHaveTheNumberOfTheirChange},
	{"an open store is ready", anOpenStoreIsReady},
	{"a closed database is unavailable, and nothing is not found in it", aClosedDatabaseIsUnavailable},
}

func aRootIsAdoptedOnce(fx *fixture) {
	root := testRoot
	first, err := fx.store.AdoptRoot(fx.Context(), root)
	fx.must(err)
	order := func(a, b credential.Version) int { return slices.Compare([]byte(a.Purpose), []byte(b.Purpose)) }
	if want := slices.SortedFunc(slices.Values(credential.FirstVersions()),
		order); !slices.Equal(slices.SortedFunc(slices.Values(first), order), want) {
		fx.Errorf("a new database has server keys %v, want %v", first, want)
	}
	if want := map[string]int64{audit.ServerChain: 1}; !cmp.Equal(fx.verifyChains(), want) {
		fx.Errorf("chains %v, want %v", fx.verifyChains(), want)
	}
	before := fx.dump()
	again, err := fx.store.AdoptRoot(fx.Context(), root)
	if err != nil || !slices.Equal(again, first) {
		fx.Errorf("the same root again gives %v, %v, want %v", again, err, first)
	}
	fx.isUnchanged(before)
}

func aWrongRootIsRefused(fx *fixture) {
	_, err := fx.store.AdoptRoot(fx.Context(), testRoot)
	fx.must(err)
	before := fx.dump()
	if got, err := fx.store.AdoptRoot(fx.Context(), credential.NewRoot(fx.random)); !errors.Is(err,
		store.ErrWrongRoot) ||
		got != nil {
		fx.Errorf("another root gives %v, %v, want ErrWrongRoot", got, err)
	}
	fx.isUnchanged(before)
}

func aRetiredKeyIsNotHandedOut(fx *fixture) {
	root := credential.NewRoot(fx.random)
	_, err := fx.store.AdoptRoot(fx.Context(), root)
	fx.must(err)
	fx.exec(`INSERT INTO server_keys (purpose, version, created_at) VALUES ('tag', 2, 0)`)
	fx.exec(`UPDATE server_keys SET retired_at = 1 WHERE purpose = 'tag' AND version = 1`)
	got, err := fx.store.AdoptRoot(fx.Context(), root)
	fx.must(err)
	want := []credential.Version{
		{Purpose: credential.CopyPurpose, Number: 1},
		{Purpose: credential.CursorPurpose, Number: 1},
		{Purpose: credential.DigestPurpose, Number: 1},
		{Purpose: credential.ManagementDigestPurpose, Number: 1},
		{Purpose: credential.ManagementTagPurpose, Number: 1},
		{Purpose: credential.SessionPurpose, Number: 1},
		{Purpose: credential.TagPurpose, Number: 2},
	}
	if !slices.Equal(got, want) {
		fx.Errorf("server keys %v, want %v", got, want)
	}
}

func sealedTextsAreReplaced(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner := fx.member(t, scope.Member)
	sealed := func(version int, text string) credential.Sealed {
		return credential.Sealed{Version: version, Bytes: []byte(text)}
	}
	var want []serverkey.Row
	for i := range 250 {
		k, s := fx.newKey(t, owner, int64(i+1))
		s.Digest, s.Copy = sealed(1+i%3, "digest"+s.Lookup), sealed(2, "copy"+s.Lookup)
		fx.insertKey(k, s)
		if s.Digest.Version < 3 {
			want = append(want,
				serverkey.Row{Tenant: t.ID, Row: credential.Row{Key: k.ID, Serial: 1}, Sealed: s.Digest})
		}
	}
	walk := func(purpose credential.Purpose, version int) (rows []serverkey.Row) {
		fx.Helper()
		for after := (credential.Row{}); ; after = rows[len(rows)-1].Row {
			more, err := fx.store.SealedBefore(fx.Context(), purpose, version, after)
			fx.must(err)
			if len(more) == 0 {
				return rows
			}
			rows = append(rows, more...)
		}
	}
	slices.SortFunc(want, func(a, b serverkey.Row) int { return strings.Compare(string(a.Key), string(b.Key)) })
	found := walk(credential.DigestPurpose, 3)
	if diff := cmp.Diff(want, found); diff != "" {
		fx.Errorf("the digests under older versions are otherwise:\n%s", diff)
	}
	if n := len(walk(credential.CopyPurpose, 2)); n != 0 {
		fx.Errorf("%d copies are under versions before their own", n)
	}
	batch := make([]serverkey.Reencrypted, len(found))
	for i, r := range found {
		batch[i] = serverkey.Reencrypted{Row: r, New: sealed(3, "anew")}
	}
	fx.exec(`UPDATE key_secrets SET digest = copy WHERE key_id = $1`, found[0].Key) // as a refresh would meanwhile
	batch[1].Sealed.Version = 9
	changes := fx.changes()
	fx.must(fx.store.Reencrypt(fx.Context(), credential.DigestPurpose, batch))
	fx.must(fx.store.Reencrypt(fx.Context(), credential.CopyPurpose, batch)) // none is as it was read
	if kept := walk(credential.DigestPurpose, 3); len(kept) != 2 || kept[0].Key != found[0].Key ||
		kept[1].Key != found[1].Key {
		fx.Errorf("%d are under older versions still", len(kept))
	}
	if got := queryValue[int64](fx,
		`SELECT COUNT(*) FROM key_secrets WHERE digest = $1 AND digest_version = 3 AND copy_version = 2`,
		[]byte("anew")); got != int64(len(found)-2) {
		fx.Errorf("%d of %d were replaced", got, len(found)-2)
	}
	if fx.changes() != changes {
		fx.Error("wrapping anew counts as a change")
	}
}

func whatIsLeftIsCounted(fx *fixture) {
	t := fx.tenantWithCap(0)
	owner := fx.member(t, scope.Member)
	now := fx.clock.Now()
	for i := range 4 {
		k, s := fx.newKey(t, owner, int64(i+1))
		s.TagVersion, s.Digest.Version = 5, 6
		if i > 1 { // of a key that waits for its owner; the last is revoked
			s.Digest, k.SecretSetAt = credential.Sealed{}, time.Time{}
		}
		fx.insertKey(k, s)
		if i == 3 {
			fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
				return tx.RevokeKey(ctx, k.ID, now, ident.PartyID(owner.ID), "")
			})
		}
	}
	fx.exec(`UPDATE key_secrets SET copy = digest, copy_version = 7, position = 'previous', until = $1
		WHERE key_id = (SELECT MIN(key_id) FROM key_secrets WHERE digest_version = 6)`, now.UnixMicro())
	fx.signIn(owner)
	expect := func(purpose credential.Purpose, number int, used serverkey.UsePeriod, at time.Time, want int64) {
		fx.Helper()
		v := credential.Version{Purpose: purpose, Number: number}
		got, err := fx.store.CountRemaining(fx.Context(), v, used, at)
		if err != nil || got != want {
			fx.Errorf("under %s %d there are %d, want %d (%v)", purpose, number, got, want, err)
		}
		fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
			if got, err := tx.CountRemaining(ctx, v, used, at); err != nil || got != want {
				fx.Errorf("under %s %d a transaction counts %d, want %d (%v)", purpose, number, got, want, err)
			}
			return audit.ErrNothing
		})
	}
	ever := serverkey.UsePeriod{}
	expect(credential.DigestPurpose, 6, ever, now, 2)
	expect(credential.CopyPurpose, 7, ever, now, 1)
	expect(credential.CopyPurpose, 6, ever, now, 0)
	expect(credential.TagPurpose, 5, ever, now, 3)
	expect(credential.TagPurpose, 5, ever, now.Add(policy.Grace), 2) // the previous one is forgotten
	expect(credential.CursorPurpose, 1, ever, now, 0)
	expect(credential.SessionPurpose, 1, ever, now, 1)
	expect(credential.SessionPurpose, 1, ever, now.Add(policy.DefaultSessions.Absolute+time.Hour), 0)
	expect(credential.SessionPurpose, 1, serverkey.UsePeriod{From: fx.after(time.Minute)}, now, 0)
	expect(credential.SessionPurpose, 1, serverkey.UsePeriod{Until: now}, now, 0)
}

func theLatestTimeIsOnRecord(fx *fixture) {
	latest := func(want time.Time, after string) {
		fx.Helper()
		if got, err := fx.store.Latest(fx.Context()); err != nil || !got.Equal(want) {
			fx.Errorf("after %s the latest time is %v, want %v (%v)", after, got, want, err)
		}
	}
	latest(time.Time{}, "nothing")
	for range 2 {
		want := fx.clock.move(time.Hour)
		fx.must(fx.write(insertUser(fx.user())))
		fx.clock.move(time.Hour)
		latest(want, "a change")
	}
	changes := fx.changes()
	use := fx.after(time.Minute)
	mark := fx.after(time.Hour)
	fx.recordUses(usage.Use{Key: "key_1", At: use}, usage.Use{Key: "key_2", At: use.Add(-time.Second)})
	latest(use, "a use")
	fx.must(fx.store.SetMark(fx.Context(), clock.Mark{Time: fx.clock.Now()}))
	latest(use, "a watermark of before")
	for range 2 {
		mark = mark.Add(time.Hour)
		fx.must(fx.store.SetMark(fx.Context(), clock.Mark{Time: mark}))
		latest(mark, "a watermark")
	}
	if fx.changes() != changes {
		fx.Error("a watermark or a use counts as a change")
	}
	want := fx.clock.move(24 * time.Hour)
	fx.must(fx.write(insertUser(fx.user())))
	latest(want, "a change after all")
}

func aDatabaseKnowsWhetherItWasAdopted(fx *fixture) {
	for _, want := range []bool{false, true} {
		if got, err := fx.store.Adopted(fx.Context()); err != nil || got != want {
			fx.Errorf("adopted: %t, want %t (%v)", got, want, err)
		}
		_, err := fx.store.AdoptRoot(fx.Context(), credential.NewRoot(newRandom()))
		fx.must(err)
	}
}

func keyHeadersAreOfAllTenants(fx *fixture) {
	account, _ := fx.account()
	for _, name := range []string{"X-One-Key", "X-Two-Token"} {
		fx.tenant(account.ID, func(s *policy.Settings) { s.KeyHeader = name })
	}
	fx.tenant(account.ID,
		func(s *policy.Settings) { s.KeyHeader, s.Transports = "", []policy.Transport{policy.Bearer} })
	list, err := fx.store.KeyHeaders(fx.Context())
	fx.must(err)
	last, err := fx.store.LastChange(fx.Context())
	fx.must(err)
	var got []string
	for _, header := range list {
		got = append(got, header.Name)
		if header.Version != last {
			fx.Errorf("%s is of change %d, want %d", header.Name, header.Version, last)
		}
	}
	slices.Sort(got)
	if want := []string{"", "X-One-Key", "X-Two-Token"}; !slices.Equal(got, want) {
		fx.Errorf("key headers %v, want %v", got, want)
	}
}

func keyHeadersHaveTheNumberOfTheirChange(fx *fixture) {
	account, _ := fx.account()
	t := fx.tenant(account.ID, nil)
	var told []audit.KeyHeader
	fx.invalidations.onAdd = func(s audit.Invalidation) { told = append(told, s.KeyHeaders...) }
	set := func(name string) error {
		change := tenancy.TenantChange{Settings: func(s *policy.Settings) { s.KeyHeader = name }}
		_, err := fx.services().tenancy.ChangeTenant(fx.Context(), principal.Operator(), t.ID, change)
		return err
	}
	expect := func(when string, want ...audit.KeyHeader) {
		fx.Helper()
		if !slices.Equal(told, want) {
			fx.Errorf("%s: told %v, want %v", when, told, want)
		}
		told = nil
	}
	others, err := fx.store.OpenChangeFeed(fx.Context(), func(time.Time) {})
	fx.must(err)
	fx.must(set("X-One-Key"))
	last, err := fx.store.LastChange(fx.Context())
	fx.must(err)
	now := audit.KeyHeader{Tenant: t.ID, Name: "X-One-Key", Version: last}
	expect("a change", now)
	fx.must(others.ReadChanges(fx.Context()))
	expect("a change, to another node", now)
	fx.must(set("X-One-Key"))
	expect("one that was made before", now)
	fx.faults.commit = func(func() error, func(string) error) error { return errInjected }
	if err := set("X-Two-Key"); err == nil {
		fx.Error("a change is kept whose COMMIT never came")
	}
	fx.faults.commit = nil
	expect("one that is not kept")
}

func anOpenStoreIsReady(fx *fixture) {
	fx.must(fx.store.Ready(fx.Context()))
}

func aClosedDatabaseIsUnavailable(fx *fixture) {
	fx.must(fx.store.Close())
	ctx, s := fx.Context(), fx.store
	for name, err := range map[string]error{
		"Ready":        s.Ready(ctx),
		"Adopted":      secondOf(s.Adopted(ctx)),
		"SetMark":      s.SetMark(ctx, clock.Mark{}),
		"AdoptRoot":    secondOf(s.AdoptRoot(ctx, credential.NewRoot(fx.random))),
		"Latest":       secondOf(s.Latest(ctx)),
		"LatestChange": secondOf(s.LatestChange(ctx)),
		"Mark":         secondOf(s.Mark(ctx)),
		"Follow":       secondOf(s.OpenChangeFeed(ctx, func(time.Time) {})),
		"Chains":       secondOf(s.Chains(ctx)),
		"Chain":        s.Chain(ctx, audit.ServerChain, func(audit.Record) error { return nil }),
		"Tenant":       secondOf(s.Tenant(ctx, "ten_x")),
		"TenantsNamed": secondOf(s.TenantsNamed(ctx, "Nobody's", 1)),
		"TenantRules":  secondOf(s.TenantRules(ctx, "ten_x")),
		"TenantFacts":  secondOf(s.TenantFacts(ctx, "ten_x")),
		"Candidate":    secondOf(s.CandidateByEmail(ctx, "acc_x", "nobody@claviger.example")),
		"AccountRole":  secondOf(s.AccountMember(ctx, "acc_x", "usr_x")),
		"Member":       secondOf(s.Member(ctx, "ten_x", "usr_x")),
		"MemberByMail": secondOf(s.MemberByEmail(ctx, "ten_x", "nobody@claviger.example")),
		"KeyHeaders":   secondOf(s.KeyHeaders(ctx)),
		"Application":  secondOf(s.Application(ctx, "ten_x", "app_x")),
		"Applications": secondOf(s.Applications(ctx, "ten_x", scope.Applications{All: true}, paging.Page{})),
		"Key":          secondOf(s.Key(ctx, "ten_x", "key_x")),
		"KeyByNumber":  secondOf(s.KeyByNumber(ctx, "ten_x", 1)),
		"Keys":         keysError(s.Keys(ctx, "ten_x", key.Filter{}, key.Page{})),
		"KeyFacts":     secondOf(s.KeyFacts(ctx, "lookup")),
		"RecordUses":   s.RecordUses(ctx, nil),
		"RecordScopes": s.RecordScopeUses(ctx, nil),
		"ScopesUsed":   secondOf(s.ScopesUsed(ctx, nil, fx.clock.Now())),
		"Touch":        s.Touch(ctx, "ses_x", fx.clock.Now()),
		"SignInFacts":  secondOf(s.SignInFacts(ctx, []ident.UserID{"usr_x"})),
		"PasswordOnly": secondOf(s.MembersWithoutFactor(ctx, "ten_x", paging.Page{Limit: 1})),
		"Session":      sessionError(ctx, s),
		"UserByEmail":  userError(ctx, s),
		"User":         secondOf(s.User(ctx, "usr_x")),
		"Sessions":     secondOf(s.Sessions(ctx, "usr_x", session.Bounds{}, paging.Page{})),
		"Failures":     secondOf(s.Failures(ctx, "nobody@claviger.example")),
		"ClaimAttempt": secondOf(s.ReserveAttempt(ctx, "nobody@claviger.example", identity.Failures{},
			identity.Failures{Count: 1})),
		"CountAttempt":   s.CountAttempt(ctx, "?1", fx.clock.Now()),
		"ForgetFailures": s.DeleteFailures(ctx, "nobody@claviger.example"),
		"Write":          fx.write(insertUser(fx.user())),
		"OwnKeys":        keysError(s.OwnKeys(ctx, key.Filter{}, key.Page{})),
		"Held":           secondOf(s.Held(ctx, "ten_x", nil, fx.clock.Now(), fx.clock.Now())),
		"HealthSummary":  secondOf(s.HealthSummary(ctx, "ten_x", "", key.HealthBounds{})),
		"LiveManagement": secondOf(s.LiveManagementKeys(ctx, "ten_x", fx.clock.Now())),
		"AdminsAmong":    secondOf(s.AdminsAmong(ctx, "ten_x", []ident.UserID{"usr_x"})),
		"Claim":          secondOf(s.Claim(ctx, sha256.Sum256(nil), "usr_x", fx.clock.Now())),
		"LiveClaim":      s.CheckClaim(ctx, sha256.Sum256(nil), fx.clock.Now()),
		"ServerKeys":     secondOf(s.ServerKeys(ctx)),
		"Left": secondOf(s.CountRemaining(ctx, credential.Version{Purpose: credential.TagPurpose},
			serverkey.UsePeriod{},
			fx.clock.Now())),
		"SealedBefore":            secondOf(s.SealedBefore(ctx, credential.CopyPurpose, 2, credential.Row{})),
		"Rewrap":                  s.Reencrypt(ctx, credential.CopyPurpose, nil),
		"AccountNotices":          secondOf(s.AccountNotices(ctx, "acc_x", paging.Page{Limit: 1})),
		"Policy":                  secondOf(s.Policy(ctx, "acc_x")),
		"CountKeys":               countErr(ctx, s),
		"FirstKeys":               secondOf(s.FirstKeys(ctx, "acc_x", policy.ImpactRange{}, time.Now(), 1)),
		"OwnersIn":                secondOf(s.OwnersIn(ctx, "acc_x", policy.ImpactRange{}, time.Now(), 1)),
		"CountWithoutFactor":      secondOf(s.CountWithoutFactor(ctx, "acc_x", policy.FactorAll)),
		"CountEnds":               s.CountEnds(ctx, "acc_x", policy.ImpactRange{}, time.Now(), time.Hour, []int{0}),
		"Policies":                secondOf(s.Policies(ctx)),
		"KeysExpiredBy":           secondOf(s.KeysExpiredBy(ctx, fx.clock.Now())),
		"ManagementKeysExpiredBy": secondOf(s.ManagementKeysExpiredBy(ctx, fx.clock.Now())),
		"ManagementPreviousOver":  secondOf(s.ManagementKeysWithPreviousEndedBy(ctx, fx.clock.Now())),
		"KeysSetBy":               secondOf(s.KeysSetBy(ctx, "acc_x", fx.clock.Now())),
		"PreviousOverBy":          secondOf(s.KeysWithPreviousEndedBy(ctx, fx.clock.Now())),
		"IdleTenants":             secondOf(s.IdleTenants(ctx)),
		"IdleKeys":                idleKeysError(s.IdleKeys(ctx, "ten_x", fx.clock.Now(), key.Position{})),
		"IdleCandidates":          idleCandidatesErr(s.IdleCandidates(ctx, "ten_x", fx.clock.Now(), notice.Position{})),
		"SessionBounds":           secondOf(s.SessionBounds(ctx, "usr_x", "ses_x")),
		"LateClaims":              secondOf(s.KeysUnclaimedBy(ctx, fx.clock.Now())),
	} {
		if fault.KindOf(err) != fault.Unavailable {
			fx.Errorf("%s of a closed database: %v, want unavailable", name, err)
		}
	}
}

func sessionError(ctx context.Context, s *store.Store) error {
	_, _, err := s.Session(ctx, sha256.Sum256(nil))
	return err
}

func keysError(_ []key.Key, _ *key.Position, err error) error { return err }

func idleKeysError(_ []key.SlotHolder, _ *key.Position, err error) error { return err }

func idleCandidatesErr(_ []notice.Candidate, _ *notice.Position, err error) error { return err }

func countErr(ctx context.Context, s *store.Store) error {
	_, _, err := s.CountKeys(ctx, "acc_x", policy.ImpactRange{}, time.Now())
	return err
}

func userError(ctx context.Context, s *store.Store) error {
	_, _, err := s.UserByEmail(ctx, "nobody@claviger.example")
	return err
}
