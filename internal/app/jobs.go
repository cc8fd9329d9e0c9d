package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/claviger-dev/claviger/internal/job"
	"github.com/claviger-dev/claviger/internal/usage"
)

// jobRow is a row of the table of jobs: what runs periodically, and when.
type jobRow struct {
	// name of the job in logs and metrics.
	name string
	// every is the time between two runs.
	every time.Duration
	// needed says whether the node's readiness depends on the job.
	needed need
	// when says on what a run waits or is left out.
	when condition
	// here is false where the database needs no such job.
	here bool
	run  func(context.Context) error
}

// need says whether the node's readiness depends on a job.
type need bool

const (
	// required jobs keep decisions correct. If one fails for longer than Options.JobGrace, the node
	// is not ready. The first run comes after the interval.
	required need = true
	// optional jobs may be late. The first run comes at once.
	optional need = false
)

// condition says when a job may run.
type condition int

const (
	// always: at every interval.
	always condition = iota
	// onceAnswering: the first run waits until every listener answers.
	onceAnswering
	// clockTrusted: a run is left out while the clock is in doubt. For jobs that record something.
	clockTrusted
	// nodeReady: a run is left out while any check of readyz fails. For jobs that cannot be undone.
	nodeReady
)

// jobTable returns everything that a node does periodically.
func (a *App) jobTable() []jobRow {
	shared := a.Store.Shared() // PostgreSQL, which other nodes may share
	return []jobRow{
		// Bounds how far a clock that goes back can bring a key back to life (watermarkEvery).
		{"watermark", clockEvery, required, always, true, a.clock.sync},
		// Bounds how long a server key of another node is unknown here; see serverKeyDelay.
		{"server_keys", 5 * time.Second, required, always, true, a.syncServerKeys},
		// Bounds how long the journal may lack a change that was committed and could not be
		// answered.
		{"revocations", 10 * time.Second, required, always, true, a.journal.catchUp},
		// Bounds how long a change of another node is unseen where its announcement is lost.
		{"changes", feedEvery, required, always, shared, a.readFeed},

		// Bounds how late a change of the file of rules counts.
		{"route_file", time.Second, optional, always, a.routes.file != nil, a.routes.file.reload},

		// Makes the first use of a key since a minute visible on every node within two seconds, the
		// write included.
		{"last_uses", usage.WriteEvery, optional, clockTrusted, true, a.writeUses},
		// Makes visible on every node, within a second, what a newly shown key does.
		{"watched_keys", 400 * time.Millisecond, optional, clockTrusted, true, a.Watches.Sync},
		// Bounds how long somebody waits for the link by which they set a new password.
		{"password_resets", time.Second, optional, clockTrusted, true, a.Identity.MailResets},
		// Bounds which counts of requests are lost if the process is killed.
		{"usage", usage.FlushEvery, optional, clockTrusted, true, a.Counters.Flush},
		{"send_notices", 3 * time.Second, optional, clockTrusted, true, a.Notices.SendDue},
		{"idle_memory", 5 * time.Second, optional, always, true, newMemory().adjust},
		{"rewrap", 5 * time.Second, optional, clockTrusted, true, a.ServerKeys.RunOnce},
		{"disk_reserve", 10 * time.Second, optional, onceAnswering, true, a.disk.keepReserve},
		// Bounds how long SQLite's WAL holds what was deleted.
		{"checkpoint", 10 * time.Second, optional, onceAnswering, !shared, a.Store.Checkpoint},

		// Bounds how late a notice of an expiry is planned, and so what "at once" means after a
		// change of policy.
		{"plan_notices", time.Minute, optional, clockTrusted, true, a.Notices.Plan},
		// These four apply what a key's age asks for.
		{"unclaimed_keys", time.Minute, optional, nodeReady, true, a.KeySweeper.DeleteUnclaimed},
		{"expired_keys", time.Minute, optional, nodeReady, true, a.KeySweeper.ForgetExpired},
		{"expired_management_keys", time.Minute, optional, nodeReady, true, a.ManagementKeys.ForgetExpired},
		{"idle_keys", time.Minute, optional, nodeReady, true, a.KeySweeper.DisableIdle},
		// Writes what already holds: the keys of an owner that ended are revoked.
		{"ended_owners", 2 * time.Second, optional, clockTrusted, true, a.EndedOwners.RevokeKeys},
		// Writes what searches need of an older version's data. Afterwards a run costs nothing.
		{"search_words", 2 * time.Second, optional, onceAnswering, true, a.Store.FillSearch},
		// These compute what the console shows of whole tenants, when somebody looks at one.
		{"console_counts", time.Second, optional, onceAnswering, true, a.ConsoleNumbers.RunCounts},
		{"console_health", time.Second, optional, onceAnswering, true, a.ConsoleNumbers.RunHealth},
		// These only free room.
		{"rate_limits", time.Minute, optional, always, true, a.sweepLimits},
		{"dead_sessions", time.Minute, optional, nodeReady, true, a.Sessions.Sweep},
		{"old_links", time.Minute, optional, nodeReady, true, a.Tenancy.RemoveOldLinks},
		// Publishes the next key that signs JWTs, a day before it signs.
		{"signing_keys", time.Hour, optional, nodeReady, true, a.Tokens.RotateSigningKeys},
		{"revoked_tokens", time.Minute, optional, nodeReady, true, a.Tokens.Sweep},
		{"old_usage", 24 * time.Hour, optional, nodeReady, true, a.removeOldUsage},
		{"orphan_uses", time.Minute, optional, onceAnswering, true, (&usage.Orphans{Store: a.Store}).Remove},
		{"old_failures", time.Minute, optional, nodeReady, true, a.Identity.RemoveOldFailures},
		{"journal_compaction", time.Minute, optional, always, true, a.journal.Compact},

		// Refreshes the planner's statistics of tables that grew or shrank by a tenth. Where none
		// did, a run costs next to nothing.
		{"statistics", time.Hour, optional, onceAnswering, !a.Store.Analyzes(), a.Store.Analyze},
		{"audit_head", 24 * time.Hour, optional, always, true, a.newAuditHeadLogger()},
	}
}

// syncServerKeys reads the versions of server keys on record.
func (a *App) syncServerKeys(ctx context.Context) error {
	_, err := a.ServerKeys.Sync(ctx)
	return err
}

func (a *App) writeUses(ctx context.Context) error {
	return a.Usage.WriteDue(ctx, a.Store, a.clock.Now())
}

func (a *App) removeOldUsage(ctx context.Context) error {
	return a.Counters.RemoveOld(ctx, a.clock.Horizon())
}

// sweepLimits forgets the limits of callers who are idle.
func (a *App) sweepLimits(context.Context) error {
	now := a.clock.Now().UnixNano()
	a.Limiter.Sweep(now)
	a.VerifierLimiter.Sweep(now)
	a.web.Changes.Sweep()
	a.web.Authenticator.ManagementKeys.Sweep()
	return nil
}

// newAuditHeadLogger returns a job that logs the state of the audit trail, for those who keep the
// log elsewhere. Its first run logs nothing: the command that starts a server has logged the state.
func (a *App) newAuditHeadLogger() func(context.Context) error {
	started := false
	return func(ctx context.Context) error {
		if !started {
			started = true
			return nil
		}
		state, err := a.Store.AuditState(ctx)
		if err == nil {
			a.options.Log.Info("audit trail", "head", state.String())
		}
		return err
	}
}

// jobConditions returns what the conditions of the table ask.
func (a *App) jobConditions() jobConditions {
	return jobConditions{
		answering:    a.listeners.answering,
		clockTrusted: func() bool { return a.clock.Check() == nil },
		nodeReady:    func(ctx context.Context) bool { return notReady(a.checkReadiness(ctx)) == nil },
	}
}

// jobConditions are the answers to the conditions of jobs.
type jobConditions struct {
	answering    <-chan struct{} // closed once every listener answers
	clockTrusted func() bool
	nodeReady    func(context.Context) bool
}

// apply returns run under the condition.
func (c jobConditions) apply(when condition, run func(context.Context) error) func(context.Context) error {
	switch when {
	case onceAnswering:
		return func(ctx context.Context) error {
			if err := c.awaitAnswering(ctx); err != nil {
				return err
			}
			return run(ctx)
		}
	case clockTrusted:
		return func(ctx context.Context) error {
			if !c.clockTrusted() {
				return nil
			}
			return run(ctx)
		}
	case nodeReady:
		return func(ctx context.Context) error {
			// Until then the checks of readiness would not see all jobs.
			if c.awaitAnswering(ctx) != nil || !c.nodeReady(ctx) {
				return nil
			}
			return run(ctx)
		}
	default:
		return run
	}
}

func (c jobConditions) awaitAnswering(ctx context.Context) error {
	select {
	case <-c.answering:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jobs are the jobs of a node that run.
type jobs struct{ running []*job.Job }

// startJobs starts the jobs of the table.
func startJobs(table []jobRow, log *slog.Logger, conditions jobConditions) *jobs {
	j := &jobs{}
	for _, row := range table {
		if !row.here {
			continue
		}
		start := job.StartNonCritical
		if row.needed == required {
			start = job.Start
		}
		j.running = append(j.running, start(row.name, row.every, log, conditions.apply(row.when, row.run)))
	}
	return j
}

// wake returns a function that runs the named job at once, and does nothing if it does not run
// here.
func (j *jobs) wake(name string) func() {
	for _, one := range j.running {
		if one.Name == name {
			return one.Wake
		}
	}
	return func() {}
}

// late returns an error where a required job has not succeeded for longer than its interval and the
// grace.
func (j *jobs) late(grace time.Duration) error {
	var late []error
	for _, one := range j.running {
		if one.NonCritical {
			continue
		}
		if since := time.Since(one.LastSuccess()); since > one.Every+grace {
			late = append(late, fmt.Errorf("%s has not succeeded for %s", one.Name, since.Round(time.Second)))
		}
	}
	return errors.Join(late...)
}

// stop stops all jobs and waits for those that run.
func (j *jobs) stop() {
	if j == nil {
		return
	}
	for _, one := range j.running {
		one.Stop()
	}
}
