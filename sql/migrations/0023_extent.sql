-- How far the purpose's permits reach: so many identifiers, the highest of them. For loading everybody in
-- pages, and for saying how far that is.
CREATE FUNCTION gate.extent() RETURNS TABLE (identifiers bigint, highest bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT
        count(DISTINCT p.identifier_id) AS identifiers,
        coalesce(max(p.identifier_id), 0) AS highest
    FROM gate.question AS q
    INNER JOIN projection.permit AS p
        ON
            q.controller_id = p.controller_id
            AND q.policy_version = p.policy_version
            AND q.purpose_id = p.purpose_id
            AND p.until > q.now;
END;

REVOKE ALL ON FUNCTION gate.extent() FROM public;
GRANT EXECUTE ON FUNCTION gate.extent() TO assent_reader;
