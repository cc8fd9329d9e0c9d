-- +goose Up
-- The heads of audit chains are signed under the root secret. They are NULL where an earlier version left the head: the first start of
-- this version signs them as it finds them. unproven is the first record that was added to a head which was not signed.
ALTER TABLE audit_heads ADD COLUMN change_number INTEGER;
ALTER TABLE audit_heads ADD COLUMN unproven INTEGER;
ALTER TABLE audit_heads ADD COLUMN mac BLOB;
ALTER TABLE audit_heads ADD COLUMN mac_version INTEGER;
