-- +goose Up
-- What orders of the list of keys and counts of rights need. An expansion only adds. The indexes have a file of their
-- own, because adding a column stops readers until the file is done.

-- The tenant of the key; NULL for a use that a version before this one recorded, until Store.FillSearch writes it.
ALTER TABLE key_uses ADD COLUMN tenant_id TEXT;

-- The tenant of the key; NULL for a grant that a version before this one wrote, until Store.FillSearch writes it.
ALTER TABLE key_grants ADD COLUMN tenant_id TEXT;

-- search_words also has the names of service accounts ('account') and of subjects ('subject'), and one row for each
-- owner of keys by which lists are sorted ('owner'). There is nothing to fill in on a new database.
INSERT INTO search_fills (part, after_id, complete)
	SELECT part, '', TRUE FROM (SELECT 'rights and uses' AS part UNION SELECT 'service accounts'
	UNION SELECT 'names of people' UNION SELECT 'names of subjects') parts
	WHERE NOT EXISTS (SELECT 1 FROM users);
