package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/usage"
)

var usageCases = []testCase{
	{"a batch of counts that is written twice counts once", aBatchCountsOnce},
	{"a batch whose COMMIT fails is not counted, or known to be", aBatchOfAFailedCommit},
	{"the sums of hours and days are the same", hoursAndDaysAddUp},
	{"an hour is complete when every live node has written it", anHourIsComplete},
	{"nothing is added to an hour that is complete, or lies ahead", onlyOpenHoursChange},
	{"old counts are deleted, and no others", oldCountsAreDeleted},
	{"a repair of the clock moves the counts that lie ahead to the present", aRepairMovesCounts},
	{"the sums of keys are paged, and those of one owner", keySumsArePaged},
	{"a statement has every tenant of the account, and no other", aStatementHasEveryTenant},
	{"counts are no changes", countsAreNoChanges},
}

// hour returns the beginning of an hour relative to the hour of the fixture's clock.
func (fx *fixture) hour(n int) time.Time {
	return fx.clock.Now().Truncate(time.Hour).Add(time.Duration(n) * time.Hour)
}

// counted returns a batch with accepted and refused requests of a key in an hour.
func (fx *fixture) counted(number int64, key ident.KeyID, hour time.Time, accepted, refused int64) usage.Batch {
	b := usage.Batch{Run: "run-1", Node: "node-1", Number: number, Until: fx.clock.Now()}
	owner := ident.PartyID("usr_1")
	if key == "" {
		owner = ""
	}
	b.Keys = []usage.KeyCount{{
		Tenant: "ten_1", Owner: owner, Key: key, Hour: hour, Accepted: accepted, Refused: refused,
	}}
	for code, n := range map[fault.Kind]int64{"": accepted, fault.KeyExpired: refused} {
		if n > 0 {
			b.Tenants = append(b.Tenants, usage.TenantCount{
				Tenant: "ten_1", Hour: hour, Code: code, Application: "app_1", Transport: policy.Bearer, Requests: n,
			})
		}
	}
	if key != "" {
		b.Transports = []usage.TransportUse{{
			Tenant: "ten_1", Key: key, Transport: policy.Bearer, On: hour.Truncate(policy.Day),
		}}
	}
	return b
}

func (fx *fixture) addCounts(batches ...usage.Batch) {
	fx.Helper()
	for _, b := range batches {
		fx.must(fx.store.AddCounts(fx.Context(), b))
	}
}

// sums returns the sums of the tenant ten_1: by its own counts, and by those of its keys.
func (fx *fixture) sums(u usage.Unit) (byTenant, byKeys usage.Sum) {
	fx.Helper()
	s := usage.NewSpan(u, fx.clock.Now().Add(-2000*policy.Day), fx.clock.Now().Add(2000*policy.Day))
	fx.must(fx.store.EachTenantCount(fx.Context(), "ten_1", s, func(c usage.TenantCount) {
		if c.Code == "" {
			byTenant.Accepted += c.Requests
		} else {
			byTenant.Refused += c.Requests
		}
	}))
	keys, err := fx.store.KeySums(fx.Context(), "ten_1", "", s, usage.KeyPage{Limit: 200})
	fx.must(err)
	for _, k := range keys {
		byKeys.Accepted += k.Accepted
		byKeys.Refused += k.Refused
	}
	return byTenant, byKeys
}

// countedAre fails the test unless hours and days have this sum, for the tenant and its keys.
func (fx *fixture) countedAre(what string, accepted, refused int64) {
	fx.Helper()
	want := usage.Sum{Accepted: accepted, Refused: refused}
	for _, u := range []usage.Unit{usage.Hours, usage.Days} {
		if byTenant, byKeys := fx.sums(u); byTenant != want || byKeys != want {
			fx.Errorf("%s, by %s: %+v by tenant, %+v by keys, want %+v", what, u, byTenant, byKeys, want)
		}
	}
}

func aBatchCountsOnce(fx *fixture) {
	first, second := fx.counted(1, "key_1", fx.hour(0), 3, 1), fx.counted(2, "key_1", fx.hour(0), 2, 0)
	fx.addCounts(first, first)
	fx.countedAre("the first batch twice", 3, 1)
	fx.addCounts(second, first, second)
	fx.countedAre("both batches twice", 5, 1)
	other := fx.counted(1, "key_1", fx.hour(0), 4, 0)
	other.Run = "run-2"
	fx.addCounts(other, other)
	fx.countedAre("a batch of another run, with the same number", 9, 1)
}

func aBatchOfAFailedCommit(fx *fixture) {
	for number, c := range []struct {
		how    string
		commit func(commit func() error, run func(string) error) error
	}{
		{"its answer is lost", func(commit func() error, _ func(string) error) error {
			return errors.Join(commit(), errInjected)
		}},
		{"it never arrives", func(func() error, func(string) error) error { return errInjected }},
		{"the engine refuses it", func(commit func() error, run func(string) error) error {
			for _, text := range fx.engine.poisonCommit {
				_ = run(text)
			}
			return commit()
		}},
	} {
		b := fx.counted(int64(number+1), "key_1", fx.hour(0), 1, 0)
		fx.faults.commit = c.commit
		err := fx.store.AddCounts(fx.Context(), b)
		fx.faults.commit = nil
		if err == nil {
			fx.Errorf("%s: it succeeds", c.how)
		}
		fx.addCounts(b)
		fx.countedAre(c.how, int64(number+1), 0)
	}
}

func hoursAndDaysAddUp(fx *fixture) {
	for i := range 60 {
		key := []ident.KeyID{"key_1", "key_2", ""}[i%3]
		fx.addCounts(fx.counted(int64(i+1), key, fx.hour(-i), int64(i), 1))
	}
	fx.countedAre("over two days and a half", 59*60/2, 60)
}

func anHourIsComplete(fx *fixture) {
	ctx := fx.Context()
	alive := func(node string) {
		fx.Helper()
		n := journal.Node{ID: node, Name: "host"}
		_, err := fx.store.RenewNode(ctx, n, fx.clock.Now(), fx.clock.Now().Add(time.Minute))
		fx.must(err)
	}
	number := int64(0)
	flushed := func(run, node string, until time.Time) {
		fx.Helper()
		number++
		fx.addCounts(usage.Batch{Run: run, Node: node, Number: number, Until: until})
	}
	complete := func(what string, want time.Time) {
		fx.Helper()
		_, err := fx.store.CompleteHours(ctx, fx.clock.Now())
		fx.must(err)
		got, err := fx.store.CompleteUntil(ctx)
		fx.must(err)
		if !got.Equal(want) {
			fx.Errorf("%s: complete until %v, want %v", what, got, want)
		}
	}
	none := time.UnixMicro(0)
	alive("a")
	alive("b")
	complete("nobody has written anything", none)
	flushed("run-a", "a", fx.hour(0).Add(time.Minute))
	complete("one of two has", none)
	flushed("run-b", "b", fx.hour(-1).Add(time.Minute))
	complete("the other has written less", fx.hour(-1))
	flushed("run-b2", "b", fx.hour(0)) // after a restart
	complete("both have", fx.hour(0))
	fx.clock.move(2 * time.Hour)
	alive("a")
	flushed("run-a", "a", fx.hour(0).Add(time.Second))
	complete("the other is gone", fx.hour(0))
}

func onlyOpenHoursChange(fx *fixture) {
	_, err := fx.store.CompleteHours(fx.Context(), fx.hour(-1)) // without live nodes
	fx.must(err)
	fx.addCounts(fx.counted(1, "key_1", fx.hour(-5), 2, 0), fx.counted(2, "key_1", fx.hour(-1), 3, 0),
		fx.counted(3, "key_1", fx.hour(7), 0, 4))
	at := map[time.Time]usage.Sum{}
	span := usage.NewSpan(usage.Hours, fx.hour(-10), fx.hour(10))
	fx.must(fx.store.EachKeyCount(fx.Context(), "ten_1", "usr_1", "key_1", span, func(c usage.KeyCount) {
		at[c.Hour] = usage.Sum{Accepted: c.Accepted, Refused: c.Refused}
	}))
	if len(at) != 2 || at[fx.hour(-1)].Accepted != 5 || at[fx.hour(0)].Refused != 4 {
		fx.Errorf("%v", at)
	}
	fx.countedAre("what was moved", 5, 4)
}

func oldCountsAreDeleted(fx *fixture) {
	day := fx.clock.Now().Truncate(policy.Day)
	for i := range 10 {
		fx.addCounts(fx.counted(int64(i+1), "key_1", day.AddDate(0, 0, -i), 1, 0))
	}
	fx.must(fx.store.DeleteOldCounts(fx.Context(), usage.Retention{
		Hours: day.AddDate(0, 0, -2), KeyDays: day.AddDate(0, 0, -5), TenantDays: day.AddDate(0, 0, -8),
		Transports: day.AddDate(0, 0, 1),
	}))
	hourTenant, hourKeys := fx.sums(usage.Hours)
	dayTenant, dayKeys := fx.sums(usage.Days)
	got := []int64{hourTenant.Accepted, hourKeys.Accepted, dayTenant.Accepted, dayKeys.Accepted}
	if want := []int64{3, 3, 9, 6}; !slices.Equal(got, want) {
		fx.Errorf("left are %v, want %v", got, want)
	}
	if left, err := fx.store.KeyTransports(fx.Context(), "key_1"); len(left) != 0 || err != nil {
		fx.Errorf("%v, %v", left, err)
	}
}

func aRepairMovesCounts(fx *fixture) {
	fx.addCounts(fx.counted(1, "key_1", fx.hour(0), 1, 0))
	late := fx.clock.move(50 * time.Hour)
	fx.addCounts(fx.counted(2, "key_1", fx.hour(0), 2, 1), fx.counted(3, "key_1", fx.hour(-1), 4, 0))
	_, err := fx.store.CompleteHours(fx.Context(), fx.clock.Now())
	fx.must(err)
	now := fx.clock.move(-50 * time.Hour)
	_, err = fx.store.RepairClock(fx.Context(), principal.Operator(), now, late)
	fx.must(err)
	fx.countedAre("after the repair", 7, 1)
	complete, err := fx.store.CompleteUntil(fx.Context())
	fx.must(err)
	if !complete.Equal(fx.hour(0)) {
		fx.Errorf("complete until %v", complete)
	}
	next, err := fx.store.NextHour(fx.Context(), "ten_1", fx.hour(1))
	if !errors.Is(err, fault.NotFound) {
		fx.Errorf("counts are left ahead, at %v: %v", next, err)
	}
	fx.addCounts(fx.counted(4, "key_1", fx.hour(0), 1, 0))
	fx.countedAre("and goes on", 8, 1)
}

func keySumsArePaged(fx *fixture) {
	number := int64(0)
	add := func(owner ident.PartyID, key ident.KeyID, accepted int64) {
		number++
		b := fx.counted(number, key, fx.hour(0), accepted, 1)
		b.Keys[0].Owner = owner
		fx.addCounts(b)
	}
	add("usr_2", "key_2", 5)
	add("usr_1", "key_3", 0)
	add("usr_1", "key_1", 7)
	add("", "", 9)
	foreign := fx.counted(99, "key_9", fx.hour(0), 1, 1)
	foreign.Keys[0].Tenant, foreign.Transports[0].Tenant = "ten_2", "ten_2"
	fx.addCounts(foreign)
	span := usage.NewSpan(usage.Days, fx.hour(0), fx.hour(1))
	var got []ident.KeyID
	page := usage.KeyPage{Limit: 2}
	for {
		list, err := fx.store.KeySums(fx.Context(), "ten_1", "", span, page)
		fx.must(err)
		if len(list) == 0 {
			break
		}
		for _, k := range list {
			got = append(got, k.Key)
			page.AfterOwner, page.AfterKey = k.Owner, k.Key
		}
	}
	if want := []ident.KeyID{"", "key_1", "key_3", "key_2"}; !slices.Equal(got, want) {
		fx.Errorf("paged %q, want %q", got, want)
	}
	own, err := fx.store.KeySums(fx.Context(), "ten_1", "usr_1", span, usage.KeyPage{Limit: 10})
	if err != nil || len(own) != 2 || own[0].Key != "key_1" || own[0].Accepted != 7 {
		fx.Errorf("of one owner %+v, %v", own, err)
	}
	busy, used, err := fx.store.BusiestKeys(fx.Context(), "ten_1", "", span, 2)
	if err != nil || len(busy) != 2 || busy[0].Key != "" || busy[1].Key != "key_1" ||
		used != (usage.KeysUsed{Accepted: 2, Refused: 3}) {
		fx.Errorf("the busiest are %+v, %+v, %v", busy, used, err)
	}
	busy, used, err = fx.store.BusiestKeys(fx.Context(), "ten_1", "usr_2", span, 2)
	if err != nil || len(busy) != 1 || busy[0].Key != "key_2" || used != (usage.KeysUsed{Accepted: 1, Refused: 1}) {
		fx.Errorf("the busiest of one owner are %+v, %+v, %v", busy, used, err)
	}
	transports, err := fx.store.TransportsUsed(fx.Context(), "ten_1", fx.hour(0).Truncate(policy.Day))
	want := usage.TransportUsed{Transport: policy.Bearer, Keys: 3}
	if err != nil || len(transports) != 1 || transports[0] != want {
		fx.Errorf("%+v, %v", transports, err)
	}
	hour, err := fx.store.NextHour(fx.Context(), "ten_1", fx.hour(-30))
	fx.must(err)
	counts, err := fx.store.HourCounts(fx.Context(), "ten_1", hour,
		usage.KeyPage{AfterOwner: "usr_1", AfterKey: "key_1", Limit: 2})
	if err != nil || len(counts) != 2 || counts[0].Key != "key_3" || counts[1].Key != "key_2" {
		fx.Errorf("%+v, %v", counts, err)
	}
}

func aStatementHasEveryTenant(fx *fixture) {
	used, unused := fx.tenantWithCap(0), fx.tenantWithCap(0)
	b := fx.counted(1, "key_1", fx.hour(0), 3, 2)
	for i := range b.Tenants {
		b.Tenants[i].Tenant = used.ID
	}
	fx.addCounts(b)
	span := usage.NewSpan(usage.Days, fx.hour(0), fx.hour(1))
	sums, err := fx.store.TenantSums(fx.Context(), used.Account, span)
	fx.must(err)
	if i := slices.IndexFunc(sums, func(s usage.TenantSum) bool { return s.Tenant == used.ID }); i < 0 ||
		sums[i].Sum != (usage.Sum{Accepted: 3, Refused: 2}) {
		fx.Errorf("%+v", sums)
	}
	sums, err = fx.store.TenantSums(fx.Context(), unused.Account, span)
	fx.must(err)
	if i := slices.IndexFunc(sums, func(s usage.TenantSum) bool { return s.Tenant == unused.ID }); i < 0 ||
		sums[i].Sum != (usage.Sum{}) {
		fx.Errorf("%+v", sums)
	}
}

func countsAreNoChanges(fx *fixture) {
	before, err := fx.store.LastChange(fx.Context())
	fx.must(err)
	fx.addCounts(fx.counted(1, "key_1", fx.hour(0), 3, 2))
	after, err := fx.store.LastChange(fx.Context())
	fx.must(err)
	if before != after {
		fx.Errorf("the counts made change %d", after)
	}
}
