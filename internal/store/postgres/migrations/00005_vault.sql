-- +goose Up
-- The key that seals the secrets of recoverable tenants; a new database gets it with the others.
INSERT INTO server_keys (purpose, version, created_at) SELECT 'copy', 1, created_at FROM server_keys WHERE purpose = 'digest' AND version = 1;
