// Package storetest is what a store promises, as tests that both engines pass.
//
//	func TestTheStoreKeepsItsPromises(t *testing.T) { storetest.Run(t, open) }
//
// Every guarantee gets a fresh database. Between database/sql and the engine's driver stand [faults], so that a statement or a COMMIT can be
// made to fail on either engine. Where the engines differ, the difference is a value of [engine]; no guarantee is for one of them alone.
package storetest

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/store"
)

// Open gives a fresh database, to be closed by whoever asked.
type Open func(t testing.TB) store.Backend

// A guarantee is one sentence about the store and the test of it.
type guarantee struct {
	says string
	test func(*house)
}

// topics are all guarantees, by what they are about.
var topics = []struct {
	noun       string
	guarantees []guarantee
}{
	{"ledger", ledgerGuarantees},
	{"commit", commitGuarantees},
	{"doubt", doubtGuarantees},
	{"contention", contentionGuarantees},
	{"count", countGuarantees},
	{"chain", chainGuarantees},
	{"damage", damageGuarantees},
	{"rehearsal", rehearsalGuarantees},
	{"cap", capGuarantees},
	{"user", userGuarantees},
	{"sign-in", signInGuarantees},
	{"life", lifeGuarantees},
	{"session", sessionGuarantees},
	{"tenancy", tenancyGuarantees},
	{"application", applicationGuarantees},
	{"key", keyGuarantees},
	{"claim", claimGuarantees},
	{"age", ageGuarantees},
	{"authority", authorityGuarantees},
	{"facts", factGuarantees},
	{"use", useGuarantees},
	{"server", serverGuarantees},
	{"follow", followGuarantees},
}

// Run tests every guarantee on stores that open gives.
func Run(t *testing.T, open func(t testing.TB) store.Backend) {
	for _, topic := range topics {
		t.Run(topic.noun, func(t *testing.T) {
			for _, g := range topic.guarantees {
				t.Run(g.says, func(t *testing.T) {
					t.Parallel() // most of the time goes into making databases
					g.test(newHouse(t, open))
				})
			}
		})
	}
}

// An engine is what differs between the engines as far as these tests can see.
type engine struct {
	// tables lists the tables of the schema, without goose's.
	tables string
	// spoil are statements after which the COMMIT of their transaction fails by itself.
	spoil []string
	// waiting counts the sessions that wait for a row; "" where writers wait for the one connection instead.
	waiting string
}

var engines = map[string]engine{
	"sqlite": {
		tables: `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version' ORDER BY name`,
		spoil: []string{
			`PRAGMA defer_foreign_keys = 1`,
			`INSERT INTO tenants (id, number, account_id, name, preset, settings, created_at, updated_at) VALUES ('ten_x', 999, 'acc_nowhere', '', '', '', 0, 0)`,
		},
	},
	"postgres": {
		tables:  `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'goose_db_version' ORDER BY 1`,
		spoil:   []string{`SELECT pg_terminate_backend(pg_backend_pid())`},
		waiting: `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
	},
}
