-- Values of identifiers, for the namespaces that the purpose's policy exports and nothing else: sealed, each
-- only where its own statement permits the purpose now. Links that are claims join nobody for such a purpose,
-- which the policy's checks see to.
CREATE FUNCTION gate.exported(profiles bigint[], namespaces smallint[])
RETURNS TABLE (profile_id bigint, namespace_id smallint, identifier_id bigint, sealed bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT DISTINCT
        m.profile_id,
        m.namespace_id,
        m.identifier_id,
        b.sealed
    FROM gate.question AS q
    INNER JOIN projection.purpose AS p
        ON
            q.controller_id = p.controller_id
            AND q.policy_version = p.policy_version
            AND q.purpose_id = p.purpose_id
    INNER JOIN projection.policy AS v
        ON q.controller_id = v.controller_id AND q.policy_version = v.policy_version
    CROSS JOIN
        LATERAL jsonb_array_elements_text(
            v.documents::jsonb #> ARRAY['purposes', 'purposes', p.name, 'exports']
        ) AS x (namespace)
    INNER JOIN gate.member AS m
        ON (v.names::jsonb -> 'namespace' ->> x.namespace)::smallint = m.namespace_id
    INNER JOIN projection.permit AS o
        ON
            m.controller_id = o.controller_id
            AND m.policy_version = o.policy_version
            AND m.purpose_id = o.purpose_id
            AND m.identifier_id = o.identifier_id
            AND o.since <= m.now
            AND o.until > m.now
            -- Not by a contract or the law alone: the identifier's own statement.
            AND o.entry_index >= 0
    INNER JOIN ledger.payload AS b
        ON m.controller_id = b.controller_id AND m.identifier_id >> 6 = b.entry_index
    WHERE
        m.profile_id = any(profiles)
        AND m.namespace_id = any(namespaces)
        AND m.since <= m.now
    ORDER BY m.profile_id, m.namespace_id, m.identifier_id;
END;

REVOKE ALL ON FUNCTION gate.exported(bigint[], smallint[]) FROM public;
GRANT EXECUTE ON FUNCTION gate.exported(bigint[], smallint[]) TO assent_reader;
