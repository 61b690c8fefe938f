-- Projections: folds over the entries, rebuilt into a second schema beside this one and compared row for row.
-- Statements name these tables without a schema; search_path says which fold is meant.
-- Times are bigint microseconds since 1970-01-01T00:00:00Z; -(2^62) and 2^62 stand for always and never.
-- Sets of purposes and of categories are bits: bit n for the number n.

CREATE SCHEMA projection;

CREATE TABLE projection.policy (
    controller_id bigint NOT NULL,
    policy_version integer NOT NULL,
    entry_index bigint NOT NULL,
    documents text NOT NULL,
    names text NOT NULL,
    PRIMARY KEY (controller_id, policy_version)
);

-- What the gate must know of a purpose.
CREATE TABLE projection.purpose (
    controller_id bigint NOT NULL,
    policy_version integer NOT NULL,
    purpose_id smallint NOT NULL,
    name text NOT NULL,
    view_id smallint NOT NULL,
    retroactive bigint NOT NULL,
    PRIMARY KEY (controller_id, policy_version, purpose_id)
);

CREATE TABLE projection.audience (
    controller_id bigint NOT NULL,
    audience_id text NOT NULL,
    version integer NOT NULL,
    entry_index bigint NOT NULL,
    title text NOT NULL,
    purposes text[] NOT NULL,
    -- Null when this version deletes the audience.
    rule text,
    PRIMARY KEY (controller_id, audience_id, version)
);

-- An identifier is a namespace and a keyed hash; its value stands sealed in the payload of the entry that
-- first named it (identifier_id / 64). `denies` are the purposes that its own newest statements deny.
-- `seen_by` are the purposes that need no statement and may know of it: they may use data that names it.
CREATE TABLE projection.identifier (
    controller_id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    namespace_id smallint NOT NULL,
    lookup bytea NOT NULL,
    denies bigint NOT NULL,
    seen_by bigint NOT NULL,
    PRIMARY KEY (controller_id, identifier_id)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX identifier_lookup ON projection.identifier (controller_id, namespace_id, lookup);

-- Evidence that two identifiers are one person: its first and last time and the entries that prove them.
CREATE TABLE projection.link (
    controller_id bigint NOT NULL,
    low_id bigint NOT NULL,
    high_id bigint NOT NULL,
    kind smallint NOT NULL,
    first_at bigint NOT NULL,
    last_at bigint NOT NULL,
    first_entry bigint NOT NULL,
    last_entry bigint NOT NULL,
    PRIMARY KEY (controller_id, low_id, high_id, kind),
    CHECK (low_id < high_id)
) WITH (fillfactor = 80);

-- Pairs that somebody entitled said are not one person.
CREATE TABLE projection.denied_link (
    controller_id bigint NOT NULL,
    low_id bigint NOT NULL,
    high_id bigint NOT NULL,
    at bigint NOT NULL,
    entry_index bigint NOT NULL,
    PRIMARY KEY (controller_id, low_id, high_id),
    CHECK (low_id < high_id)
);

-- View 0: what evidence connects; 1: the resolution; 2 and up: what purposes may use of it.
-- An identifier without a row is a profile of its own.
CREATE TABLE projection.cluster (
    controller_id bigint NOT NULL,
    view_id smallint NOT NULL,
    identifier_id bigint NOT NULL,
    profile_id bigint NOT NULL,
    PRIMARY KEY (controller_id, view_id, identifier_id)
) WITH (fillfactor = 80);
CREATE INDEX cluster_profile ON projection.cluster (controller_id, view_id, profile_id);

CREATE TABLE projection.statement (
    controller_id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    entry_index bigint NOT NULL,
    position smallint NOT NULL,
    -- Null: about every purpose (a restriction).
    purpose_id smallint,
    state text NOT NULL,
    acted_at bigint NOT NULL,
    known_at bigint NOT NULL,
    authenticated boolean NOT NULL,
    -- Mechanism, notice, language, actor, channel, jurisdiction, expiry and the statement's other fields.
    terms jsonb NOT NULL,
    PRIMARY KEY (controller_id, identifier_id, entry_index, position)
);

-- Who may be used for what, from when, until when: equals `decide` at every instant, without any sweep.
-- One row carries every category with the same interval, and the entry that decided (-1: none needed).
CREATE TABLE projection.permit (
    controller_id bigint NOT NULL,
    policy_version integer NOT NULL,
    purpose_id smallint NOT NULL,
    identifier_id bigint NOT NULL,
    since bigint NOT NULL,
    categories bigint NOT NULL,
    until bigint NOT NULL,
    entry_index bigint NOT NULL,
    PRIMARY KEY (controller_id, policy_version, purpose_id, identifier_id, since, categories)
) WITH (fillfactor = 80);

-- Mergeable partials, one packed state per identifier, category and basis set, so that the database can
-- refuse a category without looking inside.
CREATE TABLE projection.feature_state (
    controller_id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    category_id smallint NOT NULL,
    basis bigint NOT NULL CHECK (basis <> 0),
    state bytea NOT NULL,
    PRIMARY KEY (controller_id, identifier_id, category_id, basis)
) WITH (fillfactor = 80);

-- Single items of windowed and distinct features.
CREATE TABLE projection.feature_item (
    controller_id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    feature_id smallint NOT NULL,
    entry_index bigint NOT NULL,
    category_id smallint NOT NULL,
    basis bigint NOT NULL CHECK (basis <> 0),
    at bigint NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (controller_id, identifier_id, feature_id, entry_index)
);
