-- +goose Up
-- What people change and download about themselves. An expansion only adds.

-- The avatar of a person: a PNG of at most 256 pixels a side. Its version is that of its content.
CREATE TABLE user_avatars (
	user_id TEXT COLLATE "C" PRIMARY KEY REFERENCES users (id),
	image BYTEA NOT NULL,
	version TEXT COLLATE "C" NOT NULL,
	set_at BIGINT NOT NULL
);

-- The links that confirm another e-mail address. One with an address goes to the new one.
CREATE INDEX links_email_changes ON links (user_id, created_at)
	WHERE kind = 'email_change' AND user_id IS NOT NULL;

-- The events that a person caused, for the download of their data.
CREATE INDEX audit_events_actor ON audit_events (actor_id, change_number);
