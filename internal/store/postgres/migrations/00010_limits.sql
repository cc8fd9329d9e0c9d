-- +goose Up
-- What is pending of a tenant's invitations is counted before another one is made. Those that were used are not looked for.
DROP INDEX links_tenant;
CREATE INDEX links_pending ON links (tenant_id, expires_at) WHERE kind = 'invitation' AND used_at IS NULL;

-- The places that a person signed in from beyond the latest ones are forgotten.
CREATE INDEX sign_in_places_seen ON sign_in_places (user_id, seen_at, place);
