package backup

// tables are what a backup holds, in an order in which they can be filled: what a row refers to comes before it.
var tables = []string{
	"counters", "server_settings", "server_keys", "accounts", "policy_rules", "users", "sign_in_failures", "sign_in_places", "account_members", "tenants", "members",
	"applications", "scopes", "scope_roles", "keys", "key_uses", "key_scope_uses", "key_secrets", "key_grants", "links", "audit_heads", "audit_events", "outbox",
}

// leftOut are what a backup does not hold: sessions, since some were ended after it; what makes a repeated request harmless for a day; and who works on what at the
// moment. The version of the schema stands in the header.
var leftOut = []string{"sessions", "idempotency", "leases", "goose_db_version"}

// Tables lists those that a backup holds, and LeftOut those that it does not, for the test that there are no others.
func Tables() []string { return tables }

// LeftOut lists the tables that a backup does not hold.
func LeftOut() []string { return leftOut }
