package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// The triggers act while the contraction runs: on the counter after the keys were copied, and on
// the server keys at its end. They name the new tables, which SQLite renames in triggers, too.
func TestAContractionThatWouldLoseSomethingLeavesEverythingAsItWas(t *testing.T) {
	for name, c := range map[string]struct{ trigger, says string }{
		"a key": {
			`AFTER UPDATE ON counters BEGIN DELETE FROM keys_new WHERE id IN (SELECT MIN(id) FROM keys_new); END`,
			"keys and would be",
		},
		"the slot of a key": {
			`AFTER INSERT ON server_keys BEGIN UPDATE keys_new SET slot = NULL
				WHERE id IN (SELECT MIN(id) FROM keys_new WHERE slot IS NOT NULL); END`,
			"keys that hold a slot and would be",
		},
		"a secret": {
			`AFTER INSERT ON server_keys BEGIN DELETE FROM key_secrets_new WHERE position = 'previous'; END`,
			"secrets of keys and would be",
		},
		"a digest": {
			`AFTER INSERT ON server_keys BEGIN UPDATE key_secrets_new SET digest = NULL
				WHERE position = 'previous'; END`,
			"digests of secrets and would be",
		},
		"a grant": {
			`AFTER INSERT ON server_keys BEGIN DELETE FROM key_grants WHERE scope = 'orders:read'; END`,
			"grants of keys and would be",
		},
		"a claim": {
			`AFTER INSERT ON server_keys BEGIN UPDATE links SET kind = 'lost' WHERE kind = 'claim'; END`,
			"claims of keys and would be",
		},
		"what others refer to": {
			`AFTER INSERT ON server_keys BEGIN DELETE FROM tenants WHERE id IN (SELECT tenant_id FROM keys_new); END`,
			`"keys to tenants"`,
		},
		"nothing, but it fails": {
			`AFTER INSERT ON server_keys BEGIN SELECT RAISE(ABORT, 'the disk went away'); END`,
			"the disk went away",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := testkit.ReleasedConfig(t, testkit.SQLite)
			file := filepath.Join(settings.Data, "claviger.db")
			before := testkit.ReleasedRows(t, settings)
			exec(t, raw(t, file), `CREATE TRIGGER sabotage `+c.trigger)
			for range 2 {
				_, err := sqlite.Open(t.Context(), file)
				if err == nil || !strings.Contains(err.Error(), "version 17") ||
					!strings.Contains(err.Error(), c.says) {
					t.Fatalf("Open says %v, want %s", err, c.says)
				}
			}
			s, err := sqlite.Schema(t.Context(), file)
			if err != nil || s.Version != 15 {
				t.Errorf("%+v, %v", s, err)
			}
			if diff := cmp.Diff(before, testkit.ReleasedRows(t, settings)); diff != "" {
				t.Errorf("rows before (-) and after (+):\n%s", diff)
			}
			exec(t, raw(t, file), `DROP TRIGGER sabotage`)
			b := open(t, file)
			if b.Version != 17 || b.Known != 17 {
				t.Errorf("afterwards the version is %d of %d", b.Version, b.Known)
			}
			closeBackend(t, b)
		})
	}
}
