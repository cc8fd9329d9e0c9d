-- +goose Up
-- The key that seals the secrets of recoverable tenants; a new database gets it with the others.
INSERT INTO server_keys (purpose, version, created_at) SELECT 'copy', 1, created_at FROM server_keys WHERE purpose = 'digest' AND version = 1;

-- When a version begins to be used for what is new; NULL for ever since. When nothing was left under it.
ALTER TABLE server_keys ADD COLUMN used_from INTEGER;
ALTER TABLE server_keys ADD COLUMN emptied_at INTEGER;

-- The version of the key that the tag of an id is under; 0 for an id without a tag. It cannot be seen from what is stored of a uuid.
ALTER TABLE key_secrets ADD COLUMN tag_version INTEGER NOT NULL DEFAULT 1;
