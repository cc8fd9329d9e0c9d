-- +goose Up

-- The effects of a change on what anyone may do, a list in JSON that commits with the change. Events of earlier versions have NULL: internal/journal reads
-- their effects from action and details.
ALTER TABLE audit_events ADD COLUMN effects TEXT COLLATE "C";
