package app

import (
	"context"
	"runtime"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/job"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/telemetry"
)

// metrics lists what is shown at a scrape. No label is anything that a client chose, and none names a key, a person, a tenant or an account: how many
// series there are depends on this program alone.
func (a *App) metrics() []telemetry.Family {
	all := a.decisionMetrics()
	all = append(all, a.storeMetrics()...)
	all = append(all, a.admissionMetrics()...)
	all = append(all, a.requestMetrics()...)
	all = append(all, a.noticeMetrics()...)
	return append(all, a.processMetrics()...)
}

// Labels of several families.
var (
	byResult = []string{"result"}
	byCode   = []string{"code", "transport"}
	byPool   = []string{"pool"}
	byGate   = []string{"gate"}
	byTask   = []string{"task"} // "job" is what Prometheus itself calls a group of targets
)

func (a *App) decisionMetrics() []telemetry.Family {
	c := a.Engine.Counts()
	return []telemetry.Family{
		telemetry.Counter("claviger_decisions_total",
			"Answers of verify about a credential, by code and by the transport it came by.",
			byCode, c.Decisions.Each),
		telemetry.Counter("claviger_callers_total",
			"Requests to routes that need a caller, by the code the caller got and by transport.",
			byCode, c.Callers.Each),
		telemetry.Counter("claviger_lookups_total",
			"Credentials whose facts were looked for: cached (hit, negative_hit), read (stale, miss) or refused by their tag without a read (forged).",
			byResult, c.EachLookup),
		telemetry.Gauge("claviger_cache_entries",
			"Facts in the cache, about.",
			nil, telemetry.One(a.Engine.Entries)),
		telemetry.Histogram("claviger_loads_seconds",
			"How long reading the facts of one credential took.",
			nil, telemetry.One(c.Loads.Read)),
		telemetry.Counter("claviger_loads_failed_total",
			"Reads of facts that failed, so that nothing was decided.",
			nil, telemetry.One(c.LoadsFailed.Load)),
		telemetry.Histogram("claviger_uses_flush_seconds",
			"How long writing a batch of last uses took.",
			nil, telemetry.One(c.Flushes.Read)),
		telemetry.Counter("claviger_uses_flush_failed_total",
			"Batches of last uses that could not be written and are collected again.",
			nil, telemetry.One(c.FlushesFailed.Load)),
		telemetry.Counter("claviger_uses_written_total",
			"Last uses of keys that were written.",
			nil, telemetry.One(c.UsesWritten.Load)),
	}
}

func (a *App) storeMetrics() []telemetry.Family {
	c := a.Store.Counts()
	return []telemetry.Family{
		telemetry.Histogram("claviger_store_write_seconds",
			"How long a change took, its repetitions included.",
			nil, telemetry.One(c.Writes.Read)),
		telemetry.Counter("claviger_store_writes_total",
			"Changes by how they ended: done, refused by a rule, given up for contention, in_doubt after a failed COMMIT that did not keep them, not begun while stopping, failed.",
			byResult, c.EachOutcome),
		telemetry.Counter("claviger_store_retries_total",
			"Attempts at a change that contention made necessary.",
			nil, telemetry.One(c.Retries.Load)),
		telemetry.Counter("claviger_audit_events_total",
			"Changes that were committed, each with its record in the audit trail.",
			nil, telemetry.One(c.Events.Load)),
		telemetry.Counter("claviger_changes_followed_total",
			"Changes of any node, this one among them, that this node saw in the database it shares.",
			nil, telemetry.One(a.following.followed)),
		telemetry.Gauge("claviger_changes_behind_seconds",
			"How long ago this node last knew of every change; 0 where no other node can make any.",
			nil, telemetry.One(func() float64 { return a.following.behind().Seconds() })),
		telemetry.Gauge("claviger_database_connections_max",
			"Connections to the database that a pool may have.",
			byPool, eachPool(a.Store, func(p store.Pool) int { return p.Max })),
		telemetry.Gauge("claviger_database_connections_open",
			"Connections to the database that are open.",
			byPool, eachPool(a.Store, func(p store.Pool) int { return p.Open })),
		telemetry.Gauge("claviger_database_connections_busy",
			"Connections to the database that are in use.",
			byPool, eachPool(a.Store, func(p store.Pool) int { return p.Busy })),
		telemetry.Counter("claviger_database_waits_total",
			"Times that a free connection had to be waited for.",
			byPool, eachPool(a.Store, func(p store.Pool) int64 { return p.Waits })),
		telemetry.Counter("claviger_database_wait_seconds_total",
			"How long all waits for a free connection took.",
			byPool, eachPool(a.Store, func(p store.Pool) float64 { return p.Waited.Seconds() })),
	}
}

// admissionMetrics are of the gates in front of the pools.
func (a *App) admissionMetrics() []telemetry.Family {
	return []telemetry.Family{
		telemetry.Gauge("claviger_admission_held",
			"Reads and writes that were admitted and are under way, by gate: reads, changes of people and keys, own_writes of operators and jobs.",
			byGate, eachGate(a.Store, func(s admission.Stats) int { return s.Held })),
		telemetry.Gauge("claviger_admission_waiting",
			"Reads and writes that wait for their turn.",
			byGate, eachGate(a.Store, func(s admission.Stats) int { return s.Waiting })),
		telemetry.Counter("claviger_admission_refused_total",
			"Reads and writes that were refused since too many waited, or gave up waiting.",
			byGate, eachGate(a.Store, func(s admission.Stats) uint64 { return s.Refused })),
	}
}

func eachGate[N any](s *store.Store, value func(admission.Stats) N) func(give func(N, ...string)) {
	return func(give func(N, ...string)) {
		s.EachGate(func(s admission.Stats, name string) { give(value(s), name) })
	}
}

func eachPool[N any](s *store.Store, value func(store.Pool) N) func(give func(N, ...string)) {
	return func(give func(N, ...string)) {
		for _, p := range s.Pools() {
			give(value(p), p.Name)
		}
	}
}

func (a *App) requestMetrics() []telemetry.Family {
	queue, requests := a.Identity.Passwords.Queue(), &a.door.Requests
	return []telemetry.Family{
		telemetry.Counter("claviger_sign_ins_total",
			"Sign-ins: accepted, throttled (refused unjudged, too soon after others that failed), refused for whatever other cause, failed where it could not be found out.",
			byResult, a.Identity.SignIns().Each),
		telemetry.Gauge("claviger_passwords_waiting",
			"Requests that wait for their turn to hash a password.",
			nil, telemetry.One(queue.Waiting.Load)),
		telemetry.Gauge("claviger_passwords_running",
			"Passwords that are being hashed.",
			nil, telemetry.One(queue.Running.Load)),
		telemetry.Counter("claviger_passwords_given_up_total",
			"Requests that were turned away since their turn to hash a password was too far off.",
			nil, telemetry.One(queue.GivenUp.Load)),
		telemetry.Counter("claviger_session_resumes_total",
			"Session cookies that were shown: resumed, dead (unknown or ended), failed where it could not be found out.",
			byResult, a.Sessions.Resumes().Each),
		telemetry.Counter("claviger_http_requests_total",
			"Requests but for verify and whoami, by route and class of status; none is no route of ours.",
			[]string{"method", "route", "class"}, requests.Each),
		telemetry.Histogram("claviger_http_request_seconds",
			"How long requests but for verify and whoami took until they were answered.",
			[]string{"method", "route"}, requests.EachDuration),
	}
}

func (a *App) noticeMetrics() []telemetry.Family {
	return []telemetry.Family{
		telemetry.Counter("claviger_notices_total",
			"Attempts at sending a notice, by how they ended: sent, skipped (nobody to send it to, not wanted or no longer so), retried later, dead, or in_doubt.",
			byResult, a.Notices.Counts().Each),
		telemetry.Gauge("claviger_notices",
			"Notices that are not over, and dead or in_doubt ones that need an operator, as this node last saw them.",
			[]string{"state"}, a.Notices.EachPile),
		telemetry.Gauge("claviger_notices_oldest_seconds",
			"How long ago the oldest notice that is not over was planned.",
			nil, telemetry.One(func() float64 { return a.Notices.OldestAge().Seconds() })),
	}
}

func (a *App) processMetrics() []telemetry.Family {
	return []telemetry.Family{
		telemetry.Gauge("claviger_ready",
			"For each check of readyz 1 if it passes, else 0.",
			[]string{"check"}, a.eachCheck),
		telemetry.Counter("claviger_job_runs_total",
			"Passes of a periodic job that ended.",
			byTask, eachJob(a.jobs, func(j *job.Job) uint64 { return j.Runs.Load() })),
		telemetry.Counter("claviger_job_failures_total",
			"Passes of a periodic job that failed.",
			byTask, eachJob(a.jobs, func(j *job.Job) uint64 { return j.Failures.Load() })),
		telemetry.Gauge("claviger_job_last_success_timestamp_seconds",
			"When a pass of a periodic job last ended well; until one has, when the job was started.",
			byTask,
			eachJob(a.jobs, func(j *job.Job) float64 { return float64(j.LastSuccess().UnixMilli()) / 1000 })),
		telemetry.Gauge("claviger_build_info",
			"Always 1; the labels say what runs.",
			[]string{"version", "go_version", "engine"},
			func(give func(int, ...string)) { give(1, a.options.Version, runtime.Version(), a.Store.Engine()) }),
	}
}

func eachJob[N any](jobs []*job.Job, value func(*job.Job) N) func(give func(N, ...string)) {
	return func(give func(N, ...string)) {
		for _, j := range jobs {
			give(value(j), j.Name)
		}
	}
}

func (a *App) eachCheck(give func(passes int, check ...string)) {
	for _, f := range a.readiness.look(context.Background(), a.checks()) {
		passes := 1
		if f.err != nil {
			passes = 0
		}
		give(passes, f.name)
	}
}
