-- +goose Up
-- Where each notice stands. Nothing was in the outbox before this version.
ALTER TABLE outbox ADD COLUMN state TEXT COLLATE "C" NOT NULL DEFAULT 'waiting'
	CHECK (state IN ('waiting', 'claimed', 'sending', 'sent', 'skipped', 'dead', 'in_doubt'));
ALTER TABLE outbox DROP COLUMN sent_at;
ALTER TABLE outbox DROP COLUMN dead_at;
DROP INDEX outbox_due;
CREATE INDEX outbox_state ON outbox (state, due_at);

-- Keys that come to an expiry are found by their own and by the age of their secret.
CREATE INDEX keys_by_expiry ON keys (expires_at, id);
CREATE INDEX keys_by_secret_age ON keys (secret_set_at, id);

-- The kinds of notices that somebody does not want, with spaces between.
ALTER TABLE users ADD COLUMN muted TEXT COLLATE "C" NOT NULL DEFAULT '';

-- The addresses and devices that somebody signed in from, so that a new one is told.
CREATE TABLE sign_in_places (
	user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
	place TEXT COLLATE "C" NOT NULL,
	seen_at BIGINT NOT NULL,
	PRIMARY KEY (user_id, place)
);
