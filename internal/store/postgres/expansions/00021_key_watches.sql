-- +goose Up
-- What newly shown keys do. An expansion only adds.

-- A key whose secret was shown a few minutes ago, with the first request that was allowed since and the last that was
-- refused. Like key_uses: written past the ledger, without a foreign key.
CREATE TABLE key_watches (
	key_id TEXT COLLATE "C" PRIMARY KEY,
	tenant_id TEXT COLLATE "C" NOT NULL,
	shown_at BIGINT NOT NULL,
	used_at BIGINT,
	used_ip TEXT COLLATE "C",
	used_transport TEXT COLLATE "C",
	refused_at BIGINT,
	refused_code TEXT COLLATE "C",
	refused_missing TEXT COLLATE "C",
	refused_ip TEXT COLLATE "C",
	refused_transport TEXT COLLATE "C"
);
CREATE INDEX key_watches_age ON key_watches (shown_at);
CREATE INDEX key_watches_tenant ON key_watches (tenant_id, shown_at);

-- The events of one thing, for its page.
CREATE INDEX audit_events_target ON audit_events (target_id, change_number);
