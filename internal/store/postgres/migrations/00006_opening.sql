-- +goose Up
-- What the person whom a link is for is called, where whoever made it knew.
ALTER TABLE links ADD COLUMN name TEXT COLLATE "C";
