-- name: position
-- The policy version in force, now, and the purpose's sequence. No row: the policy declares no such purpose.
SELECT
    p.policy_version,
    gate.catalogue() AS catalogue,
    p.now,
    p.seq
FROM gate.position() AS p;

-- name: derived
-- The derived features that are wholly read, by number.
SELECT
    d.feature_id,
    d.definition
FROM gate.derived() AS d;

-- name: opened
-- Where the purpose stands, as `position` says it, with each profile that identifiers open for the purpose,
-- by their place among those asked for; place is null when they open none.
SELECT
    p.policy_version,
    gate.catalogue() AS catalogue,
    p.now,
    p.seq,
    o.place,
    o.profile_id
FROM gate.position() AS p
LEFT JOIN gate.opened($1, $2) AS o ON TRUE;

-- name: released
-- Everything the purpose may see of these profiles now.
SELECT
    r.profile_id,
    r.identifier_id,
    r.namespace_id,
    r.lookup,
    r.categories,
    r.since,
    r.until,
    r.category_id,
    r.feature_id,
    r.at,
    r.entry_index,
    r.body,
    r.account,
    r.given_since,
    r.given_until
FROM gate.released AS r
WHERE r.profile_id = any($1::bigint[]);

-- name: released_page
-- Everything the purpose may see now of the profiles from one id to before another: a row of columns, each
-- the values of all rows one after the other, in one order. A length is -1 where no body is sent: where there
-- is none, and where it is an account's, whose members are to be asked about one by one.
SELECT
    string_agg(int8send(r.profile_id), ''::bytea) AS profiles,
    string_agg(int8send(r.identifier_id), ''::bytea) AS identifiers,
    string_agg(int2send(r.namespace_id), ''::bytea) AS namespaces,
    string_agg(substr(r.lookup, 1, 8), ''::bytea) AS keys,
    string_agg(int8send(r.categories), ''::bytea) AS categories,
    string_agg(int8send(r.since), ''::bytea) AS since,
    string_agg(int8send(r.until), ''::bytea) AS until,
    string_agg(int2send(r.feature_id), ''::bytea) AS features,
    string_agg(int8send(coalesce(r.at, 0)), ''::bytea) AS at,
    string_agg(int8send(coalesce(r.entry_index, 0)), ''::bytea) AS entries,
    string_agg(int2send((r.account IS NOT NULL)::integer::smallint), ''::bytea) AS accounts,
    string_agg(
        int4send(CASE WHEN r.account IS NULL THEN coalesce(length(r.body), -1) ELSE -1 END), ''::bytea
    ) AS lengths,
    string_agg(r.body, ''::bytea) FILTER (WHERE r.feature_id = 0 AND r.account IS NULL) AS states,
    string_agg(r.body, ''::bytea) FILTER (WHERE r.feature_id <> 0 AND r.account IS NULL) AS items
FROM gate.released AS r
WHERE r.profile_id >= $1 AND r.profile_id < $2;

-- name: extent
-- How many identifiers the purpose has a permit for, and the highest of them.
SELECT
    e.identifiers,
    e.highest
FROM gate.extent() AS e;

-- name: subjects
-- The keyed hash of the identifier that stands for each of these profiles; $2 ranks namespaces.
SELECT
    s.profile_id,
    s.lookup
FROM gate.subjects($1, $2) AS s;

-- name: changes
-- Profiles whose view changed after a sequence, oldest first.
SELECT
    c.seq,
    c.profile_id,
    c.narrowing
FROM gate.changes($1) AS c;

-- name: record
-- Record answers before they leave, each under the number that its consumer is told.
SELECT gate.record($1, $2, $3, $4, $5, $6, $7);

-- name: anchors
-- The identifier that stands for each of these profiles, and its keyed hash; $2 ranks namespaces.
SELECT
    a.profile_id,
    a.identifier_id,
    a.lookup
FROM gate.anchors($1, $2) AS a;

-- name: usable
-- Which of these identifiers the purpose may use now, and the profile that each is in for it.
SELECT
    u.identifier_id,
    u.profile_id
FROM gate.usable($1) AS u;

-- name: feed
-- Where a feed stands; no row before it was begun.
SELECT
    f.feed_id,
    f.seq,
    f.feed_position,
    f.behind
FROM gate.feed($1, $2) AS f;

-- name: feed_page
-- Changes of a feed after a number, in order; without a profile whom one names may not be used now.
SELECT
    p.seq,
    p.subject,
    p.kind,
    p.into_subject,
    p.bucket,
    p.at,
    p.profile_id
FROM gate.feed_page($1, $2, $3) AS p;

-- name: feed_deliver
-- Remember that the consumer is given a feed up to a change.
SELECT gate.feed_deliver($1, $2);

-- name: exported
-- Sealed payloads with the values of profiles' identifiers, as far as the purpose may hand them out.
SELECT
    e.profile_id,
    e.namespace_id,
    e.identifier_id,
    e.sealed
FROM gate.exported($1, $2) AS e;
