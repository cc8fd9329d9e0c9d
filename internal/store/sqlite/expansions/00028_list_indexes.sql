-- +goose Up
-- Indexes for orders of the list of keys, and for who has a scope. An expansion only adds.

-- Keys by their names, without regard to case.
CREATE INDEX keys_names ON keys (tenant_id, lower(name), id);

CREATE INDEX key_uses_order ON key_uses (tenant_id, last_used_at, key_id);
CREATE INDEX key_grants_tenant ON key_grants (tenant_id, scope, key_id);
