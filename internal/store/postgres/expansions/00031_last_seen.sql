-- +goose Up
-- When people were last seen, which outlives their sessions. An expansion only adds.
CREATE TABLE user_seen (
	user_id TEXT COLLATE "C" PRIMARY KEY REFERENCES users (id),
	last_seen_at BIGINT NOT NULL
);
