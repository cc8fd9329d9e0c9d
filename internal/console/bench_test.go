package console_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// The tenant of the benchmark.
const (
	benchKeys     = 10_000
	benchMembers  = 200
	benchSubjects = 2_000
	benchEvents   = 20_000
)

// benchVisit returns an admin of a tenant with many keys, people, subjects and events. Rows are
// written past the server, and their words by the job that writes them after an upgrade.
func benchVisit(b *testing.B, engine testkit.Engine) *visit {
	b.Helper()
	d := &visit{Server: testkit.Start(b, engine)}
	d.tenant = d.Tenant("Shipping API", func(s *policy.Settings) { s.KeysPerUser = 0 })
	d.person = d.Member(d.tenant, "Ada Admin", scope.Admin)
	d.visitor = newVisitor(b, d.URL)
	d.signIn(d.person)
	now, blob := d.Clock.Now().UnixMicro(), "BLOB"
	if engine == testkit.Postgres {
		blob = "BYTEA"
	}
	day := (24 * time.Hour).Microseconds()
	insert := func(n int, text string, args ...any) { testkit.InsertMany(b, d.Server, n, fmt.Sprintf(text, args...)) }
	insert(benchMembers, `INSERT INTO users (id, number, email, canonical_email, name, created_at, updated_at)
		SELECT 'usr_bench' || i, 1000 + i, 'bench' || i || '@claviger.example', 'bench' || i || '@claviger.example',
		'Person No ' || i, %d - i, 1 FROM n`, now)
	insert(benchMembers, `INSERT INTO members (tenant_id, user_id, role, created_at, updated_at)
		SELECT '%s', 'usr_bench' || i, 'member', %d - i, 1 FROM n`, d.tenant.ID, now)
	insert(benchSubjects, `INSERT INTO subjects (id, number, tenant_id, external_id, name, created_at, updated_at)
		SELECT 'sub_bench' || i, 1000 + i, '%s', 'cus-' || i, 'Customer ' || i, %d - i, 1 FROM n`, d.tenant.ID, now)
	insert(benchKeys, `INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications,
		delivery, slot, created_at, updated_at, secret_set_at, expires_at, disabled_at, disabled_by_admin, revoked_at)
		SELECT 'key_bench' || i, '%s', CASE WHEN i %% 200 = 0 THEN '%s' WHEN i %% 5 = 0 THEN 'sub_bench' || (i / 5)
		ELSE 'usr_bench' || (i %% 200) END, '%[2]s', CASE i %% 4 WHEN 0 THEN 'Nightly export ' WHEN 1 THEN 'CI deploy '
		WHEN 2 THEN 'Rate watcher ' ELSE 'Key of laptop ' END || i, 'What it is for', TRUE, 'direct', i,
		%[3]d - i * 200000, 1, %[3]d - i * 200000, CASE WHEN i %% 3 = 0 THEN %[3]d + (i %% 90) * %[4]d END,
		CASE WHEN i %% 50 = 1 THEN %[3]d END, FALSE, CASE WHEN i %% 20 = 2 THEN %[3]d END FROM n`,
		d.tenant.ID, d.person.ID, now, day)
	insert(benchKeys, `INSERT INTO key_secrets (key_id, position, serial, lookup, public_id, last4, style, prefix,
		label, domain, digest, digest_version, set_at)
		SELECT 'key_bench' || i, 'current', 1, 'bench' || i, 'ak_b' || (i * 7919), 'last', 'opaque', 'clv', 'ak', '',
		CAST('d' AS %s), 1, 1 FROM n`, blob)
	insert(benchKeys, `INSERT INTO key_uses (key_id, last_used_at, last_used_ip)
		SELECT 'key_bench' || i, %d - (i %% 120) * %d, '192.0.2.1' FROM n`, now, day)
	insert(benchKeys, `INSERT INTO key_grants (key_id, scope) SELECT 'key_bench' || i, 'applications:read' FROM n`)
	insert(benchEvents, `INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, at,
		actor_type, actor_id, actor_email, action, target_type, target_id, target_name, ip, request_id, details,
		account_id, tenant_id)
		SELECT '%s', 1000000 + i, CAST('h' AS %s), CAST('h' AS %[2]s), 'evt_bench' || i, 1000000 + i, '{}', %d - i,
		'session', '%s', 'ada@claviger.example', 'key.edit', 'key', 'key_bench1', 'CI deploy 1', '', '', '{}', '%s',
		'%[1]s' FROM n`, d.tenant.ID, blob, now, d.person.ID, d.tenant.Account)
	testkit.Exec(b, d.Server, `DELETE FROM search_fills`)
	d.Restart()
	for range 20 { // each goes on for about a second
		testkit.NoError(b, d.Store.FillSearch(b.Context()))
	}
	testkit.NoError(b, d.Store.Analyze(b.Context()))
	d.visitor = newVisitor(b, d.URL)
	d.signIn(d.person)
	return d
}

// BenchmarkPages measures pages in a tenant with 10,000 keys. Times are those of whole requests on
// this machine, and cpu-ms is the processor time of the server and its client.
//
//	go test ./internal/console -run xxx -bench Pages -benchtime 300x
func BenchmarkPages(b *testing.B) {
	for _, engine := range []testkit.Engine{testkit.SQLite, testkit.Postgres} {
		b.Run(string(engine), func(b *testing.B) {
			d := benchVisit(b, engine)
			first := d.get(d.at("keys")).text
			next := nextLink.FindStringSubmatch(first)
			if next == nil {
				b.Fatalf("no next page:\n%s", first)
			}
			for _, page := range [][2]string{
				{"all keys", d.at("keys")},
				{"all keys, next page", html.UnescapeString(next[1])},
				{"all keys, disabled", d.at("keys?status=disabled")},
				{"all keys, by name", d.at("keys?sort=name")},
				{"all keys, by owner", d.at("keys?sort=owner")},
				{"all keys, by last use", d.at("keys?sort=-used")},
				{"all keys, unused first", d.at("keys?sort=used")},
				{"all keys, disabled by name", d.at("keys?sort=name&status=disabled")},
				{"search, a rare word by owner", d.at("keys?sort=owner&q=bench+4242")},
				{"scopes", d.at("scopes")},
				{"search, a rare word", d.at("keys?q=bench+4242")},
				{"search, a common word", d.at("keys?q=nightly")},
				{"search, two words", d.at("keys?q=deploy+77")},
				{"search, an address", d.at("keys?q=bench17@claviger.example")},
				{"search, nothing", d.at("keys?q=zebra")},
				{"key page", d.at("keys/key_bench4001")},
				{"my keys", "/settings/keys"},
				{"health", d.at("health")},
				{"find", "/find/list?q=bench1"},
				{"find, an id", "/find/list?q=key_bench42"},
				{"audit", d.at("audit")},
				{"members", d.at("members")},
				{"subjects", d.at("subjects")},
			} {
				b.Run(page[0], func(b *testing.B) { d.measure(b, page[1]) })
			}
		})
	}
}

func (d *visit) measure(b *testing.B, path string) {
	b.Helper()
	if got := d.get(path); got.status != http.StatusOK {
		b.Fatalf("%s: %d\n%s", path, got.status, got.text)
	}
	runtime.GC()
	times := make([]time.Duration, 0, b.N)
	before := cpuTime(b)
	for b.Loop() {
		from := time.Now()
		d.get(path)
		times = append(times, time.Since(from))
	}
	used := cpuTime(b) - before
	slices.Sort(times)
	at := func(percent int) float64 { return times[(len(times)-1)*percent/100].Seconds() * 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(at(50), "p50-ms")
	b.ReportMetric(at(99), "p99-ms")
	b.ReportMetric(used.Seconds()*1000/float64(len(times)), "cpu-ms")
}

// cpuTime returns the processor time of this process.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	testkit.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var nextLink = regexp.MustCompile(`href="([^"]+)">Next page`)
