-- Accounts: what the members of a company, a team or a household tell of it. An account is a keyed hash and
-- nothing else; whoever names the same one is not linked by it. What is said of an account belongs to who
-- said it, as all data does, and goes with them.

-- Items of an account's features, and (feature below 0: the family's number) that somebody belongs to it.
-- Of the items of one slot a newer one takes over the purposes that carried the older ones.
ALTER TABLE projection.feature_item ADD COLUMN account bytea;
ALTER TABLE projection.feature_item ADD COLUMN slot bytea;
CREATE INDEX feature_item_account ON projection.feature_item (controller_id, account, feature_id)
WHERE account IS NOT NULL;
CREATE INDEX feature_item_slot ON projection.feature_item (controller_id, slot) WHERE slot IS NOT NULL;
CREATE INDEX feature_item_told ON projection.feature_item (controller_id, identifier_id)
WHERE account IS NOT NULL;

-- The content that such items are made of goes with them.
ALTER TABLE ledger.content ADD COLUMN slot bytea;
CREATE INDEX content_slot ON ledger.content (controller_id, slot) WHERE slot IS NOT NULL;

-- What a purpose can see of an account is no longer what it was: noted once, and read as a change of
-- everybody who belongs to it.
CREATE TABLE ledger.account_change (
    controller_id bigint NOT NULL,
    purpose_id smallint NOT NULL,
    seq bigint NOT NULL,
    account bytea NOT NULL,
    narrowing boolean NOT NULL,
    PRIMARY KEY (controller_id, purpose_id, seq)
);

GRANT SELECT, INSERT ON ledger.account_change TO assent_writer;
GRANT SELECT ON ledger.account_change TO assent_auditor;
GRANT SELECT, INSERT ON ledger.account_change TO assent_eraser;

-- Both with the new columns.
CREATE OR REPLACE VIEW ledger.kept_content AS
SELECT
    k.controller_id,
    k.identifier_id,
    k.entry_index,
    k.part,
    k.category_id,
    k.basis,
    k.sealed,
    k.at,
    k.slot
FROM (
    SELECT
        c.controller_id,
        c.identifier_id,
        c.entry_index,
        c.part,
        c.category_id,
        c.sealed,
        c.at,
        c.slot,
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

CREATE OR REPLACE VIEW ledger.kept_item AS
SELECT
    k.controller_id,
    k.identifier_id,
    k.feature_id,
    k.entry_index,
    k.category_id,
    k.basis,
    k.at,
    k.value,
    k.account,
    k.slot
FROM (
    SELECT
        t.controller_id,
        t.identifier_id,
        t.feature_id,
        t.entry_index,
        t.category_id,
        t.at,
        t.value,
        t.account,
        t.slot,
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

-- As before, and further what the purpose may see of accounts: a row for each that it may see a profile
-- belong to (feature below 0), and of those the items that their givers permit it now, whoever they are.
-- `given_since` and `given_until` are the giver's permit; before it opens there is no body.
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
    s.state AS body,
    NULL::bytea AS account,
    NULL::bigint AS given_since,
    NULL::bigint AS given_until
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
    t.value AS body,
    t.account,
    NULL::bigint AS given_since,
    NULL::bigint AS given_until
FROM gate.member AS m
INNER JOIN ledger.kept_item AS t
    ON
        m.controller_id = t.controller_id
        AND m.identifier_id = t.identifier_id
        AND m.since <= m.now
        AND (m.categories >> t.category_id) & 1 = 1
        -- Of an account only that they belong to it: what is said of it comes below, from whoever said it.
        AND (t.account IS NULL OR t.feature_id < 0)
        AND (
            ((t.basis >> m.purpose_id) & 1 = 1 AND t.at >= m.since)
            OR (m.retroactive >> t.category_id) & 1 = 1
        )
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
    CASE WHEN g.since <= g.now THEN t.value END AS body,
    t.account,
    g.since AS given_since,
    g.until AS given_until
FROM gate.member AS m
INNER JOIN ledger.kept_item AS b
    ON
        m.controller_id = b.controller_id
        AND m.identifier_id = b.identifier_id
        AND b.feature_id < 0
        AND m.since <= m.now
        AND (m.categories >> b.category_id) & 1 = 1
        AND (
            ((b.basis >> m.purpose_id) & 1 = 1 AND b.at >= m.since)
            OR (m.retroactive >> b.category_id) & 1 = 1
        )
INNER JOIN ledger.kept_item AS t
    ON
        b.controller_id = t.controller_id
        AND b.account = t.account
        AND t.feature_id > 0
        AND (m.categories >> t.category_id) & 1 = 1
INNER JOIN gate.permitted AS g
    ON
        t.controller_id = g.controller_id
        AND t.identifier_id = g.identifier_id
        AND (g.categories >> t.category_id) & 1 = 1
        AND (
            ((t.basis >> g.purpose_id) & 1 = 1 AND t.at >= g.since)
            OR (g.retroactive >> t.category_id) & 1 = 1
        );

-- Profiles whose view changed after a sequence, oldest first: an account's change is one of everybody who
-- belongs to it now. Who no longer does has a change of their own.
CREATE OR REPLACE FUNCTION gate.changes(after bigint)
RETURNS TABLE (seq bigint, profile_id bigint, narrowing boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT
        c.seq,
        c.profile_id,
        c.narrowing
    FROM ledger.change AS c
    WHERE
        c.controller_id = gate.setting('assent.controller')
        AND c.purpose_id = gate.setting('assent.purpose')
        AND c.seq > after
    UNION ALL
    SELECT
        a.seq,
        coalesce(c.profile_id, b.identifier_id) AS profile_id,
        a.narrowing
    FROM gate.question AS q
    INNER JOIN ledger.account_change AS a
        ON
            q.controller_id = a.controller_id
            AND q.purpose_id = a.purpose_id
            AND a.seq > after
    INNER JOIN projection.feature_item AS b
        ON
            a.controller_id = b.controller_id
            AND a.account = b.account
            AND b.feature_id < 0
    LEFT JOIN projection.cluster AS c
        ON
            q.controller_id = c.controller_id
            AND q.view_id = c.view_id
            AND b.identifier_id = c.identifier_id
    ORDER BY seq;
END;
