-- +goose Up
-- What newly shown keys do. An expansion only adds.

-- A key whose secret was shown a few minutes ago, with the first request that was allowed since and the last that was
-- refused. Like key_uses: written past the ledger, without a foreign key.
CREATE TABLE key_watches (
	key_id TEXT PRIMARY KEY,
	tenant_id TEXT NOT NULL,
	shown_at INTEGER NOT NULL,
	used_at INTEGER,
	used_ip TEXT,
	used_transport TEXT,
	refused_at INTEGER,
	refused_code TEXT,
	refused_missing TEXT,
	refused_ip TEXT,
	refused_transport TEXT
) STRICT;
CREATE INDEX key_watches_age ON key_watches (shown_at);
CREATE INDEX key_watches_tenant ON key_watches (tenant_id, shown_at);

-- The events of one thing, for its page.
CREATE INDEX audit_events_target ON audit_events (target_id, change_number);
