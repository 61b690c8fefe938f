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
