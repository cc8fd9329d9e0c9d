-- +goose Up
-- Sessions of the gateway. An expansion only adds.

-- What the token of the session is, and thereby where it is good.
ALTER TABLE sessions ADD COLUMN kind TEXT COLLATE "C" NOT NULL DEFAULT 'session';
-- The only tenant that the session is good for; NULL for every tenant of its person.
ALTER TABLE sessions ADD COLUMN tenant_id TEXT COLLATE "C" REFERENCES tenants (id);
