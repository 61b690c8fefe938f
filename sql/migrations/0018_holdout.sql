-- Holdouts and goals of an audience, and who stands for a profile: of identifiers that a purpose could use
-- from one instant on (a contract opens all alike), the one of the namespace of highest priority.

-- Who of the members is held out, as JSON; null where nobody is.
ALTER TABLE projection.audience ADD COLUMN holdout text;
-- What is counted among the members, as JSON; null where nothing is.
ALTER TABLE projection.audience ADD COLUMN goals text;

DROP FUNCTION gate.subjects(bigint[]);
DROP FUNCTION gate.anchors(bigint[]);
DROP FUNCTION gate.feed_page(bigint, bigint, integer);

-- Which identifier stands for each of these profiles: the one that the purpose could use first; of equals
-- the one whose namespace comes first in `ranking`, then the one of the lowest keyed hash. A namespace that
-- is not in it is none that the policy declares, and stands for nobody. A function of what the purpose may
-- use: identifier ids, by which profiles are told apart inside, also count entries that it may not.
CREATE FUNCTION gate.anchors(profiles bigint[], ranking smallint[])
RETURNS TABLE (profile_id bigint, identifier_id bigint, lookup bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT DISTINCT ON (m.profile_id)
        m.profile_id,
        m.identifier_id,
        m.lookup
    FROM gate.member AS m
    WHERE
        m.profile_id = any(profiles)
        AND m.since <= m.now
        AND m.namespace_id = any(ranking)
    ORDER BY m.profile_id, m.since, array_position(ranking, m.namespace_id), m.lookup;
END;

CREATE FUNCTION gate.subjects(profiles bigint[], ranking smallint[])
RETURNS TABLE (profile_id bigint, lookup bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT
        a.profile_id,
        a.lookup
    FROM gate.anchors(profiles, ranking) AS a;
END;

-- Changes of a feed after a number, in order, with the keyed hash of whom each names. Without a profile, whom
-- it names may not be used now.
CREATE FUNCTION gate.feed_page(feed bigint, after bigint, most integer)
RETURNS TABLE (
    seq bigint, subject text, kind text, into_subject text, at bigint, profile_id bigint, lookup bytea
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT
        c.seq,
        c.subject,
        c.kind,
        c.into_subject,
        c.at,
        u.profile_id,
        i.lookup
    FROM (
        SELECT
            n.controller_id,
            n.seq,
            n.subject,
            n.anchor_id,
            n.kind,
            n.into_subject,
            n.at
        FROM gate.question AS q
        INNER JOIN ledger.feed AS f
            ON q.controller_id = f.controller_id AND q.purpose_id = f.purpose_id
        INNER JOIN ledger.feed_change AS n
            ON f.controller_id = n.controller_id AND f.feed_id = n.feed_id
        WHERE
            f.feed_id = feed
            AND n.seq > after
        ORDER BY n.seq
        LIMIT most
    ) AS c
    LEFT JOIN LATERAL gate.usable(ARRAY[c.anchor_id]) AS u ON TRUE
    LEFT JOIN projection.identifier AS i
        ON c.controller_id = i.controller_id AND c.anchor_id = i.identifier_id AND u.profile_id IS NOT NULL
    ORDER BY c.seq;
END;

REVOKE ALL ON FUNCTION gate.anchors(bigint[], smallint[]) FROM public;
REVOKE ALL ON FUNCTION gate.subjects(bigint[], smallint[]) FROM public;
REVOKE ALL ON FUNCTION gate.feed_page(bigint, bigint, integer) FROM public;
GRANT EXECUTE ON FUNCTION gate.anchors(bigint[], smallint[]) TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.subjects(bigint[], smallint[]) TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.feed_page(bigint, bigint, integer) TO assent_reader;
