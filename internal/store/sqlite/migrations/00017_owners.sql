-- +goose Up
-- The contraction after expansion 16: a key may belong to, and be made by, somebody who is not a user. SQLite cannot drop a foreign key, so
-- both tables are made anew. contraction.go runs this in one transaction with foreign keys off, because dropping a table would
-- otherwise delete what refers to it, and compares before it commits.
CREATE TABLE keys_new (
	id TEXT PRIMARY KEY,
	tenant_id TEXT NOT NULL REFERENCES tenants (id),
	owner_id TEXT NOT NULL,
	created_by TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
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
	revoked_reason TEXT,
	enabled_at INTEGER,
	forgotten_at INTEGER,
	number INTEGER,
	metadata TEXT,
	allowed_cidrs TEXT
) STRICT;
INSERT INTO keys_new (id, tenant_id, owner_id, created_by, name, description, all_applications, delivery, slot, created_at, updated_at,
	secret_set_at, expires_at, disabled_at, disabled_by, disabled_by_admin, revoked_at, revoked_by, revoked_reason, enabled_at,
	forgotten_at, number, metadata, allowed_cidrs)
SELECT id, tenant_id, owner_id, created_by, name, description, all_applications, delivery, slot, created_at, updated_at,
	secret_set_at, expires_at, disabled_at, disabled_by, disabled_by_admin, revoked_at, revoked_by, revoked_reason, enabled_at,
	forgotten_at, COALESCE(number, (SELECT value FROM counters WHERE name = 'key')
		+ ROW_NUMBER() OVER (PARTITION BY number IS NULL ORDER BY created_at, id)), metadata, allowed_cidrs
FROM keys;
UPDATE counters SET value = MAX(value, (SELECT COALESCE(MAX(number), 0) FROM keys_new)) WHERE name = 'key';

CREATE TABLE key_secrets_new (
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
	tag_version INTEGER NOT NULL DEFAULT 1,
	-- Who set the secret, and so has seen it: a user, or for keys of other owners whoever acted for them.
	set_by TEXT,
	PRIMARY KEY (key_id, position)
) STRICT;
INSERT INTO key_secrets_new (key_id, position, serial, lookup, public_id, last4, style, prefix, label, domain, digest, digest_version,
	copy, copy_version, set_at, until, last_used_at, tag_version, set_by)
SELECT key_id, position, serial, lookup, public_id, last4, style, prefix, label, domain, digest, digest_version,
	copy, copy_version, set_at, until, last_used_at, tag_version, set_by
FROM key_secrets;

DROP TABLE key_secrets;
DROP TABLE keys;
ALTER TABLE keys_new RENAME TO keys;
ALTER TABLE key_secrets_new RENAME TO key_secrets;

CREATE UNIQUE INDEX keys_slot ON keys (tenant_id, owner_id, slot);
CREATE UNIQUE INDEX keys_number ON keys (number);
CREATE INDEX keys_list ON keys (tenant_id, created_at, id);
CREATE INDEX keys_own ON keys (owner_id, created_at, id);
CREATE INDEX keys_of_owner ON keys (tenant_id, owner_id, created_at, id);
CREATE INDEX keys_by_creator ON keys (tenant_id, created_by, created_at, id);
CREATE INDEX keys_by_expiry ON keys (expires_at, id) WHERE revoked_at IS NULL;
CREATE INDEX keys_by_secret_age ON keys (secret_set_at, id) WHERE revoked_at IS NULL;
CREATE INDEX keys_expired ON keys (expires_at, id) WHERE revoked_at IS NULL AND forgotten_at IS NULL;
CREATE INDEX keys_secret_age ON keys (tenant_id, secret_set_at, id) WHERE revoked_at IS NULL AND forgotten_at IS NULL;
CREATE UNIQUE INDEX key_secrets_lookup ON key_secrets (lookup, position);
CREATE INDEX key_secrets_until ON key_secrets (until, key_id) WHERE position = 'previous';
CREATE INDEX key_secrets_setter ON key_secrets (set_by, key_id) WHERE set_by IS NOT NULL;

-- The server keys of management keys, in the versions of those that are rotated with them; a new database gets them with the others.
INSERT INTO server_keys (purpose, version, created_at, used_from)
SELECT CASE purpose WHEN 'tag' THEN 'management_tag' ELSE 'management_digest' END, version, created_at, used_from
FROM server_keys WHERE purpose IN ('tag', 'digest') AND retired_at IS NULL;
