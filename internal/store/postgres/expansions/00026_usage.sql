-- +goose Up
-- How much keys are used. An expansion only adds.

-- Requests per key and hour, and per key and day. key_id is 'other' for keys that are counted together, without an
-- owner. Like key_uses: written past the ledger, without a foreign key, so that the counts of a deleted key stay.
CREATE TABLE usage_key_hours (
	tenant_id TEXT COLLATE "C" NOT NULL,
	begins_at BIGINT NOT NULL,
	owner_id TEXT COLLATE "C" NOT NULL,
	key_id TEXT COLLATE "C" NOT NULL,
	accepted BIGINT NOT NULL,
	refused BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, begins_at, owner_id, key_id)
);
CREATE INDEX usage_key_hours_key ON usage_key_hours (tenant_id, owner_id, key_id, begins_at);
CREATE INDEX usage_key_hours_age ON usage_key_hours (begins_at);
CREATE TABLE usage_key_days (
	tenant_id TEXT COLLATE "C" NOT NULL,
	begins_at BIGINT NOT NULL,
	owner_id TEXT COLLATE "C" NOT NULL,
	key_id TEXT COLLATE "C" NOT NULL,
	accepted BIGINT NOT NULL,
	refused BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, begins_at, owner_id, key_id)
);
CREATE INDEX usage_key_days_key ON usage_key_days (tenant_id, owner_id, key_id, begins_at);
CREATE INDEX usage_key_days_age ON usage_key_days (begins_at);

-- Requests per tenant and hour, and per tenant and day, by code ('' is acceptance), application and transport ('' is
-- none).
CREATE TABLE usage_tenant_hours (
	tenant_id TEXT COLLATE "C" NOT NULL,
	begins_at BIGINT NOT NULL,
	code TEXT COLLATE "C" NOT NULL,
	application_id TEXT COLLATE "C" NOT NULL,
	transport TEXT COLLATE "C" NOT NULL,
	requests BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, begins_at, code, application_id, transport)
);
CREATE INDEX usage_tenant_hours_age ON usage_tenant_hours (begins_at);
CREATE TABLE usage_tenant_days (
	tenant_id TEXT COLLATE "C" NOT NULL,
	begins_at BIGINT NOT NULL,
	code TEXT COLLATE "C" NOT NULL,
	application_id TEXT COLLATE "C" NOT NULL,
	transport TEXT COLLATE "C" NOT NULL,
	requests BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, begins_at, code, application_id, transport)
);
CREATE INDEX usage_tenant_days_age ON usage_tenant_days (begins_at);

-- The last day on which a key was accepted by a transport.
CREATE TABLE key_transport_uses (
	key_id TEXT COLLATE "C" NOT NULL,
	transport TEXT COLLATE "C" NOT NULL,
	tenant_id TEXT COLLATE "C" NOT NULL,
	last_used_on BIGINT NOT NULL,
	PRIMARY KEY (key_id, transport)
);
CREATE INDEX key_transport_uses_tenant ON key_transport_uses (tenant_id, transport, last_used_on);
CREATE INDEX key_transport_uses_age ON key_transport_uses (last_used_on);

-- Up to which batch a run of the program has written its counts, and up to which time.
CREATE TABLE usage_flushes (
	run TEXT COLLATE "C" PRIMARY KEY,
	node TEXT COLLATE "C" NOT NULL,
	batch BIGINT NOT NULL,
	flushed_until BIGINT NOT NULL,
	written_at BIGINT NOT NULL
);
CREATE INDEX usage_flushes_node ON usage_flushes (node, flushed_until);
CREATE INDEX usage_flushes_age ON usage_flushes (written_at);

-- Until when hours are complete. No count is added to an hour before it.
INSERT INTO counters (name, value) VALUES ('usage_complete', 0) ON CONFLICT (name) DO NOTHING;
