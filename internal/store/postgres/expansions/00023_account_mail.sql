-- +goose Up
-- Messages of an account. An expansion only adds.

-- The account that a notice is about; NULL for one about a person's own sign-ins and password, and for those that a
-- version before this one planned.
ALTER TABLE outbox ADD COLUMN account_id TEXT COLLATE "C";
CREATE INDEX outbox_account ON outbox (account_id, created_at, id) WHERE account_id IS NOT NULL;
