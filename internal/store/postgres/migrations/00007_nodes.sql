-- +goose Up

-- Every change wakes the nodes that listen. It tells them nothing: they read on from the last change that they saw.
-- +goose StatementBegin
CREATE FUNCTION claviger_announce_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NOTIFY claviger_changes;
	RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER announce_change AFTER INSERT ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION claviger_announce_change();
