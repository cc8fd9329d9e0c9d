-- +goose Up

-- The other engine announces its changes to other nodes. Here there are none.
SELECT 1;
