-- +goose Up
-- Times are microseconds since 1970 UTC. Ids and whatever is sorted compare by byte (COLLATE "C").
-- Columns are the same, in name and order, as in the SQLite schema of this number; a test compares them.

-- The counters of changes and of the stable numbers. 'change' is updated last in every transaction, so that changes have an order.
CREATE TABLE counters (
	name TEXT COLLATE "C" PRIMARY KEY,
	value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('change', 0), ('account', 0), ('tenant', 0), ('user', 0), ('application', 0);

CREATE TABLE server_settings (
	name TEXT COLLATE "C" PRIMARY KEY,
	value TEXT COLLATE "C" NOT NULL
);

-- The live versions of the keys derived from the root secret.
CREATE TABLE server_keys (
	purpose TEXT COLLATE "C" NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	retired_at BIGINT,
	PRIMARY KEY (purpose, version)
);

CREATE TABLE accounts (
	id TEXT COLLATE "C" PRIMARY KEY,
	number BIGINT NOT NULL UNIQUE,
	name TEXT COLLATE "C" NOT NULL,
	session_idle_minutes BIGINT,
	session_absolute_hours BIGINT,
	disabled_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

-- An account's lifetime policy is the list of its rules, ended ones too.
CREATE TABLE policy_rules (
	account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
	serial BIGINT NOT NULL,
	reason TEXT COLLATE "C" NOT NULL CHECK (reason IN ('max_lifetime', 'auto_expiry')),
	days BIGINT NOT NULL CHECK (days > 0),
	since BIGINT NOT NULL,
	until BIGINT,
	PRIMARY KEY (account_id, serial)
);

-- A deleted user keeps the row, without address, name and password.
CREATE TABLE users (
	id TEXT COLLATE "C" PRIMARY KEY,
	number BIGINT NOT NULL UNIQUE,
	email TEXT COLLATE "C",
	canonical_email TEXT COLLATE "C" UNIQUE,
	name TEXT COLLATE "C",
	password TEXT COLLATE "C",
	password_set_at BIGINT,
	disabled_at BIGINT,
	deleted_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE TABLE sign_in_failures (
	canonical_email TEXT COLLATE "C" PRIMARY KEY,
	failures BIGINT NOT NULL,
	last_at BIGINT NOT NULL
);

CREATE TABLE account_members (
	account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
	user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
	role TEXT COLLATE "C" NOT NULL CHECK (role IN ('owner', 'admin')),
	created_at BIGINT NOT NULL,
	PRIMARY KEY (account_id, user_id)
);
CREATE INDEX account_members_user ON account_members (user_id);

CREATE TABLE tenants (
	id TEXT COLLATE "C" PRIMARY KEY,
	number BIGINT NOT NULL UNIQUE,
	account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
	name TEXT COLLATE "C" NOT NULL,
	preset TEXT COLLATE "C" NOT NULL,
	settings TEXT COLLATE "C" NOT NULL,
	disabled_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX tenants_account ON tenants (account_id);

CREATE TABLE members (
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
	role TEXT COLLATE "C" NOT NULL CHECK (role IN ('admin', 'member', 'auditor')),
	disabled_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE applications (
	id TEXT COLLATE "C" PRIMARY KEY,
	number BIGINT NOT NULL UNIQUE,
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	name TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	disabled_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX applications_list ON applications (tenant_id, created_at, id);

-- A tenant's own part of the scope catalogue.
CREATE TABLE scopes (
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	name TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant_id, name)
);
CREATE TABLE scope_roles (
	tenant_id TEXT COLLATE "C" NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	role TEXT COLLATE "C" NOT NULL CHECK (role IN ('admin', 'member', 'auditor')),
	PRIMARY KEY (tenant_id, name, role),
	FOREIGN KEY (tenant_id, name) REFERENCES scopes (tenant_id, name) ON DELETE CASCADE
);

CREATE TABLE keys (
	id TEXT COLLATE "C" PRIMARY KEY,
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	owner_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
	created_by TEXT COLLATE "C" NOT NULL REFERENCES users (id),
	name TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	search TEXT COLLATE "C" NOT NULL,
	all_applications BOOLEAN NOT NULL,
	delivery TEXT COLLATE "C" NOT NULL CHECK (delivery IN ('direct', 'link')),
	-- The place under the owner's cap. Without one the key authenticates nothing.
	slot BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	secret_set_at BIGINT,
	expires_at BIGINT,
	disabled_at BIGINT,
	disabled_by TEXT COLLATE "C",
	disabled_by_admin BOOLEAN NOT NULL DEFAULT FALSE,
	revoked_at BIGINT,
	revoked_by TEXT COLLATE "C",
	revoked_reason TEXT COLLATE "C"
);
-- The backstop of the cap: two creators who count at the same time cannot take the same slot.
CREATE UNIQUE INDEX keys_slot ON keys (tenant_id, owner_id, slot);
CREATE INDEX keys_list ON keys (tenant_id, created_at, id);
CREATE INDEX keys_owner ON keys (owner_id);

-- When and from where a key was last used: written in batches, past the ledger, so apart from the keys themselves. Without a foreign key, since a
-- batch must not fail for a key that was deleted meanwhile.
CREATE TABLE key_uses (
	key_id TEXT COLLATE "C" PRIMARY KEY,
	last_used_at BIGINT NOT NULL,
	last_used_ip TEXT COLLATE "C"
);

-- The current secret of a key and, after a refresh, the one before. Of the secret itself there is only the sealed digest,
-- and in recoverable tenants a sealed copy.
CREATE TABLE key_secrets (
	key_id TEXT COLLATE "C" NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
	position TEXT COLLATE "C" NOT NULL CHECK (position IN ('current', 'previous')),
	serial BIGINT NOT NULL,
	lookup TEXT COLLATE "C" NOT NULL,
	public_id TEXT COLLATE "C" NOT NULL,
	last4 TEXT COLLATE "C" NOT NULL,
	style TEXT COLLATE "C" NOT NULL,
	prefix TEXT COLLATE "C" NOT NULL,
	label TEXT COLLATE "C" NOT NULL,
	domain TEXT COLLATE "C" NOT NULL,
	digest BYTEA,
	digest_version BIGINT,
	copy BYTEA,
	copy_version BIGINT,
	set_at BIGINT NOT NULL,
	until BIGINT,
	last_used_at BIGINT,
	PRIMARY KEY (key_id, position)
);
CREATE UNIQUE INDEX key_secrets_lookup ON key_secrets (lookup, position);

-- What a key was granted: a scope or an application in each row.
CREATE TABLE key_grants (
	key_id TEXT COLLATE "C" NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
	scope TEXT COLLATE "C",
	application_id TEXT COLLATE "C" REFERENCES applications (id) ON DELETE CASCADE,
	CHECK ((scope IS NULL) <> (application_id IS NULL))
);
CREATE UNIQUE INDEX key_grants_scope ON key_grants (key_id, scope);
CREATE UNIQUE INDEX key_grants_application ON key_grants (key_id, application_id);
CREATE INDEX key_grants_by_application ON key_grants (application_id);

CREATE TABLE sessions (
	id TEXT COLLATE "C" PRIMARY KEY,
	user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
	token_hash BYTEA NOT NULL UNIQUE,
	created_at BIGINT NOT NULL,
	signed_in_at BIGINT NOT NULL,
	last_seen_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	ip TEXT COLLATE "C" NOT NULL,
	agent TEXT COLLATE "C" NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

-- One-time links: set-up, invitations, claims, resets. Used by one conditional UPDATE.
CREATE TABLE links (
	id TEXT COLLATE "C" PRIMARY KEY,
	kind TEXT COLLATE "C" NOT NULL,
	token_hash BYTEA NOT NULL UNIQUE,
	account_id TEXT COLLATE "C" REFERENCES accounts (id),
	tenant_id TEXT COLLATE "C" REFERENCES tenants (id),
	user_id TEXT COLLATE "C" REFERENCES users (id),
	key_id TEXT COLLATE "C" REFERENCES keys (id) ON DELETE CASCADE,
	email TEXT COLLATE "C",
	role TEXT COLLATE "C",
	created_by TEXT COLLATE "C",
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT
);
CREATE INDEX links_key ON links (key_id);

-- The audit trail: a hash chain for each tenant, each account and the server.
CREATE TABLE audit_heads (
	chain TEXT COLLATE "C" PRIMARY KEY,
	seq BIGINT NOT NULL,
	hash BYTEA NOT NULL
);
CREATE TABLE audit_events (
	chain TEXT COLLATE "C" NOT NULL,
	seq BIGINT NOT NULL,
	prev_hash BYTEA NOT NULL,
	hash BYTEA NOT NULL,
	id TEXT COLLATE "C" NOT NULL UNIQUE,
	-- The place of the change among all changes; stale tells other nodes what it outdates.
	change_number BIGINT NOT NULL UNIQUE,
	stale TEXT COLLATE "C" NOT NULL,
	at BIGINT NOT NULL,
	actor_type TEXT COLLATE "C" NOT NULL,
	actor_id TEXT COLLATE "C" NOT NULL,
	actor_email TEXT COLLATE "C" NOT NULL,
	action TEXT COLLATE "C" NOT NULL,
	target_type TEXT COLLATE "C" NOT NULL,
	target_id TEXT COLLATE "C" NOT NULL,
	target_name TEXT COLLATE "C" NOT NULL,
	ip TEXT COLLATE "C" NOT NULL,
	request_id TEXT COLLATE "C" NOT NULL,
	details TEXT COLLATE "C" NOT NULL,
	account_id TEXT COLLATE "C",
	tenant_id TEXT COLLATE "C",
	PRIMARY KEY (chain, seq)
);

CREATE TABLE idempotency (
	principal TEXT COLLATE "C" NOT NULL,
	method TEXT COLLATE "C" NOT NULL,
	path TEXT COLLATE "C" NOT NULL,
	idempotency_key TEXT COLLATE "C" NOT NULL,
	body_hash BYTEA NOT NULL,
	status BIGINT NOT NULL,
	answer TEXT COLLATE "C" NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (principal, method, path, idempotency_key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

-- Mail that must be sent exactly once at most: claimed with a lease, retried, then dead and visible.
CREATE TABLE outbox (
	id TEXT COLLATE "C" PRIMARY KEY,
	kind TEXT COLLATE "C" NOT NULL,
	dedupe TEXT COLLATE "C" NOT NULL UNIQUE,
	user_id TEXT COLLATE "C" REFERENCES users (id),
	key_id TEXT COLLATE "C",
	payload TEXT COLLATE "C" NOT NULL,
	created_at BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	claimed_by TEXT COLLATE "C",
	claimed_until BIGINT,
	attempts BIGINT NOT NULL,
	sent_at BIGINT,
	dead_at BIGINT,
	last_error TEXT COLLATE "C"
);
CREATE INDEX outbox_due ON outbox (due_at);

CREATE TABLE leases (
	name TEXT COLLATE "C" PRIMARY KEY,
	holder TEXT COLLATE "C" NOT NULL,
	until BIGINT NOT NULL
);
