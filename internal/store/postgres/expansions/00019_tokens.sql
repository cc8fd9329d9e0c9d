-- +goose Up
-- Access tokens of OAuth 2.0. An expansion only adds.

-- A key that signs JWTs. private_key is sealed.
CREATE TABLE signing_keys (
	id TEXT COLLATE "C" PRIMARY KEY,
	algorithm TEXT COLLATE "C" NOT NULL,
	public_key BYTEA NOT NULL,
	private_key BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	used_from BIGINT NOT NULL
);
-- Its row is locked while a signing key is created.
INSERT INTO counters (name, value) VALUES ('signing_key', 0);

-- An access token that was revoked and has not expired. The key may be gone, so there is no foreign key.
CREATE TABLE revoked_tokens (
	id TEXT COLLATE "C" PRIMARY KEY,
	key_id TEXT COLLATE "C" NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_key ON revoked_tokens (key_id, expires_at);
CREATE INDEX revoked_tokens_age ON revoked_tokens (expires_at, id);
-- When the last of the key's revoked tokens expires; NULL for none.
ALTER TABLE keys ADD COLUMN tokens_revoked_until BIGINT;
