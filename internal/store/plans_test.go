package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// growing lists the tables that grow with use. A query that reads one of them completely, or sorts
// its rows, becomes slower with every key, person and change.
var growing = []string{
	"account_members", "accounts", "applications", "audit_events", "idempotency", "key_grants", "key_scope_uses",
	"key_secrets", "key_transport_uses",
	"key_uses", "keys", "links", "management_key_secrets", "management_key_uses", "management_keys", "members",
	"outbox", "plan_grants", "plans", "recovery_codes", "search_words", "second_factors",
	"service_account_stewards", "service_accounts", "session_ends", "sessions",
	"sign_in_failures", "sign_in_places", "subjects", "tenants", "usage_flushes",
	"usage_key_days", "usage_key_hours", "usage_tenant_days", "usage_tenant_hours", "user_avatars", "user_seen",
	"users",
}

// common lists columns with few different values. A search by these columns alone reads most of the
// table.
var common = []string{"revoked_at", "forgotten_at", "disabled_at", "used_at", "position", "kind", "state"}

// atRepair is the reason for queries that read whole tables to repair the clock.
const atRepair = "an operator repairs the time on record, while nothing is decided"

// byPart is the reason for queries that delete old counts.
const byPart = "deletes some thousand rows, from the end of an index"

// byReport is the reason for queries that add up the counts of a tenant or of an account.
const byReport = "adds up what was counted in the time that a person asks for, one report of a tenant at a time"

// exempt lists the queries whose plan may be slow on a growing table, each with the reason. The
// plan of every other query is checked, also of new ones.
var exempt = map[string]string{
	"selectNewest":              "reads one row, at the end of an index",
	"selectLatestEvent":         "reads one row, at the end of an index",
	"listNotices":               "reads one page, from the end of an index; an operator asks",
	"listNoticesIn":             "reads one page, from the end of an index; an operator asks",
	"selectIdleTenants":         "reads an index that holds nothing but its answer",
	"selectLatestUse":           "at start, and each second while the clock is in doubt, when nothing is decided",
	"selectAllHeaders":          "once at start",
	"countAccounts":             "at set-up and at a restore, when there are hardly any",
	"voidSetups":                "when a set-up link or an account is made",
	"expireLinks":               "at a restore",
	"numberKeys":                "at a restore",
	"raiseKeyCounter":           "at a restore",
	"markUnsentInDoubt":         "at a restore",
	"listAccounts":              "an operator lists all accounts",
	"listKeysIn":                "reads all keys of an account, as countKeysIn does, for a preview of its policy",
	"listOwnersIn":              "reads all keys of an account, as countKeysIn does, for a preview of its policy",
	"countPeopleWithoutFactor":  "reads all people of an account, each once, for a preview of its policy",
	"countAdminsWithoutFactor":  "reads all people of an account, each once, for a preview of its policy",
	"countEnds":                 "reads all keys of an account, as countKeysIn does, for a preview of its policy",
	"countDigests":              "when an operator asks for the state of server keys, and once after a rotation",
	"countCopies":               "when an operator asks for the state of server keys, and once after a rotation",
	"countIDs":                  "when an operator asks for the state of server keys, and once after a rotation",
	"digestsBefore":             "walks all secrets once after a rotation; what is sorted are the two secrets of a key",
	"copiesBefore":              "walks all secrets once after a rotation; what is sorted are the two secrets of a key",
	"countManagementDigests":    "when an operator asks for the state of server keys, and once after a rotation",
	"countManagementIDs":        "when an operator asks for the state of server keys, and once after a rotation",
	"managementDigestsBefore":   "walks all secrets once after a rotation; what is sorted are the two secrets of a key",
	"releaseExpiredLeases":      "notices that are claimed are as many as senders",
	"selectExpiredSending":      "notices that are being sent are as many as senders",
	"retryDead":                 "an operator retries all dead notices",
	"selectBacklog":             "counts what is not sent, at a scrape or when an operator asks",
	"selectRecordCount":         "an operator verifies the audit trail",
	"selectMisplaced":           "an operator verifies the audit trail",
	"selectChainNames":          "an operator verifies the audit trail",
	"selectUnsigned":            "the first start after an upgrade signs the heads of the audit trail",
	"selectState":               "the state of the audit trail is all of its heads",
	"selectUserAddresses":       "a migration, once",
	"selectLinkAddresses":       "a migration, once",
	"listAccountsOf":            "sorts the accounts of one person",
	"listShownCandidates":       "sorts the keys that one person has set a secret of, one list at a time",
	"listUsableShownCandidates": "sorts the keys that one person has set a secret of, as listShownCandidates does",
	"listWordHits":              "sorts at most maxWordHits keys",
	"listSubjectHits":           "sorts at most maxWordHits subjects",
	"listByOwner":               "sorts the keys of one owner after the other",
	"listByOwnerDown":           "sorts the keys of one owner after the other",
	"selectTenantsOfPeople":     "a job, once after an upgrade",
	"listTenantsNamed":          "an operator names a tenant",
	"listTenantsFor":            "sorts the tenants of one person",
	"clampFactorSteps":          atRepair,
	"clampFactors":              atRepair,
	"clampAvatars":              atRepair,
	"clampSeen":                 atRepair,
	"clampFactorProofs":         atRepair,
	"raiseSteps":                "at a restore",
	"factorsBefore":             "walks all second factors once after a rotation",
	"clampAccountMembers":       atRepair,
	"clampAccounts":             atRepair,
	"clampApplications":         atRepair,
	"clampFailures":             atRepair,
	"clampKeys":                 atRepair,
	"clampMembers":              atRepair,
	"clampNotices":              atRepair,
	"clampKnownClients":         atRepair,
	"clampScopeUses":            atRepair,
	"clampSecretUses":           atRepair,
	"clampSecrets":              atRepair,
	"clampTenants":              atRepair,
	"clampUsedLinks":            atRepair,
	"clampMailedLinks":          atRepair,
	"clampUsers":                atRepair,
	"clampUses":                 atRepair,
	"clampWatches":              atRepair,
	"clampServiceAccounts":      atRepair,
	"clampEndedOwners":          atRepair,
	"clampPlans":                atRepair,
	"clampSubjects":             atRepair,
	"clampManagementKeys":       atRepair,
	"clampManagementSecrets":    atRepair,
	"clampManagementUses":       atRepair,
	"shiftPreviousManagement":   atRepair,
	"countChangesLater":         atRepair,
	"countForgottenLater":       atRepair,
	"endLaterSessions":          atRepair,
	"shiftLinks":                atRepair,
	"selectAllTenants":          atRepair,
	"clampSessions":             atRepair,

	"moveHourKeyCounts":           atRepair,
	"deleteLaterHourKeyCounts":    atRepair,
	"moveHourTenantCounts":        atRepair,
	"deleteLaterHourTenantCounts": atRepair,
	"moveDayKeyCounts":            atRepair,
	"deleteLaterDayKeyCounts":     atRepair,
	"moveDayTenantCounts":         atRepair,
	"deleteLaterDayTenantCounts":  atRepair,
	"clampTransportUses":          atRepair,
	"clampFlushes":                atRepair,
	"busiestHourKeys":             byReport,
	"busiestHourOwnerKeys":        byReport,
	"countHourKeys":               byReport,
	"countHourOwnerKeys":          byReport,
	"busiestDayKeys":              byReport,
	"busiestDayOwnerKeys":         byReport,
	"countDayKeys":                byReport,
	"countDayOwnerKeys":           byReport,
	"deleteOldDayKeyCounts":       byPart,
	"deleteOldDayTenantCounts":    byPart,
	"deleteOldHourKeyCounts":      byPart,
	"deleteOldHourTenantCounts":   byPart,
	"deleteOldTransportUses":      byPart,
	"sumTenants":                  byReport,

	"selectTenantsOfUser": "sorts the tenants of one person, when they are disabled or deleted; reads all " +
		"their keys, each of " +
		"which is about to lose its authority",
}

func TestEveryQueryHasAPlanThatNoGrowingTableMakesSlow(t *testing.T) {
	all := queries(t)
	for name := range exempt {
		if _, ok := all[name]; !ok {
			t.Errorf("%s is exempt, and no query", name)
		}
	}
	t.Run("on SQLite", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			name    string
			rows    int
			analyze bool
		}{
			{"without statistics", 0, false},
			{"with statistics of empty tables", 0, true},
			{"with statistics of a handful of rows", 5, true},
			{"with statistics of many rows", 20000, true},
		} {
			t.Run(c.name, func(t *testing.T) {
				b := open(t, testkit.SQLite)
				grow(t, b, c.rows)
				if c.analyze {
					if err := b.Analyze(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				demandPlans(t, all, func(text string) []string { return sqliteFaults(t, b, text) })
			})
		}
	})
	t.Run("on PostgreSQL", func(t *testing.T) {
		t.Parallel()
		b := open(t, testkit.Postgres)
		grow(t, b, 2000)
		if err := b.Analyze(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn := indexesOnly(t, b)
		demandPlans(t, all, func(text string) []string { return postgresFaults(t, conn, text) })
	})
}

// This tests the check itself with plans that must be reported.
func TestABadPlanIsReported(t *testing.T) {
	sqlite, postgres := both(t)
	grow(t, sqlite, 100)
	grow(t, postgres, 2000)
	conn := indexesOnly(t, postgres)
	for _, c := range []struct{ name, text string }{
		{"a table is read whole", `SELECT id FROM keys WHERE name = $1`},
		{"an index is read whole", `SELECT COUNT(*) FROM audit_events`},
		{"a table is read whole to be changed", `DELETE FROM sessions WHERE agent = $1`},
		{"many rows are sorted", `SELECT id FROM keys WHERE tenant_id = $1 ORDER BY updated_at LIMIT 10`},
		{
			"many rows are grouped",
			`SELECT delivery, COUNT(*) FROM keys WHERE tenant_id = $1 GROUP BY delivery ORDER BY delivery`,
		},
		{"all of what is searched by is common", `SELECT payload FROM outbox WHERE state = $1`},
	} {
		if len(sqliteFaults(t, sqlite, c.text)) == 0 {
			t.Errorf("SQLite: %s, and nothing is reported", c.name)
		}
		if len(postgresFaults(t, conn, c.text)) == 0 {
			t.Errorf("PostgreSQL: %s, and nothing is reported", c.name)
		}
	}
}

func demandPlans(t *testing.T, all map[string]string, faults func(text string) []string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if exempt[name] != "" {
			continue
		}
		for _, fault := range faults(single(all[name])) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

var (
	tableNames  = regexp.MustCompile(`(?i)\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)(?:\s+(\w+))?`)
	visits      = regexp.MustCompile(`^(SCAN|SEARCH) (\w+)(.*)$`)
	constraints = regexp.MustCompile(`(\w+)(?: IS NULL|[^\w(]*[=<>])`)
)

// tableOf returns the table that has this alias in the query.
func tableOf(text, name string) string {
	for _, m := range tableNames.FindAllStringSubmatch(text, -1) {
		if m[2] == name {
			return m[1]
		}
	}
	return name
}

// sqliteFaults returns the steps of a statement's plan that become slow on a growing table.
func sqliteFaults(t *testing.T, b store.Backend, text string) (faults []string) {
	t.Helper()
	for _, step := range sqlitePlan(t, b, text) {
		visit := visits.FindStringSubmatch(step)
		switch {
		case strings.HasPrefix(step, "USE TEMP B-TREE"), strings.Contains(step, "AUTOMATIC"):
			faults = append(faults, step)
		case visit == nil, !slices.Contains(growing, tableOf(text, visit[2])):
		case visit[1] == "SCAN", !selective(visit[3]):
			faults = append(faults, step)
		}
	}
	return faults
}

// selective reports whether an index search uses a column with many different values.
func selective(search string) bool {
	_, by, _ := strings.Cut(search, "(")
	return slices.ContainsFunc(constraints.FindAllStringSubmatch(by, -1),
		func(m []string) bool { return !slices.Contains(common, m[1]) })
}

func sqlitePlan(t *testing.T, b store.Backend, text string) (steps []string) {
	t.Helper()
	rows, err := b.Write.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, nulls(text)...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// nulls returns a NULL argument for each parameter of a statement.
func nulls(text string) []any {
	highest := 0
	for _, m := range parameter.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		highest = max(highest, n)
	}
	return make([]any, highest)
}

// indexesOnly returns a connection on which PostgreSQL reads a whole table or sorts only if there
// is no other plan, and plans statements without their arguments.
func indexesOnly(t *testing.T, b store.Backend) *sql.Conn {
	t.Helper()
	conn, err := b.Read.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	for _, setting := range []string{
		"enable_seqscan = off", "enable_sort = off", "enable_incremental_sort = off", "enable_hashagg = off",
		"enable_mergejoin = off", "enable_hashjoin = off",
		"plan_cache_mode = force_generic_plan",
	} {
		on(t, conn, "SET "+setting)
	}
	return conn
}

func on(t *testing.T, conn *sql.Conn, text string) {
	t.Helper()
	if _, err := conn.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

var (
	seqScan   = regexp.MustCompile(`\bSeq Scan on (\w+)`)
	indexScan = regexp.MustCompile(`\bIndex (?:Only )?Scan (?:Backward )?using \w+ on (\w+)`)
	bitmap    = regexp.MustCompile(`\bBitmap Index Scan on`)
)

// postgresFaults returns the steps of a statement's plan that become slow on a growing table.
func postgresFaults(t *testing.T, conn *sql.Conn, text string) (faults []string) {
	t.Helper()
	plan := postgresPlan(t, conn, text)
	for i, step := range plan {
		next := ""
		if i+1 < len(plan) {
			next = strings.TrimSpace(plan[i+1])
		}
		scan := indexScan.FindStringSubmatch(step)
		switch m := seqScan.FindStringSubmatch(step); {
		case m != nil && slices.Contains(growing, m[1]):
			faults = append(faults, step)
		case regexp.MustCompile(`\b(Sort|HashAggregate)\b  \(`).MatchString(step):
			faults = append(faults, step)
		case scan != nil && slices.Contains(growing, scan[1]), bitmap.MatchString(step):
			if !strings.HasPrefix(next, "Index Cond:") || !selective(next) {
				faults = append(faults, step+" "+next)
			}
		}
	}
	return faults
}

func postgresPlan(t *testing.T, conn *sql.Conn, text string) (steps []string) {
	t.Helper()
	on(t, conn, "PREPARE planned AS "+text)
	defer on(t, conn, "DEALLOCATE planned")
	execute := "EXPLAIN EXECUTE planned"
	if n := len(nulls(text)); n > 0 {
		execute += "(" + strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") + ")"
	}
	rows, err := conn.QueryContext(t.Context(), execute)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var step string
		if err := rows.Scan(&step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// grow inserts about rows rows into the tables. One person owns half of the keys, all in one
// tenant.
func grow(t *testing.T, b store.Backend, rows int) {
	t.Helper()
	if rows == 0 {
		return
	}
	blob := "BLOB"
	if b.Name == "postgres" {
		blob = "BYTEA"
	}
	for _, c := range []struct {
		rows int
		text string
	}{
		{
			rows/100 + 1,
			`INSERT INTO accounts (id, number, name, created_at, updated_at) SELECT 'acc_' || i, i, 'Account', i, i
				FROM n`,
		},
		{
			rows/20 + 1,
			`INSERT INTO tenants (id, number, account_id, name, preset, settings, created_at, updated_at, idle_since)
			SELECT 'ten_' || i, i, 'acc_' || (i % ` + fmt.Sprint(rows/100+1) +
				` + 1), 'Tenant', 'standard', '{}', i, i, CASE WHEN i % 50 = 0 THEN i END FROM n`,
		},
		{
			rows/4 + 1,
			`INSERT INTO users (id, number, email, canonical_email, name, created_at, updated_at)
				SELECT 'usr_' || i, i, 'p' || i, 'p' || i, 'Person', i, i FROM n`,
		},
		{rows/4 + 1, `INSERT INTO members (tenant_id, user_id, role, created_at, updated_at)
			SELECT 'ten_' || (i % ` + fmt.Sprint(rows/20+1) + ` + 1), 'usr_' || i, 'member', i, i FROM n`},
		{
			rows/100 + 1,
			`INSERT INTO account_members (account_id, user_id, role, created_at)
				SELECT 'acc_' || i, 'usr_' || i, 'owner', i FROM n`,
		},
		{rows/10 + 1, `INSERT INTO applications (id, number, tenant_id, name, description, created_at, updated_at)
			SELECT 'app_' || i, i, 'ten_' || (i % ` + fmt.Sprint(rows/20+1) + ` + 1), 'App', '', i, i FROM n`},
		{rows, `INSERT INTO keys (id, tenant_id, owner_id, created_by, name, description, all_applications, delivery,
			created_at, updated_at,
			secret_set_at, expires_at, revoked_at, forgotten_at, disabled_at)
			SELECT 'key_' || i, CASE WHEN i % 2 = 0 THEN 'ten_' || (1 % ` + fmt.Sprint(rows/20+1) +
			` + 1) ELSE 'ten_' || (i % ` + fmt.Sprint(rows/20+1) + ` + 1) END,
			CASE WHEN i % 2 = 0 THEN 'usr_1' ELSE 'usr_' || (i % ` + fmt.Sprint(rows/4+1) +
			` + 1) END, 'usr_1', 'Key', '', i % 2 = 0, 'direct', i, i,
			CASE WHEN i % 50 <> 0 THEN i END, CASE WHEN i % 3 = 0 THEN i + 1000 END, CASE WHEN i % 5 = 0
			THEN i END, CASE WHEN i % 11 = 0 THEN i END,
			CASE WHEN i % 13 = 0 THEN i END FROM n`},
		{
			rows/10 + 1,
			`INSERT INTO service_accounts (id, number, tenant_id, name, description, role, created_by, created_at,
				updated_at)
			SELECT 'sva_' || i, i, 'ten_' || (i % ` + fmt.Sprint(rows/20+1) + ` + 1), 'Robot', '', 'member', 'usr_1', i,
				i FROM n`,
		},
		{
			rows/10 + 1,
			`INSERT INTO service_account_stewards (service_account_id, user_id) SELECT 'sva_' || i, 'usr_1' FROM n`,
		},
		{rows/10 + 1, `INSERT INTO ended_owners (tenant_id, owner_id, ended_at, reason)
			SELECT 'ten_' || (i % ` + fmt.Sprint(rows/20+1) + ` + 1), 'sva_' || i, i, 'Gone.' FROM n`},
		{rows/20 + 1, `INSERT INTO plans (tenant_id, name, all_applications, created_at, updated_at)
			SELECT 'ten_' || i, 'plan', TRUE, i, i FROM n`},
		{rows/20 + 1, `INSERT INTO plan_grants (tenant_id, plan, scope) SELECT 'ten_' || i, 'plan', 'a:b' FROM n`},
		{rows, `INSERT INTO subjects (id, number, tenant_id, external_id, name, plan, created_at, updated_at)
			SELECT 'sub_' || i, i, 'ten_' || (i % ` + fmt.Sprint(rows/20+1) + ` + 1), 'x' || i, 'Customer', 'plan', i, i
			FROM n`},
		{
			rows/10 + 1,
			`INSERT INTO management_keys (id, tenant_id, service_account_id, name, permissions, ceilings, expires_at,
				created_by, created_at, updated_at, secret_set_at)
			SELECT 'mgk_' || i, 'ten_1', 'sva_' || i, 'Key', '[]', '{}', i, 'usr_1', i, i, i FROM n`,
		},
		{
			rows/10 + 1,
			`INSERT INTO management_key_uses (key_id, last_used_at) SELECT 'mgk_' || i, i FROM n`,
		},
		{
			rows/10 + 1,
			`INSERT INTO management_key_secrets (key_id, position, serial, lookup, public_id, tag_version, last4,
				set_at)
			SELECT 'mgk_' || i, 'current', 1, 'm' || i, 'm' || i, 1, '0000', i FROM n`,
		},
		{rows, `INSERT INTO key_secrets (key_id, position, serial, lookup, public_id, last4, style, prefix, label,
			domain, digest, digest_version, set_at)
			SELECT 'key_' || i, 'current', 1, 'l' || i, 'p' || i, 'last', 'opaque', '', '', '', CAST('d' AS %BLOB%), 1,
			i FROM n`},
		{
			rows/20 + 1,
			`INSERT INTO key_secrets (key_id, position, serial, lookup, public_id, last4, style, prefix, label, domain,
				digest, digest_version, set_at, until)
			SELECT 'key_' || i, 'previous', 2, 'l' || i, 'p' || i, 'last', 'opaque', '', '', '', CAST('d' AS %BLOB%), 1,
			i, i FROM n`,
		},
		{rows, `INSERT INTO key_uses (key_id, last_used_at) SELECT 'key_' || i, i FROM n`},
		{rows, `INSERT INTO search_words (tenant_id, kind, word, object_id)
			SELECT 'ten_1', 'key', 'w' || i, 'key_' || i FROM n`},
		{rows, `INSERT INTO key_grants (key_id, scope) SELECT 'key_' || i, 'a:b' FROM n`},
		{rows, `INSERT INTO key_scope_uses (key_id, scope, last_used_on) SELECT 'key_' || i, 'a:b', i FROM n`},
		{
			rows/4 + 1,
			`INSERT INTO sessions (id, user_id, token_hash, created_at, signed_in_at, last_seen_at, expires_at, ip,
				agent)
			SELECT 'ses_' || i, 'usr_' || i, CAST('t' || i AS %BLOB%), i, i, i, i, '', '' FROM n`,
		},
		{rows/4 + 1, `INSERT INTO second_factors (user_id, secret, secret_version, last_step, set_at)
			SELECT 'usr_' || i, CAST('s' AS %BLOB%), 1, i, i FROM n`},
		{rows/4 + 1, `INSERT INTO recovery_codes (user_id, hash) SELECT 'usr_' || i, CAST('h' AS %BLOB%) FROM n`},
		{
			rows/4 + 1,
			`INSERT INTO session_ends (session_id, account_id) SELECT 'ses_' || i, 'acc_' || (i % ` +
				fmt.Sprint(rows/100+1) + ` + 1) FROM n`,
		},
		{rows, `INSERT INTO links (id, kind, token_hash, tenant_id, key_id, user_id, created_at, expires_at,
			canonical_email)
			SELECT 'lnk_' || i, CASE WHEN i % 2 = 0 THEN 'claim'
			ELSE 'invitation' END, CAST('t' || i AS %BLOB%), 'ten_1', CASE WHEN i % 2 = 0
			THEN 'key_' || i END, 'usr_1', i, i, 'p' || i FROM n`},
		{rows, `INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, at, actor_type,
			actor_id, actor_email, action,
			target_type, target_id, target_name, ip, request_id, details, account_id, tenant_id)
			SELECT 'ten_1', i, CAST('h' AS %BLOB%), CAST('h' AS %BLOB%), 'evt_' || i, i, '{}', i, 'session', 'usr_1',
			'', 'key.edit', 'key', 'key_1', '', '', '', '{}', 'acc_1', 'ten_1' FROM n`},
		{rows, `INSERT INTO idempotency (principal, method, path, idempotency_key, body_hash, answer, created_at)
			SELECT 'usr_1', 'POST', '/', 'k' || i, CAST('h' AS %BLOB%), '', i FROM n`},
		{rows, `INSERT INTO outbox (id, kind, dedupe, user_id, key_id, payload, created_at, due_at, attempts, state,
			account_id)
			SELECT 'ntc_' || i, 'expiry', 'd' || i, 'usr_1', 'key_1', '{}', i, i, 0, CASE WHEN i % 100 = 0
			THEN 'waiting' ELSE 'sent' END, CASE WHEN i % 3 > 0 THEN 'acc_' || (i % 2 + 1) END FROM n`},
		{rows, `INSERT INTO sign_in_failures (canonical_email, failures, last_at) SELECT 'p' || i, 1, i FROM n`},
		{rows, `INSERT INTO sign_in_places (user_id, place, seen_at) SELECT 'usr_1', 'p' || i, i FROM n`},
	} {
		insert, columns, _ := strings.Cut(
			strings.Join(strings.Fields(strings.ReplaceAll(c.text, "%BLOB%", blob)), " "),
			" SELECT ",
		)
		text := fmt.Sprintf("%s WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "+
			"SELECT %s", insert, c.rows, columns)
		if _, err := b.Write.ExecContext(context.WithoutCancel(t.Context()), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}
