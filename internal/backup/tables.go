package backup

import "slices"

// tables are the tables in a backup, in an order in which they can be filled: a table comes after
// those that it refers to.
var tables = []string{
	"counters", "server_settings", "server_keys", "accounts", "policy_rules", "users", "sign_in_failures",
	"sign_in_places", "second_factors", "recovery_codes", "user_avatars", "user_seen", "account_members", "tenants",
	"members", "applications", "scopes", "scope_roles",
	"service_accounts", "service_account_stewards", "plans", "plan_grants", "subjects", "ended_owners",
	"management_keys", "management_key_secrets", "management_key_uses", "entries",
	"keys", "key_uses", "key_scope_uses", "key_secrets", "key_grants", "links", "signing_keys", "revoked_tokens",
	"usage_key_hours", "usage_key_days", "usage_tenant_hours", "usage_tenant_days", "key_transport_uses",
	"audit_heads", "audit_events", "outbox",
}

// emptiedTables are not in a backup, and a restore empties them: sessions, because some ended after
// the backup; half-sessions; idempotency keys, which protect repeated requests for a day; leases;
// what newly shown keys did; words to search for, which a job writes again; and which batches of
// usage are written, because no process goes on writing them.
var emptiedTables = []string{
	"sessions", "session_ends", "half_sessions", "idempotency", "leases", "key_watches",
	"search_words", "search_fills", "usage_flushes",
}

// versionTables are not in a backup, and stay as they are. The header has the version of the
// schema.
var versionTables = []string{"goose_db_version", "schema_expansions"}

// PreviousSchema is the oldest schema whose backups are restored.
const PreviousSchema = 15

// A backup can lack what an expansion added after the schema of its header. A node of the version
// before does not know the tables, and a database that is not expanded does not have the columns.
// The header has the number of the last contraction, so backups of the version that has it may have
// what a later expansion added, or lack it.
var (
	// addedTables maps a table to the first schema whose backups always have it.
	addedTables = map[string]int64{
		"service_accounts": 17, "service_account_stewards": 17, "plans": 17, "plan_grants": 17, "subjects": 17,
		"ended_owners": 17, "management_keys": 17, "management_key_secrets": 17, "management_key_uses": 17,
		"signing_keys": 20, "revoked_tokens": 20, "entries": 20,
		"second_factors": 26, "recovery_codes": 26,
		"usage_key_hours": 27, "usage_key_days": 27, "usage_tenant_hours": 27, "usage_tenant_days": 27,
		"key_transport_uses": 27, "user_avatars": 30, "user_seen": 32,
	}
	// addedColumns maps a column to the first schema whose backups always have it.
	addedColumns = map[string]int64{
		"keys.number": 17, "keys.metadata": 17, "keys.allowed_cidrs": 17, "keys.tokens_revoked_until": 20,
		"applications.routes": 20, "outbox.account_id": 24, "users.short_password_at": 26,
		"accounts.require_second_factor": 26, "key_uses.tenant_id": 28, "key_grants.tenant_id": 28,
	}
)

// Tables returns the tables in a backup. A test checks that Tables and ExcludedTables are all
// tables.
func Tables() []string { return tables }

// ExcludedTables returns the tables that are not in a backup.
func ExcludedTables() []string { return slices.Concat(emptiedTables, versionTables) }
