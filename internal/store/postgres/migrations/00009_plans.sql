-- +goose Up
-- Every query of a job or of a request has an index that serves its filter and its order, whatever the planner knows of the
-- tables. A condition that nearly all rows meet (not revoked, not forgotten) is a condition of the index, not a column of it:
-- as a leading column it made planners without statistics choose an index that finds every key.

DROP INDEX keys_owner;
DROP INDEX keys_secret_age;
DROP INDEX keys_expiry;
DROP INDEX keys_by_expiry;
DROP INDEX keys_by_secret_age;
CREATE INDEX keys_own ON keys (owner_id, created_at, id);
CREATE INDEX keys_of_owner ON keys (tenant_id, owner_id, created_at, id);
CREATE INDEX keys_by_expiry ON keys (expires_at, id) WHERE revoked_at IS NULL;
CREATE INDEX keys_by_secret_age ON keys (secret_set_at, id) WHERE revoked_at IS NULL;
CREATE INDEX keys_expired ON keys (expires_at, id) WHERE revoked_at IS NULL AND forgotten_at IS NULL;
CREATE INDEX keys_secret_age ON keys (tenant_id, secret_set_at, id) WHERE revoked_at IS NULL AND forgotten_at IS NULL;

DROP INDEX key_secrets_until;
CREATE INDEX key_secrets_until ON key_secrets (until, key_id) WHERE position = 'previous';

DROP INDEX sessions_user;
CREATE INDEX sessions_list ON sessions (user_id, created_at, id);
CREATE INDEX sessions_begun ON sessions (created_at);
CREATE INDEX sessions_seen ON sessions (last_seen_at);

DROP INDEX outbox_state;
CREATE INDEX outbox_state ON outbox (state, due_at, id);

DROP INDEX members_user;
CREATE INDEX members_user ON members (user_id, tenant_id);
CREATE INDEX members_list ON members (tenant_id, created_at, user_id);
DROP INDEX account_members_user;
CREATE INDEX account_members_user ON account_members (user_id, account_id);
CREATE INDEX account_members_list ON account_members (account_id, created_at, user_id);
DROP INDEX tenants_account;
CREATE INDEX tenants_account ON tenants (account_id, id);
CREATE INDEX tenants_idle ON tenants (id) WHERE idle_since IS NOT NULL;

-- Links that can no longer be used are removed by their age.
CREATE INDEX links_age ON links (expires_at);
