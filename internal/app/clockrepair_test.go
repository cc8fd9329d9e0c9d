package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// repairClock asks the operators' API of a node to put the time on record back.
func repairClock(t *testing.T, h *testkit.House, in api.RepairClockRequest) (r api.RepairClockResponse, err error) {
	t.Helper()
	err = h.Operator().Do(t.Context(), http.MethodPost, "/operator/v1/clock/repair", in, &r)
	return r, err
}

// setWatermark writes a time on record, as a node with a wrong clock did.
func setWatermark(t *testing.T, h *testkit.House, at time.Time) {
	t.Helper()
	execute(t, h, `DELETE FROM server_settings WHERE name = 'watermark'`)
	execute(t, h, `INSERT INTO server_settings (name, value) VALUES ('watermark', $1)`, fmt.Sprint(at.UnixMicro()))
}

func TestAnOperatorPutsABadTimeOnRecordBackWhereASecondClockAgrees(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k := h.Key(owner, tenant, "applications:read") // ends by the policy of 90 days
	named(t, owner, tenant, "Short key", new(h.Clock.Now().Add(24*time.Hour)))
	_, err := repairClock(t, h, api.RepairClockRequest{Time: new(h.Clock.Now())})
	expect(t, "a repair where nothing is wrong", err, api.Conflict)
	ahead := h.Clock.Now().AddDate(2, 0, 0)
	setWatermark(t, h, ahead)
	execute(t, h, `UPDATE sign_in_failures SET last_at = $1`, ahead.UnixMicro())
	h.Restart()
	inDoubt(t, h, "the latest time on record")
	_, err = repairClock(t, h, api.RepairClockRequest{})
	expect(t, "a repair on the word of one clock", err, api.Conflict)
	_, err = repairClock(t, h, api.RepairClockRequest{Time: new(h.Clock.Now().Add(time.Hour))})
	expect(t, "a repair where two clocks differ", err, api.Conflict)
	done := must[api.RepairClockResponse](t)(repairClock(t, h, api.RepairClockRequest{Time: new(h.Clock.Now())}))
	if done.MayReviveKeys != 2 || done.From.Sub(ahead).Abs() > time.Second || done.To.Sub(h.Clock.Now()).Abs() > time.Second {
		t.Errorf("%+v, want two keys", done)
	}
	for range 2 {
		if got := codeOf(t, h.With(k)); got != "" {
			t.Errorf("after the repair the key is %q", got)
		}
		h.Restart()
	}
	if n := counted(t, h, `SELECT COUNT(*) FROM audit_events WHERE action = 'clock.repair' AND actor_type = 'operator' AND details LIKE '%"may_revive_keys":"2"%'`); n != 1 {
		t.Errorf("%d events tell of the repair and of what it may revive", n)
	}
	if detail := notReady(t, h); detail != "" {
		t.Errorf("after the repair: %s", detail)
	}
}

func TestARepairOnOneNodeEndsTheDoubtOfAllNodes(t *testing.T) {
	t.Parallel()
	p := twoNodes(t, direct)
	setWatermark(t, p.here, p.here.Clock.Now().AddDate(2, 0, 0))
	for _, h := range []*testkit.House{p.here, p.there} {
		h.Clock.Move(5 * time.Second)
		inDoubt(t, h, "the latest time on record")
	}
	p.here.Clock.Step(time.Hour)
	_, err := repairClock(t, p.here, api.RepairClockRequest{})
	expect(t, "a repair by a machine whose clock the database's does not agree with", err, api.Conflict)
	p.here.Clock.Step(-time.Hour)
	must[api.RepairClockResponse](t)(repairClock(t, p.here, api.RepairClockRequest{}))
	if got := codeOf(t, p.here.With(p.key)); got != "" {
		t.Errorf("where the record was repaired the key is %q", got)
	}
	await(t, func() string { return trusted(t, p.there) })
	if code := p.judge(); code != api.OK {
		t.Errorf("on the other node the key is %s", code)
	}
}

// The clock was two years ahead when the machine was started, and the node went by it.
func TestTimeGoesOnAfterTheRepairOfABadStart(t *testing.T) {
	t.Parallel()
	boot := "first"
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.Boot = boot })
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.RequestsPerMinute = 0, 60 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	old := h.Key(h.As(person), tenant, "applications:read")
	boot = "second"
	h.Clock.Step(2 * 365 * policy.Day)
	h.Restart()
	k := h.Key(h.As(person), tenant, "applications:read")
	if got := codeOf(t, h.With(k)); got != "" {
		t.Fatalf("in the future a key of the future is %q", got)
	}
	h.Clock.Step(-2 * 365 * policy.Day)
	if got := codeOf(t, h.With(k)); got != api.Unavailable {
		t.Errorf("after the step back the key is %q", got)
	}
	done := must[api.RepairClockResponse](t)(repairClock(t, h, api.RepairClockRequest{Time: new(h.Clock.Now())}))
	if done.ChangesAhead == 0 || done.SessionsEnded != 1 || done.MayReviveKeys != 1 {
		t.Errorf("%+v", done)
	}
	for name, c := range map[string]api.IssuedKey{"of before": old, "of the future": k} {
		if got := codeOf(t, h.With(c)); got != "" {
			t.Errorf("after the repair a key %s is %q", name, got)
		}
	}
	for _, column := range []string{"keys.created_at", "keys.secret_set_at", "key_uses.last_used_at", "sessions.last_seen_at", "users.updated_at", "sign_in_places.seen_at"} {
		table, name, _ := strings.Cut(column, ".")
		if n := counted(t, h, `SELECT COUNT(*) FROM `+table+` WHERE `+name+` > $1`, h.Clock.Now().Add(time.Minute).UnixMicro()); n != 0 {
			t.Errorf("%s: %d are in the future still", column, n)
		}
	}
	owner := h.As(person)
	h.Clock.Move(91 * policy.Day)
	expect(t, "a session nobody used for 91 days", second(owner.Me(t.Context())), api.APIKeyInvalid)
	if got := codeOf(t, h.With(k)); got != api.APIKeyExpired {
		t.Errorf("91 days later the key is %q", got)
	}
}
