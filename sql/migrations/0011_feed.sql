-- The stored change feed: who entered and left an audience, for one purpose and one consumer.
-- Each consumer has its own: pairwise subjects differ, and so does what was released.

CREATE TABLE ledger.feed (
    controller_id bigint NOT NULL,
    feed_id bigint GENERATED ALWAYS AS IDENTITY,
    purpose_id smallint NOT NULL,
    audience_id text NOT NULL,
    consumer text NOT NULL,
    -- The number of its newest change, from 1 without a gap.
    seq bigint NOT NULL DEFAULT 0,
    -- Up to which sequence of the purpose everything that became narrower is in it.
    position bigint NOT NULL DEFAULT -1,
    -- Commits so far: who writes swaps it, so that two writers never both do.
    written bigint NOT NULL DEFAULT 0,
    -- Up to which change the consumer was given it.
    delivered bigint NOT NULL DEFAULT 0,
    -- The lease: which worker writes, and until when nobody else does.
    holder text NOT NULL DEFAULT '',
    held_until bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (controller_id, feed_id)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX feed_of ON ledger.feed (controller_id, purpose_id, audience_id, consumer);

-- What a feed last said of each subject. `anchor_id` is the identifier that stands for it.
CREATE TABLE ledger.feed_subject (
    controller_id bigint NOT NULL,
    feed_id bigint NOT NULL,
    subject text NOT NULL,
    anchor_id bigint NOT NULL,
    profile_id bigint NOT NULL,
    kind text NOT NULL,
    into_subject text,
    -- The first change that named it: a consumer that was given it was given the subject.
    first_seq bigint NOT NULL,
    PRIMARY KEY (controller_id, feed_id, subject)
) WITH (fillfactor = 80);
CREATE INDEX feed_subject_profile ON ledger.feed_subject (controller_id, feed_id, profile_id);

-- The changes. Of who may no longer be used only the `stop` is left, if they were given.
CREATE TABLE ledger.feed_change (
    controller_id bigint NOT NULL,
    feed_id bigint NOT NULL,
    seq bigint NOT NULL,
    subject text NOT NULL,
    -- Null for a stop, which names nobody inside.
    anchor_id bigint,
    kind text NOT NULL,
    into_subject text,
    at bigint NOT NULL,
    PRIMARY KEY (controller_id, feed_id, seq)
);
CREATE INDEX feed_change_subject ON ledger.feed_change (controller_id, feed_id, subject);

GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.feed, ledger.feed_subject, ledger.feed_change TO assent_writer;
GRANT SELECT ON ledger.feed, ledger.feed_subject, ledger.feed_change TO assent_auditor;

-- Which identifier stands for each of these profiles, as `gate.subjects` chooses it.
CREATE FUNCTION gate.anchors(profiles bigint[])
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
    ORDER BY m.profile_id, m.since, m.lookup;
END;

-- Which of these identifiers the purpose may use now, and the profile that each is in for it.
CREATE FUNCTION gate.usable(identifiers bigint[])
RETURNS TABLE (identifier_id bigint, profile_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT DISTINCT
        m.identifier_id,
        m.profile_id
    FROM gate.member AS m
    WHERE
        m.identifier_id = any(identifiers)
        AND m.since <= m.now;
END;

-- Where a feed of the session's purpose stands. `behind`: something became narrower that is not in it yet.
CREATE FUNCTION gate.feed(audience text, consumer_name text)
RETURNS TABLE (feed_id bigint, seq bigint, feed_position bigint, behind boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT
        f.feed_id,
        f.seq,
        f.position AS feed_position,
        f.position < 0 OR EXISTS (
            SELECT 1
            FROM gate.changes(f.position) AS c
            WHERE c.narrowing
        ) AS behind
    FROM gate.question AS q
    INNER JOIN ledger.feed AS f
        ON q.controller_id = f.controller_id AND q.purpose_id = f.purpose_id
    WHERE
        f.audience_id = audience
        AND f.consumer = consumer_name;
END;

-- Changes of a feed after a number, in order. Without a profile, whom it names may not be used now.
CREATE FUNCTION gate.feed_page(feed bigint, after bigint, most integer)
RETURNS TABLE (seq bigint, subject text, kind text, into_subject text, at bigint, profile_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT
        c.seq,
        c.subject,
        c.kind,
        c.into_subject,
        c.at,
        u.profile_id
    FROM (
        SELECT
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
    ORDER BY c.seq;
END;

-- Remember that the consumer is given a feed up to a change. In a snapshot older than the newest change it
-- fails, so nobody is counted as not given and given at once.
CREATE FUNCTION gate.feed_deliver(feed bigint, upto bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    UPDATE ledger.feed AS f
    SET delivered = upto
    FROM gate.question AS q
    WHERE
        f.controller_id = q.controller_id
        AND f.purpose_id = q.purpose_id
        AND f.feed_id = feed
        AND f.delivered < upto;
END;

REVOKE ALL ON FUNCTION gate.anchors(bigint[]) FROM public;
REVOKE ALL ON FUNCTION gate.usable(bigint[]) FROM public;
REVOKE ALL ON FUNCTION gate.feed(text, text) FROM public;
REVOKE ALL ON FUNCTION gate.feed_page(bigint, bigint, integer) FROM public;
REVOKE ALL ON FUNCTION gate.feed_deliver(bigint, bigint) FROM public;
GRANT EXECUTE ON FUNCTION gate.anchors(bigint[]) TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.usable(bigint[]) TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.feed(text, text) TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.feed_page(bigint, bigint, integer) TO assent_reader;
GRANT EXECUTE ON FUNCTION gate.feed_deliver(bigint, bigint) TO assent_reader;
