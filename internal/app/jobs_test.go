package app_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestEachEngineRunsItsJobs(t *testing.T) {
	t.Parallel()
	everywhere := []string{
		"watermark", "server_keys", "revocations",
		"last_uses", "watched_keys", "usage", "old_usage", "password_resets", "search_words", "console_counts",
		"console_health",
		"send_notices", "idle_memory", "rewrap", "disk_reserve",
		"plan_notices", "unclaimed_keys", "expired_keys", "idle_keys", "ended_owners",
		"rate_limits", "dead_sessions", "old_links", "old_failures", "journal_compaction", "audit_head",
		"expired_management_keys", "signing_keys", "revoked_tokens", "orphan_uses",
	}
	more := map[testkit.Engine][]string{
		testkit.SQLite:   {"checkpoint", "statistics"},
		testkit.Postgres: {"changes"},
	}
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		var running []string
		for series := range testkit.Scrape(t, h) {
			if label, ok := strings.CutPrefix(series, `claviger_job_runs_total{task="`); ok {
				running = append(running, strings.TrimSuffix(label, `"}`))
			}
		}
		want := slices.Sorted(slices.Values(slices.Concat(everywhere, more[e])))
		slices.Sort(running)
		if diff := cmp.Diff(want, running); diff != "" {
			t.Errorf("(- wanted, + running):\n%s", diff)
		}
	})
}
