-- Where to say that an audience changed, and what is still to be said: that, and nothing of anybody.
CREATE TABLE ledger.webhook (
    controller_id bigint NOT NULL,
    webhook_id text NOT NULL,
    purpose text NOT NULL,
    consumer text NOT NULL,
    audiences text[] NOT NULL,
    -- Sealed: an address may hold a token, and a secret is one. The former secret signs too, for a day.
    url bytea NOT NULL,
    secret bytea NOT NULL,
    former bytea,
    former_until bigint NOT NULL DEFAULT 0,
    -- It answered 410: nothing is sent to it until it is put again.
    gone boolean NOT NULL DEFAULT FALSE,
    PRIMARY KEY (controller_id, webhook_id)
);

CREATE TABLE ledger.ping (
    controller_id bigint NOT NULL,
    ping_id text NOT NULL,
    webhook_id text NOT NULL,
    audience_id text NOT NULL,
    at bigint NOT NULL,
    tries smallint NOT NULL DEFAULT 0,
    due bigint NOT NULL,
    -- The status of the newest answer; null without one.
    status smallint,
    dead boolean NOT NULL DEFAULT FALSE,
    PRIMARY KEY (controller_id, ping_id)
);
-- Changes that come while a ping waits to be sent first are in that ping.
CREATE UNIQUE INDEX ping_fresh ON ledger.ping (controller_id, webhook_id, audience_id)
WHERE tries = 0 AND NOT dead;
CREATE INDEX ping_due ON ledger.ping (due) WHERE NOT dead;

GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.webhook, ledger.ping TO assent_writer;
GRANT SELECT ON ledger.webhook, ledger.ping TO assent_auditor;
