-- When an answer last named each audience: noted as answers get their place in the release log, so that who
-- asks which audiences are asked for does not read the whole log.
CREATE TABLE ledger.asked (
    controller_id bigint NOT NULL,
    audience_id text NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (controller_id, audience_id)
) WITH (fillfactor = 50);
GRANT SELECT ON ledger.asked TO assent_writer, assent_auditor;
GRANT INSERT, UPDATE ON ledger.asked TO assent_writer;

INSERT INTO ledger.asked (controller_id, audience_id, at)
SELECT
    r.controller_id,
    split_part(split_part(n.said, ':', 1), '@', 1) AS audience_id,
    max(r.at) AS at
FROM ledger.release AS r
CROSS JOIN LATERAL unnest(string_to_array(r.rules, ',')) AS n (said)
WHERE
    r.leaf_index IS NOT NULL
    AND r.kind <> 'access'
GROUP BY r.controller_id, audience_id;
