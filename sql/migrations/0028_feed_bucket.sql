-- The bucket of who is held out, as a feed said it: when the holdout of an audience changes, it says so.
ALTER TABLE ledger.feed_subject ADD COLUMN bucket text;
ALTER TABLE ledger.feed_change ADD COLUMN bucket text;

DROP FUNCTION gate.feed_page(bigint, bigint, integer);

-- Changes of a feed after a number, in order. Without a profile, whom it names may not be used now.
CREATE FUNCTION gate.feed_page(feed bigint, after bigint, most integer)
RETURNS TABLE (
    seq bigint, subject text, kind text, into_subject text, bucket text, at bigint, profile_id bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT
        c.seq,
        c.subject,
        c.kind,
        c.into_subject,
        c.bucket,
        c.at,
        u.profile_id
    FROM (
        SELECT
            n.seq,
            n.subject,
            n.anchor_id,
            n.kind,
            n.into_subject,
            n.bucket,
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

REVOKE ALL ON FUNCTION gate.feed_page(bigint, bigint, integer) FROM public;
GRANT EXECUTE ON FUNCTION gate.feed_page(bigint, bigint, integer) TO assent_reader;
