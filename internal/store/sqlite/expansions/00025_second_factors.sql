-- +goose Up
-- Second factors. An expansion only adds.

-- The second factor of a person: the sealed secret of an authenticator app. Without a secret no code is right, and only
-- the operator removes it (after a restore).
CREATE TABLE second_factors (
	user_id TEXT PRIMARY KEY REFERENCES users (id),
	secret BLOB,
	secret_version INTEGER,
	-- The latest time step of which a code was accepted. Only codes of later ones are.
	last_step INTEGER NOT NULL,
	set_at INTEGER NOT NULL
) STRICT;
CREATE INDEX second_factors_version ON second_factors (secret_version, user_id);

-- The recovery codes that are left.
CREATE TABLE recovery_codes (
	user_id TEXT NOT NULL REFERENCES users (id),
	hash BLOB NOT NULL,
	PRIMARY KEY (user_id, hash)
) STRICT;

-- A person who has given their password, and has yet to send a code or to set up a second factor.
CREATE TABLE half_sessions (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id),
	token_hash BLOB NOT NULL,
	step TEXT NOT NULL,
	-- NULL until the person has given their password again.
	password_set_at INTEGER,
	tries INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX half_sessions_token ON half_sessions (token_hash);
CREATE INDEX half_sessions_user ON half_sessions (user_id, created_at, id);
CREATE INDEX half_sessions_expiry ON half_sessions (expires_at);

-- When the session last proved the second factor by an app; NULL for never.
ALTER TABLE sessions ADD COLUMN factor_at INTEGER;
-- When a password was set that is too short to be the only factor; NULL for a longer one.
ALTER TABLE users ADD COLUMN short_password_at INTEGER;
-- Who needs a second factor in the account; NULL for nobody.
ALTER TABLE accounts ADD COLUMN require_second_factor TEXT;
