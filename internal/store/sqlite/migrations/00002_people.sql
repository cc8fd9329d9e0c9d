-- +goose Up
-- The trails of a tenant, and of an account with its tenants, newest first.
CREATE INDEX audit_events_tenant ON audit_events (tenant_id, change_number);
CREATE INDEX audit_events_account ON audit_events (account_id, change_number);

-- Keys are searched by public id too.
UPDATE keys SET search = search || ' ' || (SELECT LOWER(s.public_id) FROM key_secrets s WHERE s.key_id = keys.id AND s.position = 'current');

-- An invitation voids earlier ones of the same address.
ALTER TABLE links ADD COLUMN canonical_email TEXT;

-- What is pending of a tenant's invitations, and of a person's sessions.
CREATE INDEX links_tenant ON links (tenant_id, kind);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- What a request made is shown again by asking for it, so that no answer is kept.
ALTER TABLE idempotency DROP COLUMN status;
