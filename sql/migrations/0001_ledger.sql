-- The ledger: facts in the order they were acknowledged, and what proves that order.
-- Entries, tiles and batches are inserted and never changed. Payloads stand aside, sealed, so that erasure
-- deletes them without touching a leaf. Times are bigint microseconds since 1970-01-01T00:00:00Z.

CREATE SCHEMA ledger;

CREATE TABLE ledger.controller (
    controller_id bigint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    -- One-way check values of the key ring that this controller's ledger is written with.
    key_checks jsonb NOT NULL
);

-- One row per controller, moved by every commit: whoever holds its lock is the only writer.
CREATE TABLE ledger.head (
    controller_id bigint PRIMARY KEY,
    -- The number of entries.
    revision bigint NOT NULL,
    -- The time of the newest commit; commits are a microsecond apart at least.
    at bigint NOT NULL,
    policy_version integer NOT NULL,
    -- The compact range of the Merkle tree (RFC 6962) and the newest signed checkpoint (C2SP).
    frontier bytea NOT NULL,
    checkpoint text NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE ledger.entry (
    controller_id bigint NOT NULL,
    entry_index bigint NOT NULL,
    -- Public header and salted commitments: no subject, no value.
    leaf bytea NOT NULL,
    PRIMARY KEY (controller_id, entry_index)
);

-- Who an entry is about: identifiers, links, times, the fields of a statement. Sealed.
CREATE TABLE ledger.payload (
    controller_id bigint NOT NULL,
    entry_index bigint NOT NULL,
    identifier_id bigint NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (controller_id, entry_index)
);
CREATE INDEX payload_identifier ON ledger.payload (controller_id, identifier_id);

-- What an event said, a row per category and part, so that withdrawal can delete one and keep the other.
-- `basis` is the set of purposes (bits) that carry the datum still; a row never stands with basis 0.
CREATE TABLE ledger.content (
    controller_id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    entry_index bigint NOT NULL,
    -- Which of the entry's commitments it opens: part 0 is the payload.
    part smallint NOT NULL,
    category_id smallint NOT NULL,
    basis bigint NOT NULL CHECK (basis <> 0),
    sealed bytea NOT NULL,
    PRIMARY KEY (controller_id, identifier_id, entry_index, part)
);
CREATE INDEX content_entry ON ledger.content USING brin (controller_id, entry_index);

-- One row per commit. The batch id is what a committer looks up after a lost connection.
CREATE TABLE ledger.batch (
    controller_id bigint NOT NULL,
    first_index bigint NOT NULL,
    size integer NOT NULL,
    batch_id uuid NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (controller_id, first_index)
);
CREATE UNIQUE INDEX batch_id ON ledger.batch (controller_id, batch_id);

-- Complete tiles only (256 hashes): log 0 holds the facts, log 1 the releases. `root` is the tile's own
-- hash, one tile level up. What is not complete is computed from what stands below it.
CREATE TABLE ledger.tile (
    controller_id bigint NOT NULL,
    log smallint NOT NULL,
    level smallint NOT NULL,
    tile_index bigint NOT NULL,
    digests bytea NOT NULL,
    root bytea NOT NULL,
    PRIMARY KEY (controller_id, log, level, tile_index)
);

-- Messages already taken, as keyed hashes of (source, messageId), with the entry each became; kept 35 days.
CREATE TABLE ledger.message (
    controller_id bigint NOT NULL,
    message_key bytea NOT NULL,
    seen_at bigint NOT NULL,
    entry_index bigint NOT NULL,
    PRIMARY KEY (controller_id, message_key)
);
CREATE INDEX message_seen ON ledger.message USING brin (controller_id, seen_at);

-- What was not taken: a count per source, day and reason, and nothing else.
CREATE TABLE ledger.refusal (
    controller_id bigint NOT NULL,
    source text NOT NULL,
    day integer NOT NULL,
    code text NOT NULL,
    refused bigint NOT NULL,
    PRIMARY KEY (controller_id, source, day, code)
) WITH (fillfactor = 80);

-- Keys of the wire, kept as SHA-256 of 256 random bits.
CREATE TABLE ledger.api_key (
    controller_id bigint NOT NULL,
    key_id bigint GENERATED ALWAYS AS IDENTITY,
    digest bytea NOT NULL,
    role text NOT NULL,
    consumer text NOT NULL,
    purposes text[] NOT NULL,
    trust text NOT NULL,
    members boolean NOT NULL,
    created_at bigint NOT NULL,
    revoked_at bigint,
    PRIMARY KEY (controller_id, key_id)
);
CREATE INDEX api_key_digest ON ledger.api_key (digest);

-- Answers already given to an Idempotency-Key, for 24 hours, with a digest of the request.
CREATE TABLE ledger.idempotency (
    controller_id bigint NOT NULL,
    idempotency_key bytea NOT NULL,
    digest bytea NOT NULL,
    status smallint,
    body bytea,
    at bigint NOT NULL,
    PRIMARY KEY (controller_id, idempotency_key)
);

-- How far an import has come: the next record of a file under a mapping.
CREATE TABLE ledger.import_progress (
    controller_id bigint NOT NULL,
    file_digest bytea NOT NULL,
    next_record bigint NOT NULL,
    PRIMARY KEY (controller_id, file_digest)
) WITH (fillfactor = 50);

-- What a purpose can see has a number of its own. It counts changes to what the gate shows, nothing else.
CREATE TABLE ledger.purpose_head (
    controller_id bigint NOT NULL,
    purpose_id smallint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (controller_id, purpose_id)
) WITH (fillfactor = 50);

CREATE TABLE ledger.change (
    controller_id bigint NOT NULL,
    purpose_id smallint NOT NULL,
    seq bigint NOT NULL,
    profile_id bigint NOT NULL,
    narrowing boolean NOT NULL,
    PRIMARY KEY (controller_id, purpose_id, seq)
);

-- The second log: every answer with personal data. Never folded, never moves the revision.
CREATE TABLE ledger.release (
    controller_id bigint NOT NULL,
    release_id bigint GENERATED ALWAYS AS IDENTITY,
    at bigint NOT NULL,
    kind text NOT NULL,
    consumer text NOT NULL,
    purpose_id smallint NOT NULL,
    purpose_seq bigint NOT NULL,
    revision bigint NOT NULL,
    policy_version integer NOT NULL,
    rules text NOT NULL,
    number bigint NOT NULL,
    commitment bytea NOT NULL,
    -- Who was in it, sealed with its salt; erasure may delete it without touching the leaf.
    sealed bytea,
    -- Where it stands in the release tree; null until sealed, within a second.
    leaf_index bigint,
    PRIMARY KEY (controller_id, release_id)
);
CREATE INDEX release_unsealed ON ledger.release (controller_id, release_id) WHERE leaf_index IS NULL;
CREATE UNIQUE INDEX release_leaf ON ledger.release (controller_id, leaf_index) WHERE leaf_index IS NOT NULL;

CREATE TABLE ledger.release_head (
    controller_id bigint PRIMARY KEY,
    size bigint NOT NULL,
    frontier bytea NOT NULL,
    checkpoint text NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE ledger.release_entry (
    controller_id bigint NOT NULL,
    entry_index bigint NOT NULL,
    leaf bytea NOT NULL,
    PRIMARY KEY (controller_id, entry_index)
);
