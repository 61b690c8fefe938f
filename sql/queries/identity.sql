-- name: identifiers_by_lookup
-- The identifiers among those asked for that are known, with the purposes their own statements deny.
SELECT
    i.identifier_id,
    i.namespace_id,
    i.lookup,
    i.denies,
    i.seen_by
FROM unnest($2::smallint[], $3::bytea[]) AS asked (namespace_id, lookup)
INNER JOIN identifier AS i
    ON
        i.controller_id = $1
        AND asked.namespace_id = i.namespace_id
        AND asked.lookup = i.lookup;

-- name: identifiers_by_id
-- The identifiers asked for.
SELECT
    i.identifier_id,
    i.namespace_id,
    i.lookup,
    i.denies,
    i.seen_by
FROM identifier AS i
WHERE
    i.controller_id = $1
    AND i.identifier_id = any($2::bigint[]);

-- name: identifiers_after
-- Identifiers in order of their ids, from after $2, at most $3 of them.
SELECT
    i.identifier_id,
    i.namespace_id,
    i.lookup,
    i.denies,
    i.seen_by
FROM identifier AS i
WHERE
    i.controller_id = $1
    AND i.identifier_id > $2
ORDER BY i.identifier_id
LIMIT $3;

-- name: clusters_around
-- Every cluster row, in views $3, of all identifiers connected by evidence to those asked for.
SELECT
    c.view_id,
    c.identifier_id,
    c.profile_id
FROM cluster AS c
WHERE
    c.controller_id = $1
    AND c.view_id = any($3::smallint[])
    AND c.identifier_id = any(
        array(
            SELECT m.identifier_id
            FROM cluster AS m
            WHERE
                m.controller_id = $1
                AND m.view_id = 0
                AND m.profile_id = any(
                    array(
                        SELECT DISTINCT t.profile_id
                        FROM cluster AS t
                        WHERE
                            t.controller_id = $1
                            AND t.view_id = 0
                            AND t.identifier_id = any($2::bigint[])
                    )
                )
        )
    );

-- name: links_from
-- Every link whose lower end is one of these; with all members of a component: all its links.
SELECT
    l.low_id,
    l.high_id,
    l.kind,
    l.first_at,
    l.last_at,
    l.first_entry,
    l.last_entry,
    l.weight,
    l.sources
FROM link AS l
WHERE
    l.controller_id = $1
    AND l.low_id = any($2::bigint[]);

-- name: links_of_sources
-- The ends, after $2 and $3, at most $5 pairs, of links in whose proof the numbers of some sources may stand.
SELECT DISTINCT
    l.low_id,
    l.high_id
FROM link AS l
WHERE
    l.controller_id = $1
    AND (l.low_id, l.high_id) > ($2::bigint, $3::bigint)
    AND EXISTS (
        SELECT 1
        FROM unnest($4::bytea[]) AS s (number)
        WHERE position(s.number IN l.sources) > 0
    )
ORDER BY l.low_id, l.high_id
LIMIT $5;

-- name: denied_from
-- Every denied pair whose lower end is one of these.
SELECT
    d.low_id,
    d.high_id,
    d.at
FROM denied_link AS d
WHERE
    d.controller_id = $1
    AND d.low_id = any($2::bigint[]);

-- name: denial
-- When a pair was denied last, and the entry that says so; no row where it is not denied.
SELECT
    d.at,
    d.entry_index
FROM denied_link AS d
WHERE
    d.controller_id = $1
    AND d.low_id = $2
    AND d.high_id = $3;

-- name: insert_identifiers
INSERT INTO identifier (controller_id, identifier_id, namespace_id, lookup, denies, seen_by)
SELECT
    $1,
    n.identifier_id,
    n.namespace_id,
    n.lookup,
    n.denies,
    n.seen_by
FROM unnest($2::bigint[], $3::smallint[], $4::bytea[], $5::bigint[], $6::bigint[])
    AS n (identifier_id, namespace_id, lookup, denies, seen_by);

-- name: update_masks
-- What these identifiers' own statements deny now, and which purposes may know of them.
UPDATE identifier AS i
SET
    denies = n.denies,
    seen_by = n.seen_by
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS n (identifier_id, denies, seen_by)
WHERE
    i.controller_id = $1
    AND i.identifier_id = n.identifier_id;

-- name: upsert_links
INSERT INTO link (
    controller_id, low_id, high_id, kind, first_at, last_at, first_entry, last_entry, weight, sources
)
SELECT
    $1,
    n.low_id,
    n.high_id,
    n.kind,
    n.first_at,
    n.last_at,
    n.first_entry,
    n.last_entry,
    n.weight,
    n.sources
FROM
    unnest(
        $2::bigint[],
        $3::bigint[],
        $4::smallint[],
        $5::bigint[],
        $6::bigint[],
        $7::bigint[],
        $8::bigint[],
        $9::integer[],
        $10::bytea[]
    ) AS n (low_id, high_id, kind, first_at, last_at, first_entry, last_entry, weight, sources)
ON CONFLICT (controller_id, low_id, high_id, kind) DO UPDATE
    SET
        first_at = excluded.first_at,
        last_at = excluded.last_at,
        first_entry = excluded.first_entry,
        last_entry = excluded.last_entry,
        weight = excluded.weight,
        sources = excluded.sources;

-- name: upsert_denied
INSERT INTO denied_link (controller_id, low_id, high_id, at, entry_index)
SELECT
    $1,
    n.low_id,
    n.high_id,
    n.at,
    n.entry_index
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS n (low_id, high_id, at, entry_index)
ON CONFLICT (controller_id, low_id, high_id) DO UPDATE
    SET
        at = excluded.at,
        entry_index = excluded.entry_index;

-- name: upsert_clusters
INSERT INTO cluster (controller_id, view_id, identifier_id, profile_id)
SELECT
    $1,
    n.view_id,
    n.identifier_id,
    n.profile_id
FROM unnest($2::smallint[], $3::bigint[], $4::bigint[]) AS n (view_id, identifier_id, profile_id)
ON CONFLICT (controller_id, view_id, identifier_id) DO UPDATE
    SET profile_id = excluded.profile_id;

-- name: delete_clusters
DELETE FROM cluster AS c
USING unnest($2::smallint[], $3::bigint[]) AS n (view_id, identifier_id)
WHERE
    c.controller_id = $1
    AND c.view_id = n.view_id
    AND c.identifier_id = n.identifier_id;

-- name: delete_links
DELETE FROM link AS l
USING unnest($2::bigint[], $3::bigint[], $4::smallint[]) AS n (low_id, high_id, kind)
WHERE
    l.controller_id = $1
    AND l.low_id = n.low_id
    AND l.high_id = n.high_id
    AND l.kind = n.kind;

-- name: delete_denied
DELETE FROM denied_link AS d
USING unnest($2::bigint[], $3::bigint[]) AS n (low_id, high_id)
WHERE
    d.controller_id = $1
    AND d.low_id = n.low_id
    AND d.high_id = n.high_id;

-- name: insert_former
-- Links that were undone.
INSERT INTO former_link (
    controller_id, low_id, high_id, kind, first_at, last_at, first_entry, last_entry, weight, until, undone_by
)
SELECT
    $1,
    n.low_id,
    n.high_id,
    n.kind,
    n.first_at,
    n.last_at,
    n.first_entry,
    n.last_entry,
    n.weight,
    n.until,
    n.undone_by
FROM
    unnest(
        $2::bigint[],
        $3::bigint[],
        $4::smallint[],
        $5::bigint[],
        $6::bigint[],
        $7::bigint[],
        $8::bigint[],
        $9::integer[],
        $10::bigint[],
        $11::bigint[]
    )
        AS n (low_id, high_id, kind, first_at, last_at, first_entry, last_entry, weight, until, undone_by);

-- name: former_around
-- Links of these identifiers, whichever end they are, that had begun by $3 and were not known to be undone by
-- $4, in the order in which they were undone.
SELECT
    f.low_id,
    f.high_id,
    f.kind,
    f.first_at,
    f.last_at,
    f.first_entry,
    f.last_entry,
    f.weight,
    f.until,
    f.undone_by
FROM former_link AS f
WHERE
    f.controller_id = $1
    AND (f.low_id = any($2::bigint[]) OR f.high_id = any($2::bigint[]))
    AND f.first_at <= $3
    AND f.until > $4
ORDER BY f.undone_by;

-- name: known_since
-- When each of these entries was committed.
SELECT
    n.entry_index,
    (
        SELECT b.at
        FROM ledger.batch AS b
        WHERE b.controller_id = $1 AND b.first_index <= n.entry_index
        ORDER BY b.first_index DESC
        LIMIT 1
    ) AS at
FROM unnest($2::bigint[]) AS n (entry_index);
