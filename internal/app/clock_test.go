package app_test

import (
	"context"
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

// trusted lets a second pass and returns "trusted" once the node is ready again.
func trusted(t *testing.T, h *testkit.House) string {
	t.Helper()
	if notReady(t, h) == "" {
		return "trusted"
	}
	h.Clock.Move(time.Second)
	return ""
}

// inDoubt waits until the node is not ready because of its clock, and demands that readyz says why.
func inDoubt(t *testing.T, h *testkit.House, reason string) {
	t.Helper()
	detail := await(t, func() string { return notReady(t, h) })
	if !strings.Contains(detail, "clock (it is in doubt: ") || !strings.Contains(detail, reason) {
		t.Errorf("readyz says %q, want the clock and %q", detail, reason)
	}
}

// onRecord returns all that is on record about the time.
func onRecord(t *testing.T, h *testkit.House) string {
	t.Helper()
	var events int
	var at, seen, used int64
	var mark string
	row := h.Beside().QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM audit_events), (SELECT MAX(at) FROM audit_events),
		(SELECT value FROM server_settings WHERE name = 'watermark'),
		(SELECT MAX(last_seen_at) FROM sessions), (SELECT COALESCE(MAX(last_used_at), 0) FROM key_uses)`)
	if err := row.Scan(&events, &at, &mark, &seen, &used); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(events, " ", at, " ", mark, " ", seen, " ", used)
}

func TestWhileTheClockIsInDoubtNothingIsDecidedAndNothingRecordedUntilAllClocksAgreeAgain(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]time.Duration{"forward": 48 * time.Hour, "back": -48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
				h := testkit.Start(t, e)
				tenant := h.Tenant("Main tenant", nil)
				owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
				k := named(t, owner, tenant, "Short key", new(h.Clock.Now().Add(time.Hour)))
				verifier := h.Verifier()
				execute(t, h, `INSERT INTO server_settings (name, value) VALUES ('watermark', '1') ON CONFLICT (name) DO NOTHING`)
				ask := func(what string, want api.Code) {
					t.Helper()
					_, err := h.With(k).Whoami(t.Context())
					expect(t, what+": the key itself", err, want)
					_, err = verifier.Verify(t.Context(), api.VerifyRequest{Credential: *k.Credential.Value})
					expect(t, what+": a verification", err, want)
					_, err = owner.Me(t.Context())
					expect(t, what+": a session", err, want)
				}
				h.Clock.Step(step)
				ask("after the step", api.Unavailable)
				before := onRecord(t, h)
				inDoubt(t, h, "")
				_, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "")
				expect(t, "a change", err, api.Unavailable)
				_, _, err = h.Anyone().SignIn(t.Context(), h.Owner.Email, testkit.Password)
				expect(t, "a sign-in", err, api.Unavailable)
				await(t, func() string { // the jobs run on
					if scrape(t, h)[`claviger_job_runs_total{task="watermark"}`] > 12 {
						return "run"
					}
					return ""
				})
				if after := onRecord(t, h); after != before {
					t.Errorf("recorded in doubt:\n%s, before\n%s", after, before)
				}
				h.Clock.Step(-step)
				ask("before ten seconds are over", api.Unavailable)
				await(t, func() string { return trusted(t, h) })
				ask("once the clocks agree", "")
			})
		})
	}
}

func TestANodeNeitherRecordsABadTimeOfItsOwnNorFollowsOneOfAnother(t *testing.T) {
	t.Parallel()
	p := twoNodes(t, direct)
	p.here.Clock.Step(2 * time.Hour) // its own clock alone
	_, err := p.admin.EditTenant(t.Context(), string(p.tenant.ID), api.TenantPatch{})
	expect(t, "a change on the node whose clock is wrong", err, api.Unavailable)
	inDoubt(t, p.here, "the machine's clock")
	if code := p.judge(); code != api.OK || notReady(t, p.there) != "" {
		t.Errorf("one node's wrong clock makes another say %s; %s", code, notReady(t, p.there))
	}
	p.here.Clock.Step(-2 * time.Hour)
	await(t, func() string { return trusted(t, p.here) })
	p.here.Clock.Move(2 * time.Hour) // where its database is wrong with it, as an old version did anyway
	p.here.Application(p.tenant, "Any change")
	p.refusedThere(t, api.Unavailable)
	inDoubt(t, p.there, "ahead of the machine's clock")
	p.there.Clock.Move(2 * time.Hour) // time has caught up
	await(t, func() string { return trusted(t, p.there) })
	if code := p.judge(); code != api.OK {
		t.Errorf("the key is %s", code)
	}
}

func TestANodeThatStartsOnARecordFarAheadDecidesAndForgetsNothing(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main tenant", nil)
		k := h.Key(h.As(h.Member(tenant, "Key Owner", scope.Member)), tenant, "applications:read") // expires in 90 days
		ahead := h.Clock.Now().AddDate(2, 0, 0)
		execute(t, h, `DELETE FROM server_settings WHERE name = 'watermark'`)
		execute(t, h, `INSERT INTO server_settings (name, value) VALUES ('watermark', $1)`, fmt.Sprint(ahead.UnixMicro()))
		h.Restart()
		inDoubt(t, h, "the latest time on record is "+ahead.UTC().Format(time.RFC3339))
		_, err := h.With(k).Whoami(t.Context())
		expect(t, "a key", err, api.Unavailable)
		ran(t, h, "expired_keys")
		forgottenNothing(t, h)
	})
}

// ran waits until a job has run.
func ran(t *testing.T, h *testkit.House, job string) {
	t.Helper()
	await(t, func() string {
		if scrape(t, h)[`claviger_job_runs_total{task="`+job+`"}`] > 0 {
			return "run"
		}
		return ""
	})
}

// forgottenNothing demands that every key still has what proves it, and every session is there.
func forgottenNothing(t *testing.T, h *testkit.House) {
	t.Helper()
	if n := counted(t, h, `SELECT COUNT(*) FROM key_secrets WHERE digest IS NULL`); n != 0 {
		t.Errorf("%d digests are gone", n)
	}
	if n := counted(t, h, `SELECT COUNT(*) FROM sessions`); n == 0 {
		t.Error("the sessions are gone")
	}
}

// A start after the machine was down cannot know how long that was, and believes its clock.
func TestAStartWithABadClockRemovesNoMoreThanTheTimeThatPassedAllows(t *testing.T) {
	boot := "first"
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.Boot = boot })
	tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	person := h.Member(tenant, "Key Owner", scope.Member)
	k := h.Key(h.As(person), tenant, "applications:read")
	boot = "second"
	h.Clock.Step(2 * 365 * policy.Day)
	h.Restart()
	for range 3 { // started again and again
		ran(t, h, "expired_keys")
		sweepAll(t, h)
		forgottenNothing(t, h)
		h.Restart()
	}
	_, err := h.With(k).Whoami(t.Context())
	expect(t, "a key, by a clock that is two years ahead", err, api.APIKeyExpired)
	h.Clock.Move(policy.Day) // a day in which nobody sees to the clock
	sweepAll(t, h)
	if n := counted(t, h, `SELECT COUNT(*) FROM key_secrets WHERE digest IS NULL`); n != 0 {
		t.Errorf("%d digests are gone after a day", n)
	}
}

// sweepAll runs the jobs that remove things, as their turns would.
func sweepAll(t *testing.T, h *testkit.House) {
	t.Helper()
	for _, pass := range []func(context.Context) error{h.Keys.ForgetExpired, h.Keys.DropUnclaimed, h.Keys.DisableIdle, h.Sessions.Sweep, h.Notices.Plan} {
		succeed(t, pass(t.Context()))
	}
}
