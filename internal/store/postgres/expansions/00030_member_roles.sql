-- +goose Up
-- The members of a tenant by their role. An expansion only adds.
CREATE INDEX members_roles ON members (tenant_id, role, created_at, user_id);
