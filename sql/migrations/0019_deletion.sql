-- What a withdrawal, an expiry or another policy closed and is too much for one commit: closed at once, and
-- deleted in chunks after. One row per identifier; gone when the last chunk is.
CREATE TABLE ledger.deletion (
    controller_id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    -- One closing at each place of these: which purposes may not use which categories (bits) of what came
    -- before which entry. What they may use from that entry on is new.
    purposes bigint[] NOT NULL,
    categories bigint[] NOT NULL,
    befores bigint[] NOT NULL,
    -- When the first was closed, and by when the policy wants the data gone.
    since bigint NOT NULL,
    due bigint NOT NULL,
    -- How far it has come: contents up to this place, then items up to that.
    content_entry bigint NOT NULL DEFAULT -1,
    content_part smallint NOT NULL DEFAULT -1,
    contents_done boolean NOT NULL DEFAULT FALSE,
    item_feature smallint NOT NULL DEFAULT -1,
    item_entry bigint NOT NULL DEFAULT -1,
    PRIMARY KEY (controller_id, identifier_id)
) WITH (fillfactor = 50);

-- Content as it counts: of the purposes that carry it those for which it is not closed; what none carries is
-- not here, though it may still wait to be deleted. Who asks what content says, or what carries it, asks here
CREATE VIEW ledger.kept_content AS
SELECT
    k.controller_id,
    k.identifier_id,
    k.entry_index,
    k.part,
    k.category_id,
    k.basis,
    k.sealed,
    k.at
FROM (
    SELECT
        c.controller_id,
        c.identifier_id,
        c.entry_index,
        c.part,
        c.category_id,
        c.sealed,
        c.at,
        CASE
            WHEN d.identifier_id IS NULL THEN c.basis
            ELSE c.basis & ~coalesce(
                (
                    SELECT bit_or(n.purposes)
                    FROM
                        unnest(d.purposes, d.categories, d.befores)
                            AS n (purposes, categories, before_entry)
                    WHERE
                        (n.categories >> c.category_id) & 1 = 1
                        AND c.entry_index < n.before_entry
                ),
                0
            )
        END AS basis
    FROM ledger.content AS c
    LEFT JOIN ledger.deletion AS d
        ON c.controller_id = d.controller_id AND c.identifier_id = d.identifier_id
) AS k
WHERE k.basis <> 0;

-- Items likewise, in the order of the table's columns.
CREATE VIEW ledger.kept_item AS
SELECT
    k.controller_id,
    k.identifier_id,
    k.feature_id,
    k.entry_index,
    k.category_id,
    k.basis,
    k.at,
    k.value
FROM (
    SELECT
        t.controller_id,
        t.identifier_id,
        t.feature_id,
        t.entry_index,
        t.category_id,
        t.at,
        t.value,
        CASE
            WHEN d.identifier_id IS NULL THEN t.basis
            ELSE t.basis & ~coalesce(
                (
                    SELECT bit_or(n.purposes)
                    FROM
                        unnest(d.purposes, d.categories, d.befores)
                            AS n (purposes, categories, before_entry)
                    WHERE
                        (n.categories >> t.category_id) & 1 = 1
                        AND t.entry_index < n.before_entry
                ),
                0
            )
        END AS basis
    FROM projection.feature_item AS t
    LEFT JOIN ledger.deletion AS d
        ON t.controller_id = d.controller_id AND t.identifier_id = d.identifier_id
) AS k
WHERE k.basis <> 0;

-- As before, of the items that are kept.
CREATE OR REPLACE VIEW gate.released WITH (security_barrier) AS
SELECT
    m.policy_version,
    m.profile_id,
    m.identifier_id,
    m.namespace_id,
    m.lookup,
    m.categories,
    m.since,
    m.until,
    s.category_id,
    0::smallint AS feature_id,
    NULL::bigint AS at,
    NULL::bigint AS entry_index,
    s.state AS body
FROM gate.member AS m
LEFT JOIN projection.feature_state AS s
    ON
        m.controller_id = s.controller_id
        AND m.identifier_id = s.identifier_id
        AND m.since <= m.now
        AND (m.categories >> s.category_id) & 1 = 1
        AND ((s.basis >> m.purpose_id) & 1 = 1 OR (m.retroactive >> s.category_id) & 1 = 1)
UNION ALL
SELECT
    m.policy_version,
    m.profile_id,
    m.identifier_id,
    m.namespace_id,
    m.lookup,
    m.categories,
    m.since,
    m.until,
    t.category_id,
    t.feature_id,
    t.at,
    t.entry_index,
    t.value AS body
FROM gate.member AS m
INNER JOIN ledger.kept_item AS t
    ON
        m.controller_id = t.controller_id
        AND m.identifier_id = t.identifier_id
        AND m.since <= m.now
        AND (m.categories >> t.category_id) & 1 = 1
        AND (
            ((t.basis >> m.purpose_id) & 1 = 1 AND t.at >= m.since)
            OR (m.retroactive >> t.category_id) & 1 = 1
        );

GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.deletion TO assent_writer, assent_eraser;
GRANT SELECT ON ledger.deletion TO assent_auditor;
GRANT SELECT ON ledger.kept_content, ledger.kept_item TO assent_writer, assent_auditor, assent_eraser;
