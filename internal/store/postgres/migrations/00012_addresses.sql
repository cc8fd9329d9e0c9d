-- +goose Up
-- Since when an address is known to be its user's: they used a link that was mailed there, or the operator vouches. Those who were users
-- before this version keep their notices: see ADR 34.
ALTER TABLE users ADD COLUMN email_proven_at BIGINT;
UPDATE users SET email_proven_at = created_at WHERE deleted_at IS NULL;

-- When a link was given to mail; its ticket follows from its id, this time and the root secret. NULL where it was shown to whoever made it.
ALTER TABLE links ADD COLUMN mailed_at BIGINT;
CREATE INDEX links_resets ON links (user_id, created_at) WHERE kind = 'password_reset' AND user_id IS NOT NULL;
CREATE INDEX links_invitations ON links (tenant_id, created_at, id)
	WHERE kind = 'invitation' AND used_at IS NULL AND tenant_id IS NOT NULL;

-- The link that a message brings. recipient and tenant_id are what such messages are counted by.
ALTER TABLE outbox ADD COLUMN link_id TEXT COLLATE "C";
ALTER TABLE outbox ADD COLUMN recipient TEXT COLLATE "C";
ALTER TABLE outbox ADD COLUMN tenant_id TEXT COLLATE "C";
CREATE INDEX outbox_recipient ON outbox (recipient, created_at) WHERE recipient IS NOT NULL;
CREATE INDEX outbox_tenant ON outbox (tenant_id, created_at) WHERE tenant_id IS NOT NULL;

-- Failed sign-ins are told of, and forgotten when they are old. A row has the canonical address of a person for everybody, or the id of a
-- person and a place that they are known from.
CREATE INDEX sign_in_failures_age ON sign_in_failures (last_at, canonical_email);
