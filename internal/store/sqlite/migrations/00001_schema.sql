-- +goose Up
-- Times are microseconds since 1970 UTC. STRICT, since SQLite would take text into a number column otherwise.
-- Columns are the same, in name and order, as in the PostgreSQL schema of this number; a test compares them.

-- The counters of changes and of the stable numbers. 'change' is updated last in every transaction, so that changes have an order.
CREATE TABLE counters (
	name TEXT PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT;
INSERT INTO counters (name, value) VALUES ('change', 0), ('account', 0), ('tenant', 0), ('user', 0), ('application', 0);

CREATE TABLE server_settings (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT;

-- The live versions of the keys derived from the root secret.
CREATE TABLE server_keys (
	purpose TEXT NOT NULL,
	version INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	retired_at INTEGER,
	PRIMARY KEY (purpose, version)
) STRICT;

CREATE TABLE accounts (
	id TEXT PRIMARY KEY,
	number INTEGER NOT NULL UNIQUE,
	name TEXT NOT NULL,
	session_idle_minutes INTEGER,
	session_absolute_hours INTEGER,
	disabled_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

-- An account's lifetime policy is the list of its rules, ended ones too.
CREATE TABLE policy_rules (
	account_id TEXT NOT NULL REFERENCES accounts (id),
	serial INTEGER NOT NULL,
	reason TEXT NOT NULL CHECK (reason IN ('max_lifetime', 'auto_expiry')),
	days INTEGER NOT NULL CHECK (days > 0),
	since INTEGER NOT NULL,
	until INTEGER,
	PRIMARY KEY (account_id, serial)
) STRICT;

-- A deleted user keeps the row, without address, name and password.
CREATE TABLE users (
	id TEXT PRIMARY KEY,
	number INTEGER NOT NULL UNIQUE,
	email TEXT,
	canonical_email TEXT UNIQUE,
	name TEXT,
	password TEXT,
	password_set_at INTEGER,
	disabled_at INTEGER,
	deleted_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sign_in_failures (
	canonical_email TEXT PRIMARY KEY,
	failures INTEGER NOT NULL,
	last_at INTEGER NOT NULL
) STRICT;

CREATE TABLE account_members (
	account_id TEXT NOT NULL REFERENCES accounts (id),
	user_id TEXT NOT NULL REFERENCES users (id),
	role TEXT NOT NULL CHECK (role IN ('owner', 'admin')),
	created_at INTEGER NOT NULL,
	PRIMARY KEY (account_id, user_id)
) STRICT;
CREATE INDEX account_members_user ON account_members (user_id);

CREATE TABLE tenants (
	id TEXT PRIMARY KEY,
	number INTEGER NOT NULL UNIQUE,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	name TEXT NOT NULL,
	preset TEXT NOT NULL,
	settings TEXT NOT NULL,
	disabled_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX tenants_account ON tenants (account_id);

CREATE TABLE members (
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	user_id TEXT NOT NULL REFERENCES users (id),
	role TEXT NOT NULL CHECK (role IN ('admin', 'member', 'auditor')),
	disabled_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant_id, user_id)
) STRICT;
CREATE INDEX members_user ON members (user_id);

CREATE TABLE applications (
	id TEXT PRIMARY KEY,
	number INTEGER NOT NULL UNIQUE,
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	disabled_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX applications_list ON applications (tenant_id, created_at, id);

-- A tenant's own part of the scope catalogue.
CREATE TABLE scopes (
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	PRIMARY KEY (tenant_id, name)
) STRICT;
CREATE TABLE scope_roles (
	tenant_id TEXT NOT NULL,
	name TEXT NOT NULL,
	role TEXT NOT NULL CHECK (role IN ('admin', 'member', 'auditor')),
	PRIMARY KEY (tenant_id, name, role),
	FOREIGN KEY (tenant_id, name) REFERENCES scopes (tenant_id, name) ON DELETE CASCADE
) STRICT;

CREATE TABLE keys (
	id TEXT PRIMARY KEY,
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	owner_id TEXT NOT NULL REFERENCES users (id),
	created_by TEXT NOT NULL REFERENCES users (id),
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	search TEXT NOT NULL,
	all_applications INTEGER NOT NULL,
	delivery TEXT NOT NULL CHECK (delivery IN ('direct', 'link')),
	-- The place under the owner's cap. Without one the key authenticates nothing.
	slot INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	secret_set_at INTEGER,
	expires_at INTEGER,
	disabled_at INTEGER,
	disabled_by TEXT,
	disabled_by_admin INTEGER NOT NULL DEFAULT 0,
	revoked_at INTEGER,
	revoked_by TEXT,
	revoked_reason TEXT
) STRICT;
-- The backstop of the cap: two creators who count at the same time cannot take the same slot.
CREATE UNIQUE INDEX keys_slot ON keys (tenant_id, owner_id, slot);
CREATE INDEX keys_list ON keys (tenant_id, created_at, id);
CREATE INDEX keys_owner ON keys (owner_id);

-- When and from where a key was last used: written in batches, past the ledger, so apart from the keys themselves. Without a foreign key, since a
-- batch must not fail for a key that was deleted meanwhile.
CREATE TABLE key_uses (
	key_id TEXT NOT NULL PRIMARY KEY,
	last_used_at INTEGER NOT NULL,
	last_used_ip TEXT
) STRICT, WITHOUT ROWID;

-- The current secret of a key and, after a refresh, the one before. Of the secret itself there is only the sealed digest,
-- and in recoverable tenants a sealed copy.
CREATE TABLE key_secrets (
	key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
	position TEXT NOT NULL CHECK (position IN ('current', 'previous')),
	serial INTEGER NOT NULL,
	lookup TEXT NOT NULL,
	public_id TEXT NOT NULL,
	last4 TEXT NOT NULL,
	style TEXT NOT NULL,
	prefix TEXT NOT NULL,
	label TEXT NOT NULL,
	domain TEXT NOT NULL,
	digest BLOB,
	digest_version INTEGER,
	copy BLOB,
	copy_version INTEGER,
	set_at INTEGER NOT NULL,
	until INTEGER,
	last_used_at INTEGER,
	PRIMARY KEY (key_id, position)
) STRICT;
CREATE UNIQUE INDEX key_secrets_lookup ON key_secrets (lookup, position);

-- What a key was granted: a scope or an application in each row.
CREATE TABLE key_grants (
	key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
	scope TEXT,
	application_id TEXT REFERENCES applications (id) ON DELETE CASCADE,
	CHECK ((scope IS NULL) <> (application_id IS NULL))
) STRICT;
CREATE UNIQUE INDEX key_grants_scope ON key_grants (key_id, scope);
CREATE UNIQUE INDEX key_grants_application ON key_grants (key_id, application_id);
CREATE INDEX key_grants_by_application ON key_grants (application_id);

CREATE TABLE sessions (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id),
	token_hash BLOB NOT NULL UNIQUE,
	created_at INTEGER NOT NULL,
	signed_in_at INTEGER NOT NULL,
	last_seen_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	ip TEXT NOT NULL,
	agent TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);

-- One-time links: set-up, invitations, claims, resets. Used by one conditional UPDATE.
CREATE TABLE links (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	token_hash BLOB NOT NULL UNIQUE,
	account_id TEXT REFERENCES accounts (id),
	tenant_id TEXT REFERENCES tenants (id),
	user_id TEXT REFERENCES users (id),
	key_id TEXT REFERENCES keys (id) ON DELETE CASCADE,
	email TEXT,
	role TEXT,
	created_by TEXT,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	used_at INTEGER
) STRICT;
CREATE INDEX links_key ON links (key_id);

-- The audit trail: a hash chain for each tenant, each account and the server.
CREATE TABLE audit_heads (
	chain TEXT PRIMARY KEY,
	seq INTEGER NOT NULL,
	hash BLOB NOT NULL
) STRICT;
CREATE TABLE audit_events (
	chain TEXT NOT NULL,
	seq INTEGER NOT NULL,
	prev_hash BLOB NOT NULL,
	hash BLOB NOT NULL,
	id TEXT NOT NULL UNIQUE,
	-- The place of the change among all changes; stale tells other nodes what it outdates.
	change_number INTEGER NOT NULL UNIQUE,
	stale TEXT NOT NULL,
	at INTEGER NOT NULL,
	actor_type TEXT NOT NULL,
	actor_id TEXT NOT NULL,
	actor_email TEXT NOT NULL,
	action TEXT NOT NULL,
	target_type TEXT NOT NULL,
	target_id TEXT NOT NULL,
	target_name TEXT NOT NULL,
	ip TEXT NOT NULL,
	request_id TEXT NOT NULL,
	details TEXT NOT NULL,
	account_id TEXT,
	tenant_id TEXT,
	PRIMARY KEY (chain, seq)
) STRICT;

CREATE TABLE idempotency (
	principal TEXT NOT NULL,
	method TEXT NOT NULL,
	path TEXT NOT NULL,
	idempotency_key TEXT NOT NULL,
	body_hash BLOB NOT NULL,
	status INTEGER NOT NULL,
	answer TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	PRIMARY KEY (principal, method, path, idempotency_key)
) STRICT;
CREATE INDEX idempotency_age ON idempotency (created_at);

-- Mail that must be sent exactly once at most: claimed with a lease, retried, then dead and visible.
CREATE TABLE outbox (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	dedupe TEXT NOT NULL UNIQUE,
	user_id TEXT REFERENCES users (id),
	key_id TEXT,
	payload TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	due_at INTEGER NOT NULL,
	claimed_by TEXT,
	claimed_until INTEGER,
	attempts INTEGER NOT NULL,
	sent_at INTEGER,
	dead_at INTEGER,
	last_error TEXT
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at);

CREATE TABLE leases (
	name TEXT PRIMARY KEY,
	holder TEXT NOT NULL,
	until INTEGER NOT NULL
) STRICT;
