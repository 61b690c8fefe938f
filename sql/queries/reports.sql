-- name: people
-- People of the one resolution, counted by whether they hold an identifier of the namespaces $2, and several.
SELECT
    p.is_named,
    p.holds_several,
    count(*) AS people
FROM (
    SELECT
        bool_or(i.namespace_id = any($2::smallint[])) AS is_named,
        count(*) > 1 AS holds_several
    FROM identifier AS i
    LEFT JOIN cluster AS c
        ON
            i.controller_id = c.controller_id
            AND c.view_id = 1
            AND i.identifier_id = c.identifier_id
    WHERE i.controller_id = $1
    GROUP BY coalesce(c.profile_id, i.identifier_id)
) AS p
GROUP BY p.is_named, p.holds_several;

-- name: lone_states
-- What was collected of identifiers that are a person of their own and of none of the namespaces $2.
SELECT
    s.identifier_id,
    s.state
FROM feature_state AS s
INNER JOIN identifier AS i
    ON s.controller_id = i.controller_id AND s.identifier_id = i.identifier_id
LEFT JOIN cluster AS c
    ON
        s.controller_id = c.controller_id
        AND c.view_id = 1
        AND s.identifier_id = c.identifier_id
WHERE
    s.controller_id = $1
    AND i.namespace_id <> all($2::smallint[])
    AND c.identifier_id IS NULL
ORDER BY s.identifier_id;

-- name: newest_words
-- What each person of the one resolution said last of each purpose, among the states $2, counted. Of two at
-- one instant the one of the states $3 counts: a tie denies.
SELECT
    n.purpose_id,
    n.state,
    count(*) AS people
FROM (
    SELECT DISTINCT ON (profile_id, s.purpose_id)
        coalesce(c.profile_id, s.identifier_id) AS profile_id,
        s.purpose_id,
        s.state,
        s.state = any($3::text[]) AS is_negative
    FROM statement AS s
    LEFT JOIN cluster AS c
        ON
            s.controller_id = c.controller_id
            AND c.view_id = 1
            AND s.identifier_id = c.identifier_id
    WHERE
        s.controller_id = $1
        AND s.purpose_id IS NOT NULL
        AND s.state = any($2::text[])
    ORDER BY
        profile_id ASC,
        s.purpose_id ASC,
        s.acted_at DESC,
        is_negative DESC,
        s.entry_index DESC
) AS n
GROUP BY n.purpose_id, n.state;

-- name: people_permitted
-- How many people have an identifier that each purpose may use at $3 under policy version $2.
SELECT
    p.purpose_id,
    count(DISTINCT coalesce(c.profile_id, p.identifier_id)) AS people
FROM permit AS p
LEFT JOIN cluster AS c
    ON
        p.controller_id = c.controller_id
        AND c.view_id = 1
        AND p.identifier_id = c.identifier_id
WHERE
    p.controller_id = $1
    AND p.policy_version = $2
    AND p.since <= $3
    AND p.until > $3
GROUP BY p.purpose_id;

-- name: identifiers_by_namespace
SELECT
    i.namespace_id,
    count(*) AS identifiers
FROM identifier AS i
WHERE i.controller_id = $1
GROUP BY i.namespace_id;

-- name: refusals_by_code
-- What was not taken, by reason; not_permitted: no purpose permitted it.
SELECT
    r.code,
    sum(r.refused)::bigint AS refused
FROM ledger.refusal AS r
WHERE r.controller_id = $1
GROUP BY r.code
ORDER BY r.code;

-- name: releases
-- How many answers were recorded, by kind.
SELECT
    r.kind,
    count(*) AS releases
FROM ledger.release AS r
WHERE r.controller_id = $1
GROUP BY r.kind
ORDER BY r.kind;

-- name: consent_over_time
-- Statements about purposes $6, counted by the intervals (bounds $4) in which they were said and in which the
-- same identifier said the next about the same; 0 is before the first bound, cardinality($4) after the last.
-- States $2 alone, of which $3 are negative: of two at one instant the negative one is later. Known at $5.
SELECT
    n.purpose_id,
    n.state,
    n.notice_version,
    n.language,
    n.channel,
    n.jurisdiction,
    width_bucket(n.acted_at, $4::bigint[]) AS said_in,
    coalesce(width_bucket(n.next_at, $4::bigint[]), cardinality($4::bigint[])) AS until_in,
    count(*) AS statements
FROM (
    SELECT
        s.purpose_id,
        s.state,
        s.acted_at,
        s.terms ->> 'notice_version' AS notice_version,
        s.terms ->> 'language' AS language,
        s.terms ->> 'channel' AS channel,
        s.terms ->> 'jurisdiction' AS jurisdiction,
        lead(s.acted_at) OVER (
            PARTITION BY s.identifier_id, s.purpose_id, s.terms ->> 'address'
            ORDER BY s.acted_at, s.state = any($3::text[]), s.entry_index, s.position
        ) AS next_at
    FROM statement AS s
    WHERE
        s.controller_id = $1
        AND s.purpose_id = any($6::smallint[])
        AND s.state = any($2::text[])
        AND s.known_at <= $5
) AS n
GROUP BY
    n.purpose_id,
    n.state,
    n.notice_version,
    n.language,
    n.channel,
    n.jurisdiction,
    said_in,
    until_in;

-- name: lapsing
-- Permits of policy version $2 that are open at $3 and end by $4, of purposes $5, the next to end first;
-- after the one of $6 to $9, at most $10.
SELECT
    p.until,
    p.purpose_id,
    p.identifier_id,
    p.categories,
    p.since,
    p.entry_index,
    i.namespace_id
FROM permit AS p
INNER JOIN identifier AS i
    ON p.controller_id = i.controller_id AND p.identifier_id = i.identifier_id
WHERE
    p.controller_id = $1
    AND p.policy_version = $2
    AND p.since <= $3
    AND p.until > $3
    AND p.until <= $4
    AND p.purpose_id = any($5::smallint[])
    AND (p.until, p.purpose_id, p.identifier_id, p.categories)
    > ($6::bigint, $7::smallint, $8::bigint, $9::bigint)
ORDER BY p.until, p.purpose_id, p.identifier_id, p.categories
LIMIT $10;

-- name: conflicts
-- People of the one resolution whose identifiers said opposite things last of a purpose in $4, among the
-- states $2, of which $3 are negative; what each identifier said last. After the person $5 and purpose $6, at
-- most $7. What was said for one address alone is about that address.
SELECT
    n.profile_id,
    n.purpose_id,
    array_agg(n.identifier_id ORDER BY n.identifier_id) AS identifiers,
    array_agg(n.state ORDER BY n.identifier_id) AS states,
    array_agg(n.acted_at ORDER BY n.identifier_id) AS times,
    array_agg(n.entry_index ORDER BY n.identifier_id) AS entries
FROM (
    SELECT DISTINCT ON (s.identifier_id, s.purpose_id)
        s.identifier_id,
        s.purpose_id,
        s.state,
        s.acted_at,
        s.entry_index,
        coalesce(c.profile_id, s.identifier_id) AS profile_id,
        s.state = any($3::text[]) AS is_negative
    FROM statement AS s
    LEFT JOIN cluster AS c
        ON
            s.controller_id = c.controller_id
            AND c.view_id = 1
            AND s.identifier_id = c.identifier_id
    WHERE
        s.controller_id = $1
        AND s.purpose_id = any($4::smallint[])
        AND s.state = any($2::text[])
        AND s.terms ->> 'address' IS NULL
    ORDER BY
        s.identifier_id ASC,
        s.purpose_id ASC,
        s.acted_at DESC,
        is_negative DESC,
        s.entry_index DESC
) AS n
WHERE (n.profile_id, n.purpose_id) > ($5::bigint, $6::smallint)
GROUP BY n.profile_id, n.purpose_id
HAVING bool_or(n.is_negative) AND NOT bool_and(n.is_negative)
ORDER BY n.profile_id, n.purpose_id
LIMIT $7;

-- name: rules_asked
-- When an answer last named these rules: audiences, as noted, and as the releases write them that have no
-- place in the log yet.
SELECT
    a.audience_id AS rules,
    a.at
FROM ledger.asked AS a
WHERE a.controller_id = $1
UNION ALL
SELECT
    r.rules,
    max(r.at) AS at
FROM ledger.release AS r
WHERE
    r.controller_id = $1
    AND r.leaf_index IS NULL
    AND r.kind <> 'access'
GROUP BY r.rules;

-- name: audiences_saved
-- When the newest version of every audience was saved.
SELECT
    n.audience_id,
    (
        SELECT b.at
        FROM ledger.batch AS b
        WHERE
            b.controller_id = n.controller_id
            AND b.first_index <= n.entry_index
        ORDER BY b.first_index DESC
        LIMIT 1
    ) AS at
FROM (
    SELECT
        a.controller_id,
        a.audience_id,
        max(a.entry_index) AS entry_index
    FROM audience AS a
    WHERE a.controller_id = $1
    GROUP BY a.controller_id, a.audience_id
) AS n
ORDER BY n.audience_id;
