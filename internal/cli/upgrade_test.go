package cli_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// newReleased returns an installation with the data of schema 15, and a function that returns the
// rows of that data.
func newReleased(t testing.TB, e testkit.Engine) (s *installation, rows func() []string) {
	t.Helper()
	s = newInstallation(t, e)
	c := testkit.ReleasedConfig(t, e)
	s.data, s.url = c.Data, c.Database.URL.Reveal()
	return s, func() []string {
		t.Helper()
		return testkit.ReleasedRows(t, c)
	}
}

func TestTheOperatorFinishesAnUpgradeWhenNoOlderNodeIsAlive(t *testing.T) {
	t.Parallel()
	s, _ := newReleased(t, testkit.Postgres)
	s.requireStatus(t, "15", "older than the program. The next start, or `claviger migrate up`, updates it.")
	const expanded = "expanded, not finished. Run `claviger migrate finish` when all nodes run this version.\n"
	for _, says := range []string{
		"Expanded the database (postgres), which stays at version 15.\nIt is " + expanded,
		"The database (postgres) stays at version 15.\nIt is " + expanded,
	} {
		if out := s.migrate(t, "up"); out != says {
			t.Errorf("migrate up says %q, want %q", out, says)
		}
	}
	s.requireStatus(t, "15", "The database is "+expanded)
	s.requireSchema(t, "status", map[string]any{
		"engine": "postgres", "version": 15.0, "known": 17.0, "expanded": true, "finished": false,
	})

	s.exec(t, `INSERT INTO leases (name, holder, until) VALUES ('node/aabb', 'old-host', 9000000000000000)`)
	requireOneLine(t, s.launch(t, "migrate", "finish", "--data", s.data), 1, "old-host (node aabb)")
	s.requireStatus(t, "15", "The database is "+expanded)
	s.exec(t, `DELETE FROM leases WHERE name = 'node/aabb'`)

	p := s.serve(t)
	p.logged(readyLine)
	if out := s.migrate(t, "finish"); out != "Updated the database (postgres) from version 15 to 17.\n" {
		t.Errorf("migrate finish says %q", out)
	}
	s.requireStatus(t, "17", "up to date")
	s.requireSchema(t, "finish", map[string]any{
		"engine": "postgres", "version": 17.0, "known": 17.0, "before": 17.0, "expanded": true, "finished": true,
	})
	p.term()
}

func TestWithSQLiteTheStartFinishesTheUpgrade(t *testing.T) {
	t.Parallel()
	s, _ := newReleased(t, testkit.SQLite)
	s.requireStatus(t, "15", "older than the program")
	const done = "With SQLite, each start of the server does all of the update. There is nothing else to finish.\n"
	for _, says := range []string{
		"Updated the database (sqlite) from version 15 to 17.\n" + done,
		"The database (sqlite) is up to date at version 17.\n" + done,
	} {
		if out := s.migrate(t, "finish"); out != says {
			t.Errorf("migrate finish says %q, want %q", out, says)
		}
	}
	p := s.serve(t)
	p.logged(readyLine)
	if out := s.migrate(t, "finish"); !strings.HasSuffix(out, done) {
		t.Errorf("beside a server, migrate finish says %q", out)
	}
	p.term()
	s.requireSchema(t, "status", map[string]any{
		"engine": "sqlite", "version": 17.0, "known": 17.0, "expanded": true, "finished": true,
	})
}

// requireSchema requires the output of a subcommand of `claviger migrate` as JSON.
func (s *installation) requireSchema(t testing.TB, what string, want map[string]any) {
	t.Helper()
	p := s.launch(t, "migrate", what, "--data", s.data, "--json")
	code := p.exit(waitTimeout)
	var got map[string]any
	if err := json.Unmarshal([]byte(p.stdout.String()), &got); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s", code, err, p.stderr.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("migrate %s --json:\n%s", what, diff)
	}
}

// A trigger at the end of the contraction never ends, so that the process is killed before COMMIT.
func TestAnUpgradeThatIsKilledLeavesTheDatabaseAsItWas(t *testing.T) {
	t.Parallel()
	for e, k := range map[testkit.Engine]killedUpgrade{
		testkit.SQLite: {
			forever: `CREATE VIEW forever AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
				SELECT i FROM n`,
			trigger: `CREATE TRIGGER sabotage AFTER INSERT ON server_keys BEGIN SELECT %s; END`,
			fail:    `RAISE(ABORT, 'sabotage')`, hang: `COUNT(*) FROM forever`,
			drop: `DROP TRIGGER sabotage`,
			// the pages of a transaction that do not fit into the cache
			hangs: func(t testing.TB, s *installation) bool { return s.walSize() > 1<<20 },
		},
		testkit.Postgres: {
			forever: `CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN EXECUTE 'SELECT ' || TG_ARGV[0]; RETURN NULL; END $$`,
			trigger: `CREATE TRIGGER sabotage AFTER INSERT ON server_keys EXECUTE FUNCTION sabotage('%s')`,
			fail:    `1 / 0`, hang: `pg_sleep(3600)`,
			drop: `DROP TRIGGER sabotage ON server_keys`,
			hangs: func(t testing.TB, s *installation) (yes bool) {
				s.withDB(t, func(db *sql.DB) {
					must(t, db.QueryRowContext(t.Context(), `SELECT COUNT(*) > 0 FROM pg_stat_activity
						WHERE datname = current_database() AND wait_event = 'PgSleep'`).Scan(&yes))
				})
				return yes
			},
		},
	} {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			k.run(t, e)
		})
	}
}

// killedUpgrade makes a contraction fail or hang by a trigger.
type killedUpgrade struct {
	forever, trigger, fail, hang, drop string
	// hangs reports whether the contraction has come to the trigger.
	hangs func(testing.TB, *installation) bool
}

func (k killedUpgrade) run(t *testing.T, e testkit.Engine) {
	s, rows := newReleased(t, e)
	s.exec(t, `INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications, delivery,
		created_at, updated_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		SELECT 'key_more_' || n.i, k.tenant_id, k.owner_id, k.created_by, 'Key', '', TRUE, 'direct', n.i, n.i
		FROM n, (SELECT * FROM keys ORDER BY id LIMIT 1) k`)
	before := rows()
	demandSame := func(when string) {
		t.Helper()
		s.requireStatus(t, "15", "")
		if diff := cmp.Diff(before, rows()); diff != "" {
			t.Errorf("%s: rows before (-) and after (+):\n%s", when, diff)
		}
	}
	s.exec(t, k.forever)
	s.exec(t, fmt.Sprintf(k.trigger, k.fail))
	if code := s.launch(t, "migrate", "finish", "--data", s.data).exit(waitTimeout); code != 1 {
		t.Fatalf("exit code %d", code)
	}
	demandSame("after a failure")
	s.exec(t, k.drop)
	s.exec(t, fmt.Sprintf(k.trigger, k.hang))
	p := s.launch(t, "migrate", "finish", "--data", s.data)
	awaitTrue(t, func() bool { return k.hangs(t, s) })
	p.kill()
	if e == testkit.Postgres { // the server notices within two seconds
		awaitTrue(t, func() bool { return !k.hangs(t, s) })
	}
	demandSame("after it was killed")
	s.exec(t, k.drop)
	if out := s.migrate(t, "finish"); !strings.HasPrefix(out,
		"Updated the database ("+string(e)+") from version 15 to 17.\n") {
		t.Errorf("afterwards migrate finish says %q", out)
	}
}

// awaitTrue waits until the condition holds.
func awaitTrue(t testing.TB, holds func() bool) {
	t.Helper()
	testkit.Await(t, func() string {
		if holds() {
			return "yes"
		}
		return ""
	})
}

// walSize returns the size of SQLite's write-ahead log.
func (s *installation) walSize() int64 {
	info, err := os.Stat(s.databaseFile() + "-wal")
	if err != nil {
		return 0
	}
	return info.Size()
}
