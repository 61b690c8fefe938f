-- The gate asks by key, whatever the tables hold and whoever asked first: a plan is kept for everybody.

-- Who asks, and when. As before, but that the settings are sub-selects: the planner would evaluate the
-- function and plan for the controller that happened to ask first, who may have next to nothing.
CREATE OR REPLACE VIEW gate.question AS
SELECT
    h.controller_id,
    h.policy_version,
    p.purpose_id,
    p.view_id,
    p.retroactive,
    greatest(h.at, (SELECT gate.setting('assent.now'))) AS now
FROM ledger.head AS h
INNER JOIN projection.purpose AS p
    ON h.controller_id = p.controller_id AND h.policy_version = p.policy_version
WHERE
    h.controller_id = (SELECT gate.setting('assent.controller'))
    AND p.purpose_id = (SELECT gate.setting('assent.purpose'))
    AND (SELECT gate.setting('assent.now')) IS NOT NULL;

-- As before, but that what is said of accounts is looked up for one row of a profile after another, each step
-- fenced by its OFFSET 0: joined freely, a plan may read every permit of the purpose to find one giver's.
-- Where nobody belongs to an account that part is not begun.
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
CROSS JOIN
    LATERAL (
        SELECT
            k.controller_id,
            k.account
        FROM ledger.kept_item AS k
        WHERE
            m.controller_id = k.controller_id
            AND m.identifier_id = k.identifier_id
            AND k.feature_id < 0
            AND m.since <= m.now
            AND (m.categories >> k.category_id) & 1 = 1
            AND (
                ((k.basis >> m.purpose_id) & 1 = 1 AND k.at >= m.since)
                OR (m.retroactive >> k.category_id) & 1 = 1
            )
        OFFSET 0 -- noqa: AM09
    ) AS b
CROSS JOIN
    LATERAL (
        SELECT
            k.identifier_id,
            k.category_id,
            k.feature_id,
            k.at,
            k.entry_index,
            k.value,
            k.account,
            k.basis
        FROM ledger.kept_item AS k
        WHERE
            b.controller_id = k.controller_id
            AND b.account = k.account
            AND k.feature_id > 0
            AND (m.categories >> k.category_id) & 1 = 1
        OFFSET 0 -- noqa: AM09
    ) AS t
CROSS JOIN
    LATERAL (
        SELECT
            p.since,
            p.until,
            p.now
        FROM gate.permitted AS p
        WHERE
            p.identifier_id = t.identifier_id
            AND (p.categories >> t.category_id) & 1 = 1
            AND (
                ((t.basis >> p.purpose_id) & 1 = 1 AND t.at >= p.since)
                OR (p.retroactive >> t.category_id) & 1 = 1
            )
        OFFSET 0 -- noqa: AM09
    ) AS g
WHERE
    EXISTS (
        SELECT 1
        FROM projection.feature_item AS a
        WHERE
            a.controller_id = gate.setting('assent.controller')
            AND a.account IS NOT NULL
            AND a.feature_id < 0
    );

-- Who told anything of an account. Its condition does not follow from `account = ...`, so that it never
-- stands in for the index by account.
DROP INDEX projection.feature_item_told;
CREATE INDEX feature_item_told ON projection.feature_item (controller_id, identifier_id)
WHERE length(account) > 0 AND feature_id > 0;
