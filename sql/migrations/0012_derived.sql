-- Features that saved rules ask for: leaves over events, each with its definition; an empty one is dropped,
-- and its number is not given again.
CREATE TABLE projection.derived_feature (
    controller_id bigint NOT NULL,
    feature_id smallint NOT NULL,
    definition text NOT NULL,
    -- The entry that asked for it: what came before is read again, what came after is kept as it comes.
    entry_index bigint NOT NULL,
    PRIMARY KEY (controller_id, feature_id)
);

-- How far what came before an entry has been read for the features that it asked for.
CREATE TABLE ledger.backfill (
    controller_id bigint NOT NULL,
    entry_index bigint NOT NULL,
    identifier_id bigint NOT NULL,
    content_index bigint NOT NULL,
    part smallint NOT NULL,
    ready boolean NOT NULL,
    PRIMARY KEY (controller_id, entry_index)
);

-- How often the derived features changed: who keeps a catalogue at hand sees by it that it is old.
ALTER TABLE ledger.head ADD COLUMN catalogue bigint NOT NULL DEFAULT 0;

GRANT SELECT, INSERT, UPDATE, DELETE ON projection.derived_feature TO assent_writer;
GRANT SELECT, INSERT, UPDATE ON ledger.backfill TO assent_writer;
GRANT SELECT ON projection.derived_feature, ledger.backfill TO assent_auditor;
GRANT SELECT ON projection.derived_feature TO assent_eraser;

-- How often the derived features of the session's controller changed.
CREATE FUNCTION gate.catalogue() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT h.catalogue
    FROM ledger.head AS h
    WHERE h.controller_id = gate.setting('assent.controller');
END;

REVOKE ALL ON FUNCTION gate.catalogue() FROM public;
GRANT EXECUTE ON FUNCTION gate.catalogue() TO assent_reader;
