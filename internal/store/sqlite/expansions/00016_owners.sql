-- +goose Up
-- Owners that are not people, and the management keys of programs. An expansion only adds: nodes of the version before continue on the
-- same database, and find every table that they know unchanged for their statements. Migration 17 then removes what no longer holds.
INSERT INTO counters (name, value) VALUES ('service_account', 0), ('subject', 0), ('key', 0);

-- A deleted service account keeps its row.
CREATE TABLE service_accounts (
	id TEXT PRIMARY KEY,
	number INTEGER NOT NULL UNIQUE,
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	role TEXT NOT NULL CHECK (role IN ('admin', 'member', 'auditor')),
	disabled_at INTEGER,
	deleted_at INTEGER,
	created_by TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX service_accounts_list ON service_accounts (tenant_id, created_at, id) WHERE deleted_at IS NULL;

-- Owners that ended (a service account or a subject was deleted, a member was removed) while some of their keys are not revoked in their
-- own rows yet. All keys of such an owner are revoked; a job writes it and removes the row.
CREATE TABLE ended_owners (
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	owner_id TEXT NOT NULL,
	ended_at INTEGER NOT NULL,
	ended_by TEXT,
	reason TEXT NOT NULL,
	PRIMARY KEY (tenant_id, owner_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_owners_age ON ended_owners (ended_at, tenant_id, owner_id);

CREATE TABLE service_account_stewards (
	service_account_id TEXT NOT NULL REFERENCES service_accounts (id),
	user_id TEXT NOT NULL REFERENCES users (id),
	PRIMARY KEY (service_account_id, user_id)
) STRICT;
CREATE INDEX service_account_stewards_user ON service_account_stewards (user_id, service_account_id);

-- What the keys of a subject may have at most, by name.
CREATE TABLE plans (
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	name TEXT NOT NULL,
	all_applications INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (tenant_id, name)
) STRICT;

-- What a plan contains: a scope or an application in each row.
CREATE TABLE plan_grants (
	tenant_id TEXT NOT NULL,
	plan TEXT NOT NULL,
	scope TEXT,
	application_id TEXT REFERENCES applications (id) ON DELETE CASCADE,
	CHECK ((scope IS NULL) <> (application_id IS NULL)),
	FOREIGN KEY (tenant_id, plan) REFERENCES plans (tenant_id, name) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX plan_grants_scope ON plan_grants (tenant_id, plan, scope);
CREATE UNIQUE INDEX plan_grants_application ON plan_grants (tenant_id, plan, application_id);
CREATE INDEX plan_grants_by_application ON plan_grants (application_id);

-- A deleted subject keeps its row, without external id, name, plan and metadata.
CREATE TABLE subjects (
	id TEXT PRIMARY KEY,
	number INTEGER NOT NULL UNIQUE,
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	external_id TEXT,
	name TEXT NOT NULL,
	plan TEXT,
	metadata TEXT,
	disabled_at INTEGER,
	disabled_by_admin INTEGER NOT NULL DEFAULT 0,
	deleted_at INTEGER,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	FOREIGN KEY (tenant_id, plan) REFERENCES plans (tenant_id, name)
) STRICT;
CREATE UNIQUE INDEX subjects_external_id ON subjects (tenant_id, external_id);
CREATE INDEX subjects_list ON subjects (tenant_id, created_at, id);
CREATE INDEX subjects_plan ON subjects (tenant_id, plan, created_at, id);

-- permissions and ceilings are JSON. hour_count is how many changes that creates_per_hour limits were made since hour_started_at.
CREATE TABLE management_keys (
	id TEXT PRIMARY KEY,
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	service_account_id TEXT NOT NULL REFERENCES service_accounts (id),
	name TEXT NOT NULL,
	permissions TEXT NOT NULL,
	ceilings TEXT NOT NULL,
	expires_at INTEGER NOT NULL,
	created_by TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	secret_set_at INTEGER NOT NULL,
	revoked_at INTEGER,
	revoked_by TEXT,
	revoked_reason TEXT,
	hour_started_at INTEGER,
	hour_count INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX management_keys_list ON management_keys (service_account_id, created_at, id);
CREATE INDEX management_keys_tenant ON management_keys (tenant_id, created_at, id);
CREATE INDEX management_keys_expiry ON management_keys (expires_at, id) WHERE revoked_at IS NULL;

-- The current secret of a management key and, after a refresh, the one before; sealed digests, as in key_secrets.
CREATE TABLE management_key_secrets (
	key_id TEXT NOT NULL REFERENCES management_keys (id) ON DELETE CASCADE,
	position TEXT NOT NULL CHECK (position IN ('current', 'previous')),
	serial INTEGER NOT NULL,
	lookup TEXT NOT NULL,
	public_id TEXT NOT NULL,
	tag_version INTEGER NOT NULL,
	last4 TEXT NOT NULL,
	digest BLOB,
	digest_version INTEGER,
	set_at INTEGER NOT NULL,
	set_by TEXT,
	until INTEGER,
	PRIMARY KEY (key_id, position)
) STRICT;
CREATE UNIQUE INDEX management_key_secrets_lookup ON management_key_secrets (lookup, position);
CREATE INDEX management_key_secrets_until ON management_key_secrets (until, key_id) WHERE position = 'previous';
CREATE INDEX management_key_secrets_setter ON management_key_secrets (set_by, key_id) WHERE set_by IS NOT NULL;

-- Like key_uses: written past the ledger, without a foreign key.
CREATE TABLE management_key_uses (
	key_id TEXT NOT NULL PRIMARY KEY,
	last_used_at INTEGER NOT NULL,
	last_used_ip TEXT
) STRICT, WITHOUT ROWID;

-- The stable number of a key; migration 17 numbers those that have none. metadata is a JSON object, allowed_cidrs a JSON list; NULL for none.
ALTER TABLE keys ADD COLUMN number INTEGER;
ALTER TABLE keys ADD COLUMN metadata TEXT;
ALTER TABLE keys ADD COLUMN allowed_cidrs TEXT;
CREATE UNIQUE INDEX keys_number ON keys (number);
CREATE INDEX keys_by_creator ON keys (tenant_id, created_by, created_at, id);

-- Whose secrets somebody has seen.
CREATE INDEX key_secrets_setter ON key_secrets (set_by, key_id) WHERE set_by IS NOT NULL;
