-- name: released_as_if
-- What purpose $7, reaching back for categories $8, would see now ($9) of these identifiers, were these
-- permits in force and these their profiles: what gate.released yields of what is in force, accounts left
-- out. Never asked for an answer to an engine, but to count whom another policy would concern.
SELECT
    m.profile_id,
    m.identifier_id,
    i.namespace_id,
    i.lookup,
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
FROM
    unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS m (profile_id, identifier_id, categories, since, until)
INNER JOIN identifier AS i
    ON
        i.controller_id = $1
        AND m.identifier_id = i.identifier_id
LEFT JOIN feature_state AS s
    ON
        s.controller_id = $1
        AND m.identifier_id = s.identifier_id
        AND m.since <= $9::bigint
        AND (m.categories >> s.category_id) & 1 = 1
        AND ((s.basis >> $7::integer) & 1 = 1 OR ($8::bigint >> s.category_id) & 1 = 1)
UNION ALL
SELECT
    m.profile_id,
    m.identifier_id,
    i.namespace_id,
    i.lookup,
    m.categories,
    m.since,
    m.until,
    t.category_id,
    t.feature_id,
    t.at,
    t.entry_index,
    t.value AS body,
    NULL::bytea AS account,
    NULL::bigint AS given_since,
    NULL::bigint AS given_until
FROM
    unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS m (profile_id, identifier_id, categories, since, until)
INNER JOIN identifier AS i
    ON
        i.controller_id = $1
        AND m.identifier_id = i.identifier_id
INNER JOIN ledger.kept_item AS t
    ON
        t.controller_id = $1
        AND m.identifier_id = t.identifier_id
        AND t.account IS NULL
        AND m.since <= $9::bigint
        AND (m.categories >> t.category_id) & 1 = 1
        AND (
            ((t.basis >> $7::integer) & 1 = 1 AND t.at >= m.since)
            OR ($8::bigint >> t.category_id) & 1 = 1
        );
