package app

import (
	"context"
	"runtime"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/job"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/telemetry"
)

// metrics returns what a scrape shows. No label has a value that a client chose, and none names a
// key, a person, a tenant or an account: the number of series depends on this program alone.
func (a *App) metrics() []telemetry.Family {
	all := a.decisionMetrics()
	all = append(all, a.storeMetrics()...)
	all = append(all, a.admissionMetrics()...)
	all = append(all, a.requestMetrics()...)
	all = append(all, a.noticeMetrics()...)
	all = append(all, a.routeMetrics()...)
	all = append(all, a.gatewayMetrics()...)
	return append(all, a.processMetrics()...)
}

// Labels of several families.
var (
	byResult = []string{"result"}
	byCode   = []string{"code", "transport"}
	byPool   = []string{"pool"}
	byGate   = []string{"gate"}
	byTask   = []string{"task"} // Prometheus itself uses "job" for a group of targets
)

func (a *App) decisionMetrics() []telemetry.Family {
	c := a.Engine.Counts()
	uses := a.Usage.Counts()
	return []telemetry.Family{
		telemetry.Counter("claviger_decisions_total",
			"Responses of verify about a credential, by code and by the transport of the credential.",
			byCode, c.Decisions.Each),
		telemetry.Counter("claviger_callers_total",
			"Requests to routes that need a caller, by the code for the caller's credential and by its transport.",
			byCode, c.Callers.Each),
		telemetry.Counter("claviger_lookups_total",
			"Lookups of the facts of a credential: in the cache (hit, negative_hit), read from the database (stale, "+
				"miss), or not read because the tag in the id is wrong (forged).",
			byResult, c.EachLookup),
		telemetry.Gauge("claviger_cache_entries",
			"Approximate number of facts in the cache.",
			nil, telemetry.Unlabeled(a.Engine.Entries)),
		telemetry.Histogram("claviger_loads_seconds",
			"Time to read the facts of one credential from the database.",
			nil, telemetry.Unlabeled(c.Loads.Read)),
		telemetry.Counter("claviger_loads_failed_total",
			"Reads of facts that failed. No decision was made in these cases.",
			nil, telemetry.Unlabeled(c.LoadsFailed.Load)),
		telemetry.Counter("claviger_tokens_issued_total",
			"Access tokens that were issued, by format: opaque or jwt.",
			[]string{"format"}, a.eachTokenFormat),
		telemetry.Counter("claviger_tokens_revoked_total",
			"Access tokens that were revoked.",
			nil, telemetry.Unlabeled(a.Tokens.Counts().Revoked.Load)),
		telemetry.Histogram("claviger_uses_flush_seconds",
			"Time to write a batch of last uses.",
			nil, telemetry.Unlabeled(uses.Flushes.Read)),
		telemetry.Counter("claviger_uses_flush_failed_total",
			"Batches of last uses that could not be written. They are written later.",
			nil, telemetry.Unlabeled(uses.FlushesFailed.Load)),
		telemetry.Counter("claviger_uses_written_total",
			"Last uses of keys that were written.",
			nil, telemetry.Unlabeled(uses.Written.Load)),
		telemetry.Gauge("claviger_uses_unwritten_age_seconds",
			"How long the last use that waits longest is due to be written. Other nodes see a last use within a "+
				"minute, and so much later.",
			nil, telemetry.Unlabeled(func() float64 { return a.Usage.Overdue(a.clock.Now()).Seconds() })),
		telemetry.Gauge("claviger_uses_in_memory",
			"Keys whose last use is in memory: those that were used within a minute, or whose use was not written yet.",
			nil, telemetry.Unlabeled(a.Usage.Open)),
		telemetry.Gauge("claviger_usage_open_keys",
			"Counters of the requests of a key that are open in memory. There are at most 200,000.",
			nil, telemetry.Unlabeled(a.Counters.OpenKeys)),
		telemetry.Counter("claviger_usage_without_key_total",
			"Requests that were counted without their key, because too many counters were open.",
			nil, telemetry.Unlabeled(a.Counters.Overflowed)),
	}
}

// eachTokenFormat calls emit with the number of access tokens of each format.
func (a *App) eachTokenFormat(emit func(n uint64, format ...string)) {
	c := a.Tokens.Counts()
	emit(c.Opaque.Load(), string(policy.Opaque))
	emit(c.JWT.Load(), string(policy.JWT))
}

func (a *App) storeMetrics() []telemetry.Family {
	c := a.Store.WriteMetrics()
	return []telemetry.Family{
		telemetry.Histogram("claviger_store_write_seconds",
			"Time that a change took, including its retries.",
			nil, telemetry.Unlabeled(c.Writes.Read)),
		telemetry.Counter("claviger_store_writes_total",
			"Changes by result: done, refused by a rule, given up after contention, in_doubt (the COMMIT failed and "+
				"the change was not stored), not begun because the node is stopping, failed.",
			byResult, c.EachOutcome),
		telemetry.Counter("claviger_store_retries_total",
			"Retries of a change because of contention.",
			nil, telemetry.Unlabeled(c.Retries.Load)),
		telemetry.Counter("claviger_audit_events_total",
			"Committed changes, each with its record in the audit trail.",
			nil, telemetry.Unlabeled(c.Events.Load)),
		telemetry.Counter("claviger_changes_followed_total",
			"Changes of all nodes, including this one, that this node has seen in the shared database.",
			nil, telemetry.Unlabeled(a.feed.changes)),
		telemetry.Gauge("claviger_changes_behind_seconds",
			"Time since this node last knew every change. 0 if no other node can make changes.",
			nil, telemetry.Unlabeled(func() float64 { return a.feed.behind().Seconds() })),
		telemetry.Gauge("claviger_database_connections_max",
			"Database connections that a pool may open.",
			byPool, eachPool(a.Store, func(p store.Pool) int { return p.Max })),
		telemetry.Gauge("claviger_database_connections_open",
			"Open database connections.",
			byPool, eachPool(a.Store, func(p store.Pool) int { return p.Open })),
		telemetry.Gauge("claviger_database_connections_busy",
			"Database connections in use.",
			byPool, eachPool(a.Store, func(p store.Pool) int { return p.Busy })),
		telemetry.Counter("claviger_database_waits_total",
			"Number of waits for a free database connection.",
			byPool, eachPool(a.Store, func(p store.Pool) int64 { return p.Waits })),
		telemetry.Counter("claviger_database_wait_seconds_total",
			"Total time of all waits for a free database connection.",
			byPool, eachPool(a.Store, func(p store.Pool) float64 { return p.Waited.Seconds() })),
	}
}

// admissionMetrics returns the metrics of the gates in front of the connection pools.
func (a *App) admissionMetrics() []telemetry.Family {
	return []telemetry.Family{
		telemetry.Gauge("claviger_admission_held",
			"Reads and writes that were admitted and are in progress, by gate: reads, changes of people and keys, "+
				"own_writes of operators and jobs.",
			byGate, eachGate(a.Store, func(s admission.Stats) int { return s.Held })),
		telemetry.Gauge("claviger_admission_waiting",
			"Reads and writes that wait to be admitted.",
			byGate, eachGate(a.Store, func(s admission.Stats) int { return s.Waiting })),
		telemetry.Counter("claviger_admission_refused_total",
			"Reads and writes that were rejected because too many were waiting, or that waited too long.",
			byGate, eachGate(a.Store, func(s admission.Stats) uint64 { return s.Refused })),
	}
}

func eachGate[N any](s *store.Store, value func(admission.Stats) N) func(emit func(N, ...string)) {
	return func(emit func(N, ...string)) {
		s.EachGate(func(s admission.Stats, name string) { emit(value(s), name) })
	}
}

func eachPool[N any](s *store.Store, value func(store.Pool) N) func(emit func(N, ...string)) {
	return func(emit func(N, ...string)) {
		for _, p := range s.Pools() {
			emit(value(p), p.Name)
		}
	}
}

func (a *App) requestMetrics() []telemetry.Family {
	queue, requests := a.Identity.Passwords.Queue(), &a.web.Requests
	return []telemetry.Family{
		telemetry.Counter("claviger_sign_ins_total",
			"Sign-ins by result: accepted, throttled (too soon after failed ones, password not checked), refused "+
				"for another reason, failed (the result could not be determined).",
			byResult, a.Identity.SignIns().Each),
		telemetry.Gauge("claviger_passwords_waiting",
			"Requests that wait to hash a password.",
			nil, telemetry.Unlabeled(queue.Waiting.Load)),
		telemetry.Gauge("claviger_passwords_running",
			"Passwords that are being hashed.",
			nil, telemetry.Unlabeled(queue.Running.Load)),
		telemetry.Counter("claviger_passwords_given_up_total",
			"Requests that were rejected because the wait to hash a password was too long.",
			nil, telemetry.Unlabeled(queue.GivenUp.Load)),
		telemetry.Counter("claviger_session_resumes_total",
			"Session cookies that were sent, by result: resumed, dead (unknown or ended), failed (the result could "+
				"not be determined).",
			byResult, a.Sessions.Resumes().Each),
		telemetry.Counter("claviger_http_requests_total",
			"Requests except verify and whoami, by route and class of status. The route none means that no route "+
				"matched.",
			[]string{"method", "route", "class"}, requests.Each),
		telemetry.Histogram("claviger_http_request_seconds",
			"Time until a request was answered, except for verify and whoami.",
			[]string{"method", "route"}, requests.EachDuration),
	}
}

func (a *App) noticeMetrics() []telemetry.Family {
	return []telemetry.Family{
		telemetry.Counter("claviger_notices_total",
			"Attempts to send a notice, by result: sent, skipped (no recipient, not wanted or no longer true), "+
				"retried later, dead, or in_doubt.",
			byResult, a.Notices.Counts().Each),
		telemetry.Gauge("claviger_notices",
			"Unfinished notices, and dead or in_doubt ones that need an operator, as this node last saw them.",
			[]string{"state"}, a.Notices.EachBacklog),
		telemetry.Gauge("claviger_notices_oldest_seconds",
			"Time since the oldest unfinished notice was planned.",
			nil, telemetry.Unlabeled(func() float64 { return a.Notices.OldestAge().Seconds() })),
	}
}

func (a *App) processMetrics() []telemetry.Family {
	return []telemetry.Family{
		telemetry.Gauge("claviger_ready",
			"For each check of /readyz: 1 if it passes, 0 if it fails.",
			[]string{"check"}, a.eachCheck),
		telemetry.Counter("claviger_job_runs_total",
			"Runs of a periodic job that ended.",
			byTask, eachJob(a.jobs.running, func(j *job.Job) uint64 { return j.Runs.Load() })),
		telemetry.Counter("claviger_job_failures_total",
			"Runs of a periodic job that failed.",
			byTask, eachJob(a.jobs.running, func(j *job.Job) uint64 { return j.Failures.Load() })),
		telemetry.Gauge("claviger_job_last_success_timestamp_seconds",
			"Time of the last successful run of a periodic job. Before the first one, the time when the job was "+
				"started.",
			byTask,
			eachJob(a.jobs.running, func(j *job.Job) float64 { return float64(j.LastSuccess().UnixMilli()) / 1000 })),
		telemetry.Gauge("claviger_build_info",
			"Always 1. The labels name the running version.",
			[]string{"version", "go_version", "engine"},
			func(emit func(int, ...string)) { emit(1, a.options.Version, runtime.Version(), a.Store.Engine()) }),
	}
}

func eachJob[N any](jobs []*job.Job, value func(*job.Job) N) func(emit func(N, ...string)) {
	return func(emit func(N, ...string)) {
		for _, j := range jobs {
			emit(value(j), j.Name)
		}
	}
}

func (a *App) eachCheck(emit func(passes int, check ...string)) {
	for _, f := range a.checkReadiness(context.Background()) {
		passes := 1
		if f.err != nil {
			passes = 0
		}
		emit(passes, f.name)
	}
}
