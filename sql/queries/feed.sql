-- name: controllers_followed
-- Which controllers have feeds.
SELECT DISTINCT f.controller_id
FROM ledger.feed AS f
ORDER BY f.controller_id;

-- name: feeds
-- Every feed of a controller, its purpose's name now and the sequence that one stands at. A purpose that
-- the policy in force does not declare is not followed.
SELECT
    f.controller_id,
    f.feed_id,
    f.purpose_id,
    p.name AS purpose,
    f.audience_id,
    f.consumer,
    f.seq,
    f.position,
    coalesce(s.seq, 0) AS head
FROM ledger.feed AS f
INNER JOIN ledger.head AS h ON f.controller_id = h.controller_id
INNER JOIN purpose AS p
    ON
        h.controller_id = p.controller_id
        AND h.policy_version = p.policy_version
        AND f.purpose_id = p.purpose_id
LEFT JOIN ledger.purpose_head AS s
    ON f.controller_id = s.controller_id AND f.purpose_id = s.purpose_id
WHERE f.controller_id = $1
ORDER BY f.feed_id;

-- name: feed_of
-- The feed of an audience for a purpose, by its name, and a consumer, as `feeds` gives it.
SELECT
    f.controller_id,
    f.feed_id,
    f.purpose_id,
    p.name AS purpose,
    f.audience_id,
    f.consumer,
    f.seq,
    f.position,
    coalesce(s.seq, 0) AS head
FROM ledger.head AS h
INNER JOIN purpose AS p
    ON h.controller_id = p.controller_id AND h.policy_version = p.policy_version
INNER JOIN ledger.feed AS f
    ON p.controller_id = f.controller_id AND p.purpose_id = f.purpose_id
LEFT JOIN ledger.purpose_head AS s
    ON f.controller_id = s.controller_id AND f.purpose_id = s.purpose_id
WHERE
    h.controller_id = $1
    AND p.name = $2
    AND f.audience_id = $3
    AND f.consumer = $4;

-- name: make_feed
-- Begin a feed for a purpose, by its name, unless it stands already.
INSERT INTO ledger.feed (controller_id, purpose_id, audience_id, consumer)
SELECT
    h.controller_id,
    p.purpose_id,
    $3,
    $4
FROM ledger.head AS h
INNER JOIN purpose AS p
    ON h.controller_id = p.controller_id AND h.policy_version = p.policy_version
WHERE
    h.controller_id = $1
    AND p.name = $2
ON CONFLICT (controller_id, purpose_id, audience_id, consumer) DO NOTHING;

-- name: take_feed
-- One row when nobody else holds the feed at $4; then until $5 it is $3.
UPDATE ledger.feed
SET
    holder = $3,
    held_until = $5
WHERE
    controller_id = $1
    AND feed_id = $2
    AND (holder = $3 OR held_until <= $4)
RETURNING written;

-- name: give_feeds_back
-- What a worker ($2) held, anybody may take.
UPDATE ledger.feed
SET held_until = 0
WHERE
    controller_id = $1
    AND holder = $2;

-- name: lock_feed
-- One row when the feed is still $3's and stands as $3 knows it.
SELECT
    f.seq,
    f.delivered
FROM ledger.feed AS f
WHERE
    f.controller_id = $1
    AND f.feed_id = $2
    AND f.holder = $3
    AND f.written = $4
FOR UPDATE;

-- name: move_feed
UPDATE ledger.feed
SET
    seq = $3,
    position = $4,
    written = written + 1
WHERE
    controller_id = $1
    AND feed_id = $2;

-- name: feed_profiles
-- Which profiles a feed speaks of, and whether it last said that they entered.
SELECT
    s.profile_id,
    s.kind = 'entered' AS entered
FROM ledger.feed_subject AS s
WHERE
    s.controller_id = $1
    AND s.feed_id = $2;

-- name: feed_profiles_of
-- Which of these profiles a feed speaks of, and whether it last said that they entered.
SELECT
    s.profile_id,
    s.kind = 'entered' AS entered
FROM ledger.feed_subject AS s
WHERE
    s.controller_id = $1
    AND s.feed_id = $2
    AND s.profile_id = any($3::bigint[]);

-- name: feed_subjects
-- What a feed last said of these profiles and of these subjects.
SELECT
    s.subject,
    s.anchor_id,
    s.profile_id,
    s.kind,
    s.into_subject,
    s.bucket,
    s.first_seq
FROM ledger.feed_subject AS s
WHERE
    s.controller_id = $1
    AND s.feed_id = $2
    AND (s.profile_id = any($3::bigint[]) OR s.subject = any($4::text[]));

-- name: changes_of
-- The changes in which a feed spoke of these subjects.
SELECT
    c.seq,
    c.subject
FROM ledger.feed_change AS c
WHERE
    c.controller_id = $1
    AND c.feed_id = $2
    AND c.subject = any($3::text[]);

-- name: forget_changes
-- Nothing that a feed said in these changes is said again.
DELETE FROM ledger.feed_change
WHERE
    controller_id = $1
    AND feed_id = $2
    AND seq = any($3::bigint[]);

-- name: forget_becoming
-- Nothing says any more who became one of these subjects.
DELETE FROM ledger.feed_change
WHERE
    controller_id = $1
    AND feed_id = $2
    AND into_subject IS NOT NULL
    AND into_subject = any($3::text[]);

-- name: forget_mergers
-- Nothing says any more that these subjects became others.
DELETE FROM ledger.feed_change
WHERE
    controller_id = $1
    AND feed_id = $2
    AND subject = any($3::text[])
    AND kind = 'merged';

-- name: forget_subjects
DELETE FROM ledger.feed_subject
WHERE
    controller_id = $1
    AND feed_id = $2
    AND subject = any($3::text[]);

-- name: insert_feed_changes
INSERT INTO ledger.feed_change (
    controller_id, feed_id, seq, subject, anchor_id, kind, into_subject, bucket, at
)
SELECT
    $1,
    $2,
    n.seq,
    n.subject,
    n.anchor_id,
    n.kind,
    n.into_subject,
    n.bucket,
    $9
FROM
    unnest($3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
        AS n (seq, subject, anchor_id, kind, into_subject, bucket);

-- name: save_feed_subjects
INSERT INTO ledger.feed_subject AS s (
    controller_id, feed_id, subject, anchor_id, profile_id, kind, into_subject, bucket, first_seq
)
SELECT
    $1,
    $2,
    n.subject,
    n.anchor_id,
    n.profile_id,
    n.kind,
    n.into_subject,
    n.bucket,
    n.first_seq
FROM
    unnest($3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[])
        AS n (subject, anchor_id, profile_id, kind, into_subject, bucket, first_seq)
ON CONFLICT (controller_id, feed_id, subject) DO UPDATE
    SET
        anchor_id = excluded.anchor_id,
        profile_id = excluded.profile_id,
        kind = excluded.kind,
        into_subject = excluded.into_subject,
        bucket = excluded.bucket;
