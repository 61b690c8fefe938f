-- What rules ask of events, as a snapshot has it: whoever holds people in memory sees by it which questions
-- those values answer.
CREATE FUNCTION gate.derived() RETURNS TABLE (feature_id smallint, definition text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    -- Those before which everything has been read.
    SELECT
        d.feature_id,
        d.definition
    FROM projection.derived_feature AS d
    INNER JOIN ledger.backfill AS b
        ON d.controller_id = b.controller_id AND d.entry_index = b.entry_index
    WHERE
        d.controller_id = gate.setting('assent.controller')
        AND d.definition <> ''
        AND b.ready;
END;

REVOKE ALL ON FUNCTION gate.derived() FROM public;
GRANT EXECUTE ON FUNCTION gate.derived() TO assent_reader;
