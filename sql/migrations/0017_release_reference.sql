-- What a consumer is told that a release is called: its own number for the purpose. The numbers of the log
-- count everybody's releases and readings, and would tell an engine how much others ask.
ALTER TABLE ledger.release ADD COLUMN reference bigint;

-- How far a consumer's numbers for a purpose are handed out to workers, in blocks.
CREATE TABLE ledger.release_reference (
    controller_id bigint NOT NULL,
    consumer text NOT NULL,
    purpose_id smallint NOT NULL,
    reserved bigint NOT NULL,
    PRIMARY KEY (controller_id, consumer, purpose_id)
) WITH (fillfactor = 80);
GRANT SELECT ON ledger.release_reference TO assent_writer, assent_auditor;
GRANT INSERT, UPDATE ON ledger.release_reference TO assent_writer;

DROP FUNCTION gate.record(text[], text[], text[], bigint[], bytea[], bytea[]);

-- Record answers before they leave: insert only. Nothing comes back: the caller brought what they are called.
CREATE FUNCTION gate.record(
    kinds text[],
    consumers text[],
    called bigint[],
    rules text[],
    numbers bigint[],
    commitments bytea[],
    sealed bytea[]
) RETURNS void
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
        reference,
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
        r.reference,
        r.rule,
        r.number,
        r.commitment,
        r.box
    FROM gate.question AS q
    CROSS JOIN gate.position() AS p
    INNER JOIN ledger.head AS h ON q.controller_id = h.controller_id
    CROSS JOIN
        unnest(kinds, consumers, called, rules, numbers, commitments, sealed)
        WITH ORDINALITY AS r (kind, consumer, reference, rule, number, commitment, box, place)
    ORDER BY r.place;
END;

REVOKE ALL ON FUNCTION gate.record(text[], text[], bigint[], text[], bigint[], bytea[], bytea[]) FROM public;
GRANT EXECUTE ON FUNCTION gate.record(text[], text[], bigint[], text[], bigint[], bytea[], bytea[])
TO assent_reader;
