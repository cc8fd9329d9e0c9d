-- +goose Up
-- The contraction after expansion 16: a key may belong to, and be made by, somebody who is not a user. Nodes of the version before stop
-- here. Locks are taken before anything changes, users first as in every transaction; contraction.go begins again if one is not free.
SET LOCAL lock_timeout = '2s';
LOCK TABLE users, keys, key_secrets IN ACCESS EXCLUSIVE MODE;
ALTER TABLE keys DROP CONSTRAINT keys_owner_id_fkey;
ALTER TABLE keys DROP CONSTRAINT keys_created_by_fkey;
ALTER TABLE key_secrets DROP CONSTRAINT key_secrets_set_by_fkey;

-- contraction.go has numbered nearly all keys before.
UPDATE keys SET number = n.number
FROM (SELECT id, (SELECT value FROM counters WHERE name = 'key') + ROW_NUMBER() OVER (ORDER BY created_at, id) AS number
	FROM keys WHERE number IS NULL) n
WHERE keys.id = n.id;
UPDATE counters SET value = GREATEST(value, (SELECT COALESCE(MAX(number), 0) FROM keys)) WHERE name = 'key';

-- The server keys of management keys, in the versions of those that are rotated with them; a new database gets them with the others.
INSERT INTO server_keys (purpose, version, created_at, used_from)
SELECT CASE purpose WHEN 'tag' THEN 'management_tag' ELSE 'management_digest' END, version, created_at, used_from
FROM server_keys WHERE purpose IN ('tag', 'digest') AND retired_at IS NULL;
