-- +goose Up
-- Entries, by which reverse proxies ask about requests, and the route rules of applications. The entries of the operator's file are not
-- here. An expansion only adds: nodes of the version before continue on the same database.
CREATE TABLE entries (
	name TEXT COLLATE "C" PRIMARY KEY,
	tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
	otherwise TEXT COLLATE "C" NOT NULL CHECK (otherwise IN ('refuse', 'any-key')),
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

-- The rules of an application as JSON, in their order; NULL for none.
ALTER TABLE applications ADD COLUMN routes TEXT COLLATE "C";
