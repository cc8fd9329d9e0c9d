-- +goose Up
-- Access tokens of OAuth 2.0. An expansion only adds.

-- A key that signs JWTs. private_key is sealed.
CREATE TABLE signing_keys (
	id TEXT PRIMARY KEY,
	algorithm TEXT NOT NULL,
	public_key BLOB NOT NULL,
	private_key BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	used_from INTEGER NOT NULL
) STRICT;
-- Its row is locked while a signing key is created.
INSERT INTO counters (name, value) VALUES ('signing_key', 0);

-- An access token that was revoked and has not expired. The key may be gone, so there is no foreign key.
CREATE TABLE revoked_tokens (
	id TEXT PRIMARY KEY,
	key_id TEXT NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX revoked_tokens_key ON revoked_tokens (key_id, expires_at);
CREATE INDEX revoked_tokens_age ON revoked_tokens (expires_at, id);
-- When the last of the key's revoked tokens expires; NULL for none.
ALTER TABLE keys ADD COLUMN tokens_revoked_until INTEGER;
