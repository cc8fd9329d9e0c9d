-- +goose Up
-- Owners that are not people, and the management keys of programs. An expansion only adds: nodes of the version before continue on the
-- same database, and find every table that they know unchanged for their statements. Migration 17 then removes what no longer holds.
INSERT INTO counters (name, value) VALUES ('service_account', 0), ('subject', 0), ('key', 0);

-- A deleted service account keeps its row.
CREATE TABLE service_accounts (
	id TEXT COLLATE "C" PRIMARY KEY,
	number BIGINT NOT NULL UNIQUE,
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	name TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	role TEXT COLLATE "C" NOT NULL CHECK (role IN ('admin', 'member', 'auditor')),
	disabled_at BIGINT,
	deleted_at BIGINT,
	created_by TEXT COLLATE "C" NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX service_accounts_list ON service_accounts (tenant_id, created_at, id) WHERE deleted_at IS NULL;

-- Owners that ended (a service account or a subject was deleted, a member was removed) while some of their keys are not revoked in their
-- own rows yet. All keys of such an owner are revoked; a job writes it and removes the row.
CREATE TABLE ended_owners (
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	owner_id TEXT COLLATE "C" NOT NULL,
	ended_at BIGINT NOT NULL,
	ended_by TEXT COLLATE "C",
	reason TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant_id, owner_id)
);
CREATE INDEX ended_owners_age ON ended_owners (ended_at, tenant_id, owner_id);

CREATE TABLE service_account_stewards (
	service_account_id TEXT COLLATE "C" NOT NULL REFERENCES service_accounts (id),
	user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
	PRIMARY KEY (service_account_id, user_id)
);
CREATE INDEX service_account_stewards_user ON service_account_stewards (user_id, service_account_id);

-- What the keys of a subject may have at most, by name.
CREATE TABLE plans (
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	name TEXT COLLATE "C" NOT NULL,
	all_applications BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, name)
);

-- What a plan contains: a scope or an application in each row.
CREATE TABLE plan_grants (
	tenant_id TEXT COLLATE "C" NOT NULL,
	plan TEXT COLLATE "C" NOT NULL,
	scope TEXT COLLATE "C",
	application_id TEXT COLLATE "C" REFERENCES applications (id) ON DELETE CASCADE,
	CHECK ((scope IS NULL) <> (application_id IS NULL)),
	FOREIGN KEY (tenant_id, plan) REFERENCES plans (tenant_id, name) ON DELETE CASCADE
);
CREATE UNIQUE INDEX plan_grants_scope ON plan_grants (tenant_id, plan, scope);
CREATE UNIQUE INDEX plan_grants_application ON plan_grants (tenant_id, plan, application_id);
CREATE INDEX plan_grants_by_application ON plan_grants (application_id);

-- A deleted subject keeps its row, without external id, name, plan and metadata.
CREATE TABLE subjects (
	id TEXT COLLATE "C" PRIMARY KEY,
	number BIGINT NOT NULL UNIQUE,
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	external_id TEXT COLLATE "C",
	name TEXT COLLATE "C" NOT NULL,
	plan TEXT COLLATE "C",
	metadata TEXT COLLATE "C",
	disabled_at BIGINT,
	disabled_by_admin BOOLEAN NOT NULL DEFAULT FALSE,
	deleted_at BIGINT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	FOREIGN KEY (tenant_id, plan) REFERENCES plans (tenant_id, name)
);
CREATE UNIQUE INDEX subjects_external_id ON subjects (tenant_id, external_id);
CREATE INDEX subjects_list ON subjects (tenant_id, created_at, id);
CREATE INDEX subjects_plan ON subjects (tenant_id, plan, created_at, id);

-- permissions and ceilings are JSON. hour_count is how many changes that creates_per_hour limits were made since hour_started_at.
CREATE TABLE management_keys (
	id TEXT COLLATE "C" PRIMARY KEY,
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	service_account_id TEXT COLLATE "C" NOT NULL REFERENCES service_accounts (id),
	name TEXT COLLATE "C" NOT NULL,
	permissions TEXT COLLATE "C" NOT NULL,
	ceilings TEXT COLLATE "C" NOT NULL,
	expires_at BIGINT NOT NULL,
	created_by TEXT COLLATE "C" NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	secret_set_at BIGINT NOT NULL,
	revoked_at BIGINT,
	revoked_by TEXT COLLATE "C",
	revoked_reason TEXT COLLATE "C",
	hour_started_at BIGINT,
	hour_count BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX management_keys_list ON management_keys (service_account_id, created_at, id);
CREATE INDEX management_keys_tenant ON management_keys (tenant_id, created_at, id);
CREATE INDEX management_keys_expiry ON management_keys (expires_at, id) WHERE revoked_at IS NULL;

-- The current secret of a management key and, after a refresh, the one before; sealed digests, as in key_secrets.
CREATE TABLE management_key_secrets (
	key_id TEXT COLLATE "C" NOT NULL REFERENCES management_keys (id) ON DELETE CASCADE,
	position TEXT COLLATE "C" NOT NULL CHECK (position IN ('current', 'previous')),
	serial BIGINT NOT NULL,
	lookup TEXT COLLATE "C" NOT NULL,
	public_id TEXT COLLATE "C" NOT NULL,
	tag_version BIGINT NOT NULL,
	last4 TEXT COLLATE "C" NOT NULL,
	digest BYTEA,
	digest_version BIGINT,
	set_at BIGINT NOT NULL,
	set_by TEXT COLLATE "C",
	until BIGINT,
	PRIMARY KEY (key_id, position)
);
CREATE UNIQUE INDEX management_key_secrets_lookup ON management_key_secrets (lookup, position);
CREATE INDEX management_key_secrets_until ON management_key_secrets (until, key_id) WHERE position = 'previous';
CREATE INDEX management_key_secrets_setter ON management_key_secrets (set_by, key_id) WHERE set_by IS NOT NULL;

-- Like key_uses: written past the ledger, without a foreign key.
CREATE TABLE management_key_uses (
	key_id TEXT COLLATE "C" PRIMARY KEY,
	last_used_at BIGINT NOT NULL,
	last_used_ip TEXT COLLATE "C"
);

-- The stable number of a key; migration 17 numbers those that have none. metadata is a JSON object, allowed_cidrs a JSON list; NULL for none.
ALTER TABLE keys ADD COLUMN number BIGINT;
ALTER TABLE keys ADD COLUMN metadata TEXT COLLATE "C";
ALTER TABLE keys ADD COLUMN allowed_cidrs TEXT COLLATE "C";
CREATE UNIQUE INDEX keys_number ON keys (number);
CREATE INDEX keys_by_creator ON keys (tenant_id, created_by, created_at, id);

-- Whose secrets somebody has seen.
CREATE INDEX key_secrets_setter ON key_secrets (set_by, key_id) WHERE set_by IS NOT NULL;
