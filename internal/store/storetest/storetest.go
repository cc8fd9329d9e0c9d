// Package storetest is the conformance suite that the stores of both engines pass.
//
//	func TestTheStoreKeepsItsPromises(t *testing.T) { storetest.Run(t, open) }
//
// Every test case gets a fresh database. Between database/sql and the engine's driver are [faults],
// which make a statement or a COMMIT fail on either engine. Differences between the engines are
// values of [engine]; every case runs on both.
package storetest

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/store"
)

// Open opens a fresh database. The caller closes it.
type Open func(t testing.TB) store.Backend

// A testCase is one sentence about the store and the function that tests it.
type testCase struct {
	name string
	run  func(*fixture)
}

// suites are all test cases, by subject.
var suites = []struct {
	noun       string
	guarantees []testCase
}{
	{"ledger", ledgerCases},
	{"commit", commitCases},
	{"doubt", doubtCases},
	{"contention", contentionCases},
	{"count", countCases},
	{"chain", chainCases},
	{"damage", damageCases},
	{"rehearsal", runTwiceCases},
	{"cap", capCases},
	{"user", userCases},
	{"sign-in", signInCases},
	{"life", lifecycleCases},
	{"session", sessionCases},
	{"second factor", secondFactorCases},
	{"avatar", avatarCases},
	{"change of address", emailChangeCases},
	{"tenancy", tenancyCases},
	{"application", applicationCases},
	{"routes and entries", routeCases},
	{"service account", serviceAccountCases},
	{"key", keyCases},
	{"search words", searchWordCases},
	{"orders of keys", keyOrderCases},
	{"claim", claimCases},
	{"age", ageCases},
	{"authority", authorityCases},
	{"facts", factCases},
	{"token", tokenCases},
	{"subjects and plans", subjectCases},
	{"management key", managementKeyCases},
	{"use", useCases},
	{"watch", watchCases},
	{"usage", usageCases},
	{"server", serverCases},
	{"follow", changeFeedCases},
	{"nodes", nodeCases},
}

// Run runs every test case on stores that open opens.
func Run(t *testing.T, open func(t testing.TB) store.Backend) {
	for _, topic := range suites {
		t.Run(topic.noun, func(t *testing.T) {
			for _, g := range topic.guarantees {
				t.Run(g.name, func(t *testing.T) {
					t.Parallel() // most of the time is spent on creating databases
					g.run(newFixture(t, open))
				})
			}
		})
	}
}

// An engine holds the differences between the engines that matter to these tests.
type engine struct {
	// tables lists the tables of the schema, without those of versions.
	tables string
	// poisonCommit are statements after which the COMMIT of their transaction fails.
	poisonCommit []string
	// waiting counts the sessions that wait for a row; "" if writers wait for the single connection
	// instead.
	waiting string
	// version identifies the version of a row; "" if row locks do not exist.
	version string
}

var engines = map[string]engine{
	"sqlite": {
		tables: `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
			AND name NOT IN ('goose_db_version', 'schema_expansions') ORDER BY name`,
		poisonCommit: []string{
			`PRAGMA defer_foreign_keys = 1`,
			`INSERT INTO tenants (id, number, account_id, name, preset, settings, created_at, updated_at)
				VALUES ('ten_x', 999, 'acc_nowhere', '', '', '', 0, 0)`,
		},
	},
	"postgres": {
		tables: `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'
			AND table_name NOT IN ('goose_db_version', 'schema_expansions') ORDER BY 1`,
		poisonCommit: []string{`SELECT pg_terminate_backend(pg_backend_pid())`},
		waiting: `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
			AND wait_event_type = 'Lock'`,
		version: `CAST(ctid AS TEXT) || ' ' || CAST(xmin AS TEXT)`,
	},
}
