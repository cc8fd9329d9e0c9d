-- +goose Up
-- Who set a secret has seen it. NULL where nobody has claimed it yet, and for secrets of earlier versions: of those the
-- creator of the key counts.
ALTER TABLE key_secrets ADD COLUMN set_by TEXT REFERENCES users (id);

-- A search folds what it compares when it is asked, so that both sides are folded by one program.
ALTER TABLE keys DROP COLUMN search;

-- In which accounts a session has ended by their policies. In the others it lives on.
CREATE TABLE session_ends (
	session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	PRIMARY KEY (session_id, account_id)
) STRICT;
CREATE INDEX session_ends_account ON session_ends (account_id, session_id);
