-- +goose Up
-- When people were last seen, which outlives their sessions. An expansion only adds.
CREATE TABLE user_seen (
	user_id TEXT PRIMARY KEY REFERENCES users (id),
	last_seen_at INTEGER NOT NULL
) STRICT;
