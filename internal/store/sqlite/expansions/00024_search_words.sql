-- +goose Up
-- By which words keys and people are found. An expansion only adds.

-- A word of a key's name or public id ('key'), of a person's e-mail address ('address') or name ('name'), or of a
-- subject's external id ('external'), folded as text.Words does it. Derived from the other tables: a backup does not
-- have it.
CREATE TABLE search_words (
	tenant_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	word TEXT NOT NULL,
	object_id TEXT NOT NULL,
	PRIMARY KEY (tenant_id, kind, word, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_words_object ON search_words (object_id);

-- How far the words of what an older version wrote are filled in. There is nothing to fill in on a new database.
CREATE TABLE search_fills (
	part TEXT PRIMARY KEY,
	after_id TEXT NOT NULL,
	complete INTEGER NOT NULL
) STRICT;
INSERT INTO search_fills (part, after_id, complete)
	SELECT part, '', TRUE FROM (SELECT 'keys' AS part UNION SELECT 'people' UNION SELECT 'subjects'
	UNION SELECT 'deleted keys') parts
	WHERE NOT EXISTS (SELECT 1 FROM users);

-- Keys by the beginning of their id.
CREATE INDEX keys_ids ON keys (tenant_id, id);
