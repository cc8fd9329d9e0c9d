-- +goose Up
-- When a key was last enabled, and when its digest went because it had been expired for long.
ALTER TABLE keys ADD COLUMN enabled_at INTEGER;
ALTER TABLE keys ADD COLUMN forgotten_at INTEGER;

-- What has grown old is looked for by secret and by expiry. A key that is revoked or forgotten is looked for no more.
CREATE INDEX keys_secret_age ON keys (tenant_id, revoked_at, forgotten_at, secret_set_at);
CREATE INDEX keys_expiry ON keys (revoked_at, forgotten_at, expires_at);
CREATE INDEX key_secrets_until ON key_secrets (position, until);

-- Since when a tenant disables idle keys as it does now. The settings themselves are not queried, but here they are all there is to know it by.
ALTER TABLE tenants ADD COLUMN idle_since INTEGER;
UPDATE tenants SET idle_since = updated_at WHERE settings LIKE '%"idle_days":%';

-- On which day a key last used a scope. Like key_uses it is written past the ledger and apart from the keys.
CREATE TABLE key_scope_uses (
	key_id TEXT NOT NULL,
	scope TEXT NOT NULL,
	last_used_on INTEGER NOT NULL,
	PRIMARY KEY (key_id, scope)
) STRICT, WITHOUT ROWID;
