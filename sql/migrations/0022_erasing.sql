-- An erasure that is more than one commit may do: worked out and kept here, page by page, before anything is
-- changed; closed as a whole by the commit of its entry; done in chunks after, before anybody is answered.
CREATE TABLE ledger.erasing (
    controller_id bigint NOT NULL,
    erasing_id uuid NOT NULL,
    began_at bigint NOT NULL,
    -- Who, by number.
    identifiers bigint[] NOT NULL,
    -- The entry that says so; null before it: then nothing of this holds, and who left it is forgotten.
    erased_by bigint,
    PRIMARY KEY (controller_id, erasing_id)
);

-- What the payload of each entry becomes: gone, or what is left of it; with the parts of its content that the
-- law keeps (and until when), not before those go.
CREATE TABLE ledger.erasing_entry (
    controller_id bigint NOT NULL,
    entry_index bigint NOT NULL,
    erasing_id uuid NOT NULL,
    remain bytea,
    owner_id bigint NOT NULL,
    is_retained boolean NOT NULL,
    parts smallint[] NOT NULL,
    untils bigint[] NOT NULL,
    PRIMARY KEY (controller_id, entry_index, erasing_id)
);
CREATE INDEX erasing_entry_of ON ledger.erasing_entry (controller_id, erasing_id, entry_index);

-- Payloads as they count: what an erasure closed is not here, or is what it leaves. Who opens payloads opens
-- these.
CREATE VIEW ledger.kept_payload AS
WITH closed AS (
    SELECT
        n.controller_id,
        n.entry_index,
        n.remain,
        n.owner_id,
        n.is_retained
    FROM ledger.erasing_entry AS n
    INNER JOIN ledger.erasing AS e
        ON
            n.controller_id = e.controller_id
            AND n.erasing_id = e.erasing_id
            AND e.erased_by IS NOT NULL
)

SELECT
    p.controller_id,
    p.entry_index,
    CASE
        WHEN s.entry_index IS NULL OR s.is_retained THEN p.identifier_id
        ELSE s.owner_id
    END AS identifier_id,
    CASE WHEN s.entry_index IS NULL OR s.is_retained THEN p.sealed ELSE s.remain END AS sealed
FROM ledger.payload AS p
LEFT JOIN closed AS s
    ON p.controller_id = s.controller_id AND p.entry_index = s.entry_index
WHERE s.entry_index IS NULL OR s.is_retained OR s.remain IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.erasing, ledger.erasing_entry TO assent_writer;
GRANT SELECT ON ledger.erasing, ledger.erasing_entry TO assent_auditor;
GRANT SELECT, DELETE ON ledger.erasing, ledger.erasing_entry TO assent_eraser;
GRANT INSERT ON ledger.retained TO assent_eraser;
GRANT SELECT ON ledger.kept_payload TO assent_writer, assent_auditor, assent_eraser;

-- The entries that the facts of a claim became: when one of them is erased, so is the answer.
ALTER TABLE ledger.idempotency ADD COLUMN entries bigint[] NOT NULL DEFAULT '{}';
