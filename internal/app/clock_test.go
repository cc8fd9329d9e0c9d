package app_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// onRecord returns everything on record about the time.
func onRecord(t *testing.T, h *testkit.Server) string {
	t.Helper()
	var events int
	var at, seen, used int64
	var mark string
	row := h.Beside().QueryRowContext(t.Context(),
		`SELECT (SELECT COUNT(*) FROM audit_events), (SELECT MAX(at) FROM audit_events),
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
				k := testkit.NamedKey(t, owner, tenant, "Short key", new(h.Clock.Now().Add(time.Hour)))
				verifier := h.Verifier()
				testkit.Exec(t, h,
					`INSERT INTO server_settings (name, value) VALUES ('watermark', '1') ON CONFLICT (name) DO NOTHING`)
				ask := func(what string, want api.Code) {
					t.Helper()
					_, err := h.With(k).Whoami(t.Context())
					testkit.ExpectCode(t, what+": the key itself", err, want)
					_, err = verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
					testkit.ExpectCode(t, what+": a verification", err, want)
					_, err = owner.Me(t.Context())
					testkit.ExpectCode(t, what+": a session", err, want)
				}
				h.Clock.Step(step)
				ask("after the step", api.Unavailable)
				before := onRecord(t, h)
				testkit.AwaitClockDoubt(t, h, "")
				_, err := owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "")
				testkit.ExpectCode(t, "a change", err, api.Unavailable)
				_, _, err = h.Anyone().SignIn(t.Context(), h.Owner.Email, testkit.Password)
				testkit.ExpectCode(t, "a sign-in", err, api.Unavailable)
				testkit.Await(t, func() string { // the jobs run on
					if testkit.Scrape(t, h)[`claviger_job_runs_total{task="watermark"}`] > 12 {
						return "run"
					}
					return ""
				})
				if after := onRecord(t, h); after != before {
					t.Errorf("recorded in doubt:\n%s, before\n%s", after, before)
				}
				h.Clock.Step(-step)
				ask("before ten seconds are over", api.Unavailable)
				testkit.Await(t, func() string { return testkit.ClockTrusted(t, h) })
				ask("once the clocks agree", "")
			})
		})
	}
}

func TestANodeNeitherRecordsABadTimeOfItsOwnNorFollowsOneOfAnother(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	p.First.Clock.Step(2 * time.Hour) // its own clock alone
	_, err := p.Admin.EditTenant(t.Context(), string(p.Tenant.ID), api.UpdateTenantRequest{})
	testkit.ExpectCode(t, "a change on the node whose clock is wrong", err, api.Unavailable)
	testkit.AwaitClockDoubt(t, p.First, "the machine's clock")
	if code := p.VerifyCode(); code != api.OK || testkit.NotReady(t, p.Second) != "" {
		t.Errorf("one node's wrong clock makes another say %s; %s", code, testkit.NotReady(t, p.Second))
	}
	p.First.Clock.Step(-2 * time.Hour)
	testkit.Await(t, func() string { return testkit.ClockTrusted(t, p.First) })
	p.First.Clock.Move(2 * time.Hour) // where its database is wrong with it, as an old version did anyway
	p.First.Application(p.Tenant, "Any change")
	p.ExpectRefusedOnSecond(t, api.Unavailable)
	testkit.AwaitClockDoubt(t, p.Second, "ahead of the machine's clock")
	p.Second.Clock.Move(2 * time.Hour) // time has caught up
	testkit.Await(t, func() string { return testkit.ClockTrusted(t, p.Second) })
	if code := p.VerifyCode(); code != api.OK {
		t.Errorf("the key is %s", code)
	}
}

func TestANodeThatStartsOnARecordFarAheadDecidesAndForgetsNothing(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main tenant", nil)
		k := h.Key(h.As(h.Member(tenant, "Key Owner", scope.Member)), tenant, "applications:read") // expires in 90 days
		ahead := h.Clock.Now().AddDate(2, 0, 0)
		testkit.Exec(t, h, `DELETE FROM server_settings WHERE name = 'watermark'`)
		testkit.Exec(t, h, `INSERT INTO server_settings (name, value) VALUES ('watermark', $1)`,
			fmt.Sprint(ahead.UnixMicro()))
		h.Restart()
		testkit.AwaitClockDoubt(t, h, "the latest time on record is "+ahead.UTC().Format(time.RFC3339))
		_, err := h.With(k).Whoami(t.Context())
		testkit.ExpectCode(t, "a key", err, api.Unavailable)
		ran(t, h, "expired_keys")
		forgottenNothing(t, h)
	})
}

// The doubt is answered like every request, and the body of the request is not waited for.
func TestTheAnswerInDoubtHasTheHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	h.Config.Server.BaseURL = "https://keys.example.com"
	h.Restart()
	headers := func(want int) http.Header {
		t.Helper()
		resp := testkit.RawRequest(t, "tcp", h.Address, http.MethodPatch, "PATCH /api/v1/me HTTP/1.1\r\n"+
			"Host: keys.example.com\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{")
		if resp.StatusCode != want || !resp.Close {
			t.Fatalf("%s, closed %t, want %d", resp.Status, resp.Close, want)
		}
		return resp.Header
	}
	trusted := headers(http.StatusUnauthorized)
	h.Clock.Step(48 * time.Hour)
	doubt := headers(http.StatusServiceUnavailable)
	for _, name := range []string{
		"Content-Security-Policy", "Strict-Transport-Security", "Referrer-Policy", "X-Content-Type-Options",
		"Cache-Control", "Content-Type",
	} {
		if got := doubt.Get(name); got == "" || got != trusted.Get(name) {
			t.Errorf("%s: %q in doubt, %q else", name, got, trusted.Get(name))
		}
	}
	if doubt.Get("X-Request-Id") == "" {
		t.Errorf("in doubt: %v", doubt)
	}
}

// ran waits until a job has run.
func ran(t *testing.T, h *testkit.Server, job string) {
	t.Helper()
	testkit.Await(t, func() string {
		if testkit.Scrape(t, h)[`claviger_job_runs_total{task="`+job+`"}`] > 0 {
			return "run"
		}
		return ""
	})
}

// forgottenNothing fails the test unless every key still has its secret, and every session exists.
func forgottenNothing(t *testing.T, h *testkit.Server) {
	t.Helper()
	if n := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM key_secrets WHERE digest IS NULL`); n != 0 {
		t.Errorf("%d digests are gone", n)
	}
	if n := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM sessions`); n == 0 {
		t.Error("the sessions are gone")
	}
}

// A start after the machine was down cannot know for how long, and trusts the clock.
func TestAStartWithABadClockRemovesNoMoreThanTheTimeThatPassedAllows(t *testing.T) {
	boot := "first"
	h := testkit.StartWith(t, testkit.SQLite, func(o *app.Options) { o.Machine.Boot = boot })
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
	testkit.ExpectCode(t, "a key, by a clock that is two years ahead", err, api.APIKeyExpired)
	h.Clock.Move(policy.Day) // a day in which nobody sees to the clock
	sweepAll(t, h)
	if n := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM key_secrets WHERE digest IS NULL`); n != 0 {
		t.Errorf("%d digests are gone after a day", n)
	}
}

// sweepAll runs the jobs that remove something.
func sweepAll(t *testing.T, h *testkit.Server) {
	t.Helper()
	for _, pass := range []func(context.Context) error{
		h.KeySweeper.ForgetExpired, h.KeySweeper.DeleteUnclaimed, h.KeySweeper.DisableIdle,
		h.ManagementKeys.ForgetExpired,
		h.Sessions.Sweep, h.Notices.Plan,
	} {
		testkit.NoError(t, pass(t.Context()))
	}
}
