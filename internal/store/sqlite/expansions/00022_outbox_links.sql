-- +goose Up
-- Links that people wait for are sent before other notices. An expansion only adds.
CREATE INDEX outbox_links ON outbox (state, kind, due_at, id) WHERE link_id IS NOT NULL;
