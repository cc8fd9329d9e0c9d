package backup

import "slices"

// tables are the tables in a backup, in an order in which they can be filled: a table comes after
// those that it refers to.
var tables = []string{
	"counters", "server_settings", "server_keys", "accounts", "policy_rules", "users", "sign_in_failures",
	"sign_in_places", "account_members", "tenants", "members",
	"applications", "scopes", "scope_roles",
	"service_accounts", "service_account_stewards", "plans", "plan_grants", "subjects", "ended_owners",
	"management_keys", "management_key_secrets", "management_key_uses",
	"keys", "key_uses", "key_scope_uses", "key_secrets", "key_grants", "links",
	"audit_heads", "audit_events", "outbox",
}

// emptiedTables are not in a backup, and a restore empties them: sessions, because some ended after
// the backup; idempotency keys, which protect repeated requests for a day; and leases.
var emptiedTables = []string{"sessions", "session_ends", "idempotency", "leases"}

// versionTables are not in a backup, and stay as they are. The header has the version of the
// schema.
var versionTables = []string{"goose_db_version", "schema_expansions"}

// A backup of schema 15 can lack what the expansion of schema 16 adds. A node of the version before
// does not know the tables, and a database that is not expanded does not have the columns.
const (
	// PreviousSchema is the schema of the version before, whose backups are restored too.
	PreviousSchema = 15
	// firstWith is the first schema whose backups have everything.
	firstWith = 17
)

var (
	addedTables = []string{
		"service_accounts", "service_account_stewards", "plans", "plan_grants", "subjects", "ended_owners",
		"management_keys",
		"management_key_secrets", "management_key_uses",
	}
	addedColumns = map[string][]string{"keys": {"number", "metadata", "allowed_cidrs"}}
)

// Tables returns the tables in a backup. A test checks that Tables and ExcludedTables are all
// tables.
func Tables() []string { return tables }

// ExcludedTables returns the tables that are not in a backup.
func ExcludedTables() []string { return slices.Concat(emptiedTables, versionTables) }
