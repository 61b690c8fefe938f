-- The only door. A session says for which controller and purpose it asks, and when it is:
--   SET LOCAL assent.controller = '1';
--   SET LOCAL assent.purpose = '2';
--   SET LOCAL assent.now = '1790000000000000';
-- Any of them missing: no rows. Now is never before the head's time, so a slow clock opens nothing again.

CREATE SCHEMA gate;

CREATE FUNCTION gate.setting(setting_name text) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting(setting_name, TRUE), '')::bigint;

-- Who asks, and when: one row, or none when a setting or the purpose is missing.
CREATE VIEW gate.question AS
SELECT
    h.controller_id,
    h.policy_version,
    p.purpose_id,
    p.view_id,
    p.retroactive,
    greatest(h.at, gate.setting('assent.now')) AS now
FROM ledger.head AS h
INNER JOIN projection.purpose AS p
    ON h.controller_id = p.controller_id AND h.policy_version = p.policy_version
WHERE
    h.controller_id = gate.setting('assent.controller')
    AND p.purpose_id = gate.setting('assent.purpose')
    AND gate.setting('assent.now') IS NOT NULL;

-- Identifiers that the purpose may use, now or from a known instant on, and the profile they are in for it.
-- What needs no statement (entry -1: a contract) opens only where a datum that the purpose may use names it:
-- whoever is known by another purpose's data alone does not exist for it.
CREATE VIEW gate.permitted AS
SELECT
    q.controller_id,
    q.policy_version,
    q.purpose_id,
    q.view_id,
    q.retroactive,
    q.now,
    p.identifier_id,
    i.namespace_id,
    i.lookup,
    p.categories,
    p.since,
    p.until
FROM gate.question AS q
INNER JOIN projection.permit AS p
    ON
        q.controller_id = p.controller_id
        AND q.policy_version = p.policy_version
        AND q.purpose_id = p.purpose_id
        AND p.until > q.now
INNER JOIN projection.identifier AS i
    ON
        p.controller_id = i.controller_id
        AND p.identifier_id = i.identifier_id
        AND (p.entry_index >= 0 OR (i.seen_by >> q.purpose_id) & 1 = 1);

CREATE VIEW gate.member AS
SELECT
    c.profile_id,
    p.controller_id,
    p.policy_version,
    p.purpose_id,
    p.retroactive,
    p.now,
    p.identifier_id,
    p.namespace_id,
    p.lookup,
    p.categories,
    p.since,
    p.until
FROM gate.permitted AS p
INNER JOIN projection.cluster AS c
    ON
        p.controller_id = c.controller_id
        AND p.view_id = c.view_id
        AND p.identifier_id = c.identifier_id
UNION ALL
SELECT
    p.identifier_id AS profile_id,
    p.controller_id,
    p.policy_version,
    p.purpose_id,
    p.retroactive,
    p.now,
    p.identifier_id,
    p.namespace_id,
    p.lookup,
    p.categories,
    p.since,
    p.until
FROM gate.permitted AS p
WHERE
    NOT EXISTS (
        SELECT 1
        FROM projection.cluster AS c
        WHERE
            c.controller_id = p.controller_id
            AND c.view_id = p.view_id
            AND c.identifier_id = p.identifier_id
    );

-- What the purpose may see. feature_id 0: the packed state of a category, or null when the category is
-- permitted and holds nothing. Otherwise one item. A datum is seen when the purpose carried it at collection,
-- or its policy reaches back for the category; an item from before the present permit is seen only then.
CREATE VIEW gate.released WITH (security_barrier) AS
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
INNER JOIN projection.feature_item AS t
    ON
        m.controller_id = t.controller_id
        AND m.identifier_id = t.identifier_id
        AND m.since <= m.now
        AND (m.categories >> t.category_id) & 1 = 1
        AND (
            ((t.basis >> m.purpose_id) & 1 = 1 AND t.at >= m.since)
            OR (m.retroactive >> t.category_id) & 1 = 1
        );

-- Which profile each of these identifiers opens for the purpose: a row only for those it may use now.
-- (Asked through the view, a look-up by keyed hash would scan every member.)
CREATE FUNCTION gate.opened(namespaces smallint[], lookups bytea[])
RETURNS TABLE (place bigint, profile_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT DISTINCT
        asked.place,
        coalesce(c.profile_id, i.identifier_id) AS profile_id
    FROM gate.question AS q
    CROSS JOIN unnest(namespaces, lookups) WITH ORDINALITY AS asked (namespace_id, lookup, place)
    INNER JOIN projection.identifier AS i
        ON
            q.controller_id = i.controller_id
            AND asked.namespace_id = i.namespace_id
            AND asked.lookup = i.lookup
    INNER JOIN projection.permit AS p
        ON
            q.controller_id = p.controller_id
            AND q.policy_version = p.policy_version
            AND q.purpose_id = p.purpose_id
            AND i.identifier_id = p.identifier_id
            AND p.since <= q.now
            AND p.until > q.now
            AND (p.entry_index >= 0 OR (i.seen_by >> q.purpose_id) & 1 = 1)
    LEFT JOIN projection.cluster AS c
        ON
            q.controller_id = c.controller_id
            AND q.view_id = c.view_id
            AND i.identifier_id = c.identifier_id;
END;

-- Which identifier stands for each of these profiles: the one that the purpose could use first, of equals the
-- one of the lowest keyed hash. A function of what the purpose may use: identifier ids, by which profiles are
-- told apart inside, also count entries that it may not.
CREATE FUNCTION gate.subjects(profiles bigint[])
RETURNS TABLE (profile_id bigint, lookup bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT DISTINCT ON (m.profile_id)
        m.profile_id,
        m.lookup
    FROM gate.member AS m
    WHERE
        m.profile_id = any(profiles)
        AND m.since <= m.now
    ORDER BY m.profile_id, m.since, m.lookup;
END;

-- The purpose's own number, and what the session's controller stands at. No row: no such purpose.
CREATE FUNCTION gate.position() RETURNS TABLE (policy_version integer, now bigint, seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT
        q.policy_version,
        q.now,
        coalesce(h.seq, 0) AS seq
    FROM gate.question AS q
    LEFT JOIN ledger.purpose_head AS h
        ON q.controller_id = h.controller_id AND q.purpose_id = h.purpose_id;
END;

-- Profiles whose view changed after a sequence, oldest first.
CREATE FUNCTION gate.changes(after bigint) RETURNS TABLE (seq bigint, profile_id bigint, narrowing boolean)
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
    ORDER BY c.seq;
END;

-- Record answers before they leave: insert only. Gives their numbers in the order of the arrays.
CREATE FUNCTION gate.record(
    kinds text[], consumers text[], rules text[], numbers bigint[], commitments bytea[], sealed bytea[]
) RETURNS SETOF bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    INSERT INTO ledger.release (
        controller_id,
        at,
        kind,
        consumer,
        purpose_id,
        purpose_seq,
        revision,
        policy_version,
        rules,
        number,
        commitment,
        sealed
    )
    SELECT
        q.controller_id,
        q.now,
        r.kind,
        r.consumer,
        q.purpose_id,
        p.seq,
        h.revision,
        q.policy_version,
        r.rule,
        r.number,
        r.commitment,
        r.box
    FROM gate.question AS q
    CROSS JOIN gate.position() AS p
    INNER JOIN ledger.head AS h ON q.controller_id = h.controller_id
    CROSS JOIN
        unnest(kinds, consumers, rules, numbers, commitments, sealed)
        WITH ORDINALITY AS r (kind, consumer, rule, number, commitment, box, place)
    ORDER BY r.place
    RETURNING release_id;
END;
