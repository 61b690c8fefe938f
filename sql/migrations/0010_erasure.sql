-- Erasure, and what is deleted in time.

-- Event time, by which categories are kept. Of what stands already, the commit's time is the latest it can
-- be.
ALTER TABLE ledger.content ADD COLUMN at bigint;

UPDATE ledger.content AS c
SET
    at = (
        SELECT b.at
        FROM ledger.batch AS b
        WHERE b.controller_id = c.controller_id AND b.first_index <= c.entry_index
        ORDER BY b.first_index DESC
        LIMIT 1
    );

ALTER TABLE ledger.content ALTER COLUMN at SET NOT NULL;
CREATE INDEX content_at ON ledger.content USING brin (controller_id, at);

CREATE INDEX message_entry ON ledger.message USING brin (controller_id, entry_index);

-- Whoever objected to direct marketing and was erased, under a key of its own: seen again, it stands.
CREATE TABLE projection.suppression (
    controller_id bigint NOT NULL,
    namespace_id smallint NOT NULL,
    token bytea NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (controller_id, namespace_id, token)
);

-- Whom entries link and no evidence any more (an unlink leaves no other trace): an erasure looks there too.
CREATE TABLE projection.parted (
    controller_id bigint NOT NULL,
    low_id bigint NOT NULL,
    high_id bigint NOT NULL,
    PRIMARY KEY (controller_id, low_id, high_id),
    CHECK (low_id < high_id)
);

-- Which statements are bound to an address.
CREATE INDEX statement_address ON projection.statement (controller_id, (terms ->> 'address'))
WHERE terms ->> 'address' IS NOT NULL;

-- What stays of erased people because the law says so (GDPR Art. 17(3)): stored, in no projection.
CREATE TABLE ledger.retained (
    controller_id bigint NOT NULL,
    entry_index bigint NOT NULL,
    part smallint NOT NULL,
    identifier_id bigint NOT NULL,
    category_id smallint NOT NULL,
    -- The erasure that left it.
    erased_by bigint NOT NULL,
    until bigint NOT NULL,
    -- What the entry's payload becomes then, where it names others too, and whose it is.
    remain bytea,
    owner_id bigint NOT NULL,
    PRIMARY KEY (controller_id, entry_index, part)
);
CREATE INDEX retained_until ON ledger.retained (controller_id, until);

-- Until when somebody deletes in time for a controller, and how far each kind of work has come.
CREATE TABLE ledger.upkeep (
    controller_id bigint NOT NULL,
    task text NOT NULL,
    done_until bigint NOT NULL,
    PRIMARY KEY (controller_id, task)
) WITH (fillfactor = 50);

-- Payloads go, or become what is left of them, together with an entry that says so, or after it. Nothing else
-- that the service may call changes a payload.
CREATE FUNCTION ledger.erase(
    controller bigint, erasure bigint, entries bigint[], remains bytea[], owners bigint[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1
        FROM ledger.entry AS e
        WHERE
            e.controller_id = controller
            AND e.entry_index = erasure
            AND substr(e.leaf, 1, 23) = convert_to('assent/entry@1 erasure ', 'UTF8')
    ) OR erasure <= any(entries) THEN
        RAISE EXCEPTION 'no erasure says so';
    END IF;

    UPDATE ledger.payload AS p
    SET
        sealed = n.remain,
        identifier_id = n.owner_id
    FROM unnest(entries, remains, owners) AS n (entry_index, remain, owner_id)
    WHERE p.controller_id = controller AND p.entry_index = n.entry_index AND n.remain IS NOT NULL;

    DELETE FROM ledger.payload AS p
    USING unnest(entries, remains) AS n (entry_index, remain)
    WHERE p.controller_id = controller AND p.entry_index = n.entry_index AND n.remain IS NULL;
END;
$$;

REVOKE ALL ON FUNCTION ledger.erase(bigint, bigint, bigint[], bytea[], bigint[]) FROM public;
GRANT EXECUTE ON FUNCTION ledger.erase(bigint, bigint, bigint[], bytea[], bigint[])
TO assent_writer, assent_eraser;

GRANT SELECT, INSERT, UPDATE, DELETE ON projection.suppression, projection.parted TO assent_writer;
GRANT SELECT ON projection.suppression, projection.parted, ledger.retained, ledger.upkeep TO assent_auditor;
GRANT SELECT, INSERT ON ledger.retained TO assent_writer;
GRANT SELECT, UPDATE, DELETE ON projection.suppression, projection.parted TO assent_eraser;

-- What time deletes, the eraser deletes: content, and what was made of it. A state that is made anew of what
-- is left may be one of another basis set: hence the one insert that it may do.
GRANT SELECT, DELETE ON ledger.retained, ledger.message TO assent_eraser;
GRANT SELECT, INSERT, UPDATE ON ledger.upkeep TO assent_eraser;
GRANT SELECT ON ledger.controller, ledger.entry TO assent_eraser;
GRANT UPDATE (basis) ON ledger.content TO assent_eraser;
GRANT INSERT ON projection.feature_state, ledger.purpose_head TO assent_eraser;

-- Permits that time ends.
CREATE INDEX permit_until ON projection.permit (controller_id, until) WHERE until < 4611686018427387904;
