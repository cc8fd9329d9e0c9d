package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// setWatermark records a time, as a node with a wrong clock does.
func setWatermark(t *testing.T, h *testkit.Server, at time.Time) {
	t.Helper()
	testkit.Exec(t, h, `DELETE FROM server_settings WHERE name = 'watermark'`)
	testkit.Exec(t, h, `INSERT INTO server_settings (name, value) VALUES ('watermark', $1)`, fmt.Sprint(at.UnixMicro()))
}

func TestAnOperatorPutsABadTimeOnRecordBackWhereASecondClockAgrees(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read") // ends by the policy of 90 days
	testkit.NamedKey(t, owner, tenant, "Short key", new(h.Clock.Now().Add(24*time.Hour)))
	_, err := testkit.RepairClock(t, h, api.RepairClockRequest{Time: new(h.Clock.Now())})
	testkit.ExpectCode(t, "a repair where nothing is wrong", err, api.Conflict)
	ahead := h.Clock.Now().AddDate(2, 0, 0)
	setWatermark(t, h, ahead)
	testkit.Exec(t, h, `UPDATE sign_in_failures SET last_at = $1`, ahead.UnixMicro())
	h.Restart()
	testkit.AwaitClockDoubt(t, h, "the latest time on record")
	_, err = testkit.RepairClock(t, h, api.RepairClockRequest{})
	testkit.ExpectCode(t, "a repair on the word of one clock", err, api.Conflict)
	_, err = testkit.RepairClock(t, h, api.RepairClockRequest{Time: new(h.Clock.Now().Add(time.Hour))})
	testkit.ExpectCode(t, "a repair where two clocks differ", err, api.Conflict)
	done := testkit.Must[api.RepairClockResponse](t)(testkit.RepairClock(t, h,
		api.RepairClockRequest{Time: new(h.Clock.Now())}))
	if done.MayReviveKeys != 2 || done.From.Sub(ahead).Abs() > time.Second ||
		done.To.Sub(h.Clock.Now()).Abs() > time.Second {
		t.Errorf("%+v, want two keys", done)
	}
	for range 2 {
		if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
			t.Errorf("after the repair the key is %q", got)
		}
		h.Restart()
	}
	if n := testkit.QueryInt(t, h,
		`SELECT COUNT(*) FROM audit_events
		WHERE action = 'clock.repair' AND actor_type = 'operator' AND details LIKE '%"may_revive_keys":"2"%'`); n != 1 {
		t.Errorf("%d events tell of the repair and of what it may revive", n)
	}
	if detail := testkit.NotReady(t, h); detail != "" {
		t.Errorf("after the repair: %s", detail)
	}
}

func TestARepairOnOneNodeEndsTheDoubtOfAllNodes(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	setWatermark(t, p.First, p.First.Clock.Now().AddDate(2, 0, 0))
	for _, h := range []*testkit.Server{p.First, p.Second} {
		h.Clock.Move(5 * time.Second)
		testkit.AwaitClockDoubt(t, h, "the latest time on record")
	}
	p.First.Clock.Step(time.Hour)
	_, err := testkit.RepairClock(t, p.First, api.RepairClockRequest{})
	testkit.ExpectCode(t, "a repair by a machine whose clock the database's does not agree with", err, api.Conflict)
	p.First.Clock.Step(-time.Hour)
	testkit.Must[api.RepairClockResponse](t)(testkit.RepairClock(t, p.First, api.RepairClockRequest{}))
	if got := testkit.WhoamiCode(t, p.First.With(p.Key)); got != "" {
		t.Errorf("where the record was repaired the key is %q", got)
	}
	testkit.Await(t, func() string { return testkit.ClockTrusted(t, p.Second) })
	if code := p.VerifyCode(); code != api.OK {
		t.Errorf("on the other node the key is %s", code)
	}
}

// The clock is two years ahead when the machine starts, and the node trusts it.
func TestTimeGoesOnAfterTheRepairOfABadStart(t *testing.T) {
	t.Parallel()
	boot := "first"
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.Machine.Boot = boot })
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.RequestsPerMinute = 0, 60 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	old := h.Key(h.As(person), tenant, "applications:read")
	boot = "second"
	h.Clock.Step(2 * 365 * policy.Day)
	h.Restart()
	k := h.Key(h.As(person), tenant, "applications:read")
	if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
		t.Fatalf("in the future a key of the future is %q", got)
	}
	h.Clock.Step(-2 * 365 * policy.Day)
	if got := testkit.WhoamiCode(t, h.With(k)); got != api.Unavailable {
		t.Errorf("after the step back the key is %q", got)
	}
	done := testkit.Must[api.RepairClockResponse](t)(testkit.RepairClock(t, h,
		api.RepairClockRequest{Time: new(h.Clock.Now())}))
	if done.ChangesAhead == 0 || done.SessionsEnded != 1 || done.MayReviveKeys != 1 {
		t.Errorf("%+v", done)
	}
	for name, c := range map[string]api.IssuedKey{"of before": old, "of the future": k} {
		if got := testkit.WhoamiCode(t, h.With(c)); got != "" {
			t.Errorf("after the repair a key %s is %q", name, got)
		}
	}
	for _, column := range []string{
		"keys.created_at", "keys.secret_set_at", "key_uses.last_used_at",
		"sessions.last_seen_at", "users.updated_at", "sign_in_places.seen_at",
	} {
		table, name, _ := strings.Cut(column, ".")
		if n := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM `+table+` WHERE `+name+` > $1`,
			h.Clock.Now().Add(time.Minute).UnixMicro()); n != 0 {
			t.Errorf("%s: %d are in the future still", column, n)
		}
	}
	owner := h.As(person)
	h.Clock.Move(91 * policy.Day)
	testkit.ExpectCode(t, "a session nobody used for 91 days", testkit.ErrorOf(owner.Me(t.Context())), api.SessionEnded)
	if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyExpired {
		t.Errorf("91 days later the key is %q", got)
	}
}

// futureStart starts a server with a trusted clock that is two years ahead. The function that it
// returns corrects the clock and repairs the record.
func futureStart(t *testing.T) (h *testkit.Server, repair func()) {
	t.Helper()
	boot := "first"
	h = testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.Machine.Boot = boot })
	boot = "second"
	h.Clock.Step(2 * 365 * policy.Day)
	h.Restart()
	return h, func() {
		t.Helper()
		h.Clock.Step(-2 * 365 * policy.Day)
		testkit.AwaitClockDoubt(t, h, "stepped back")
		testkit.Must[api.RepairClockResponse](t)(testkit.RepairClock(t, h,
			api.RepairClockRequest{Time: new(h.Clock.Now())}))
		h.Clock.Move(time.Second)
	}
}

func TestWhoWasRemovedAfterARepairOfTheClockStaysSoThroughARestoreOfABackupOfBefore(t *testing.T) {
	t.Parallel()
	h, repair := futureStart(t)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	k := h.Key(h.As(person), tenant, "applications:read")
	officer := h.Member(tenant, "Account Admin", scope.Member)
	owner := h.As(h.Owner)
	if _, err := owner.SetAccountMember(t.Context(), string(tenant.Account), string(officer.ID), "admin"); err != nil {
		t.Fatal(err)
	}
	b := testkit.Backup(t, h)
	repair()
	owner = h.As(h.Owner)
	if err := owner.RemoveMember(t.Context(), string(tenant.ID), string(person.ID)); err != nil {
		t.Fatal(err)
	}
	if err := owner.RemoveAccountMember(t.Context(), string(tenant.Account), string(officer.ID)); err != nil {
		t.Fatal(err)
	}
	c := testkit.RestoreTarget(t, h, testkit.SQLite)
	r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
	if err != nil || !r.Covered || r.Revocations.Members != 1 || r.Revocations.AccountMembers != 1 || !r.RepairTime {
		t.Fatalf("%+v, %v; want a member and an officer taken away, and a time to repair", r, err)
	}
	h.Move(c)
	testkit.Must[api.RepairClockResponse](t)(testkit.RepairClock(t, h,
		api.RepairClockRequest{Time: new(h.Clock.Now())}))
	h.Clock.Move(time.Second)
	if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyRevoked {
		t.Errorf("the key of a person who was removed is %q", got)
	}
}

func TestABackupOfAfterARepairOfTheClockIsRestoredAtThePresent(t *testing.T) {
	t.Parallel()
	h, repair := futureStart(t)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person := h.Member(tenant, "Key Owner", scope.Admin)
	revoked := h.Key(h.As(person), tenant, "applications:read")
	// the journal has it two years ahead
	testkit.Must[*api.Key](t)(h.As(person).RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""))
	repair()
	good := h.Key(h.As(person), tenant, "applications:read")
	b := testkit.Backup(t, h)
	c := testkit.RestoreTarget(t, h, testkit.SQLite)
	r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
	if err != nil || r.At.Sub(h.Clock.Now()).Abs() > time.Minute || r.RepairTime {
		t.Fatalf("restored at %s, and it is %s: %+v, %v", r.At, h.Clock.Now(), r, err)
	}
	h.Move(c)
	if got := testkit.WhoamiCode(t, h.With(good)); got != "" {
		t.Errorf("a good key is %q after the restore", got)
	}
}

func TestARepairOfTheClockMayTakeLongerThanAChange(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.Postgres)
	for _, statement := range []string{
		`CREATE TABLE bounds_of_repair (seconds INT)`,
		`CREATE FUNCTION note_bounds() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO bounds_of_repair VALUES (EXTRACT(epoch FROM current_setting('statement_timeout')::interval));
			RETURN NULL; END $$`,
		`CREATE TRIGGER note_bounds AFTER UPDATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION note_bounds()`,
	} {
		testkit.Exec(t, h, statement)
	}
	setWatermark(t, h, h.Clock.Now().AddDate(2, 0, 0))
	h.Clock.Move(5 * time.Second)
	testkit.AwaitClockDoubt(t, h, "the latest time on record")
	testkit.Must[api.RepairClockResponse](t)(testkit.RepairClock(t, h, api.RepairClockRequest{}))
	if least := testkit.QueryInt(t, h, `SELECT MIN(seconds) FROM bounds_of_repair`); least < 600 {
		t.Errorf("a statement of the repair may take %d s, and the repair ten minutes", least)
	}
}
